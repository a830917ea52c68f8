"""Measures the text signals on labelled files: `leadscore evaluate-text`. Prints ids, never texts."""

import csv
import gzip
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from config.load import environment, load_settings
from config.meaning.minilm import MeaningError
from config.meaning.switch import load_meaning
from config.problems import ConfigError
from scoring.evaluation import (
    Agreement,
    Share,
    agreements,
    macro_f1,
    mean_absolute_error,
    micro_f1,
    recall_against_alarms,
)
from scoring.result import Signals
from scoring.text.emergency import danger_evidence
from scoring.text.negation import is_denied
from scoring.text.normalise import words_of
from scoring.text.reading import read_signals

#: Returns the signals of a text.
Read = Callable[[str], Signals]
#: Labels with one value a text.
SINGLE: Final = ("urgency", "inquiry_type", "insurance", "booking_intent")
#: Columns that hold a text, the closest first, and those that hold a label of a set.
_TEXT_COLUMNS: Final = (
    "text", "wording", "case_description", "Chief_complain", "phrase", "utterance", "question",
    "message", "question_1", "presentation",
)  # fmt: skip
_LABEL_COLUMNS: Final = (
    "priority", "urgency_level", "level", "KTAS_expert", "specialist", "active_intent", "label",
    "question_type", "topic", "domain", "question_types", "same_intent", "site",
)  # fmt: skip


class FileError(Exception):
    """A file that cannot be measured; the message shows no value of it."""


def run_evaluation(
    files: Sequence[Path],
    *,
    as_json: bool,
    with_misses: bool,
    plot: Path | None,
    semantic: bool | None = None,
) -> int:
    """Print how well the signals agree with the labels of `files`; return the exit code.

    `semantic` measures with the gate that reads meaning, too; None is as the settings say.
    """
    console = Console()
    found: dict[str, Any] = {}
    try:
        read = reader(semantic)
        inquiries = [row for file in files if file.suffix == ".jsonl" for row in _inquiries(file)]
        if inquiries:
            found["inquiries"] = measure_inquiries(inquiries, read)
        for file in files:
            if file.suffix != ".jsonl":
                found[file.name] = _measure_table(file, read)
        if plot is not None:
            plot.write_text(curve_svg(inquiries, read), encoding="utf-8")
    except (FileError, OSError, ConfigError, MeaningError) as error:
        Console(stderr=True).print(f"evaluate-text: {error}", markup=False)
        return 2
    if not with_misses:
        found.get("inquiries", {}).pop("misses", None)
    if as_json:
        console.file.write(json.dumps(found, indent=1) + "\n")
    else:
        _show(console, found)
    return 0


def reader(semantic: bool | None) -> Read:  # noqa: FBT001  # an option, passed on
    """Return what reads the signals of a text.

    Raises:
        ConfigError: the settings have problems.
        MeaningError: meaning is asked for and cannot be had: to measure without it would mislead.
    """
    settings = load_settings(environment())
    if settings.semantic if semantic is None else semantic:
        return partial(read_signals, meaning=load_meaning(settings.semantic_model))
    return read_signals


def measure_inquiries(
    rows: Sequence[Mapping[str, Any]], read_text: Read = read_signals
) -> dict[str, Any]:
    """Return every metric of the inquiries' README for `rows`."""
    for row in rows:  # the first reading of a process fills its caches: not the cost of a text
        read_text(row["text"])
    began = time.perf_counter()
    read = [read_text(row["text"]) for row in rows]
    spent_us = (time.perf_counter() - began) * 1e6
    return {
        "rows": len(rows),
        "cost_us_per_text": round(spent_us / len(rows), 1),
        "chars_per_text": round(sum(len(row["text"]) for row in rows) / len(rows)),
        "emergency": _emergency(rows, read),
        "labels": {label: _single(label, rows, read) for label in SINGLE},
        "procedures": _procedures(rows, read),
        "languages": {
            lang: _emergency(*_where("lang", lang, rows, read))
            for lang in sorted({row["lang"] for row in rows})
        },
        "misses": _misses(rows, read),
    }


def _where(
    field: str, value: object, rows: Sequence[Mapping[str, Any]], read: Sequence[Signals]
) -> tuple[list[Mapping[str, Any]], list[Signals]]:
    kept = [pair for pair in zip(rows, read, strict=True) if pair[0][field] == value]
    return [row for row, _ in kept], [signals for _, signals in kept]


def _emergency(rows: Sequence[Mapping[str, Any]], read: Sequence[Signals]) -> dict[str, Any]:
    cases = [
        (row["urgency"] == "emergency", signals.urgency == "emergency", row["trap"])
        for row, signals in zip(rows, read, strict=True)
    ]
    flagged = [is_one for is_one, is_flagged, _ in cases if is_flagged]
    ordinary = [(is_flagged, trap) for is_one, is_flagged, trap in cases if not is_one]
    traps = sorted({trap or "no trap" for _, trap in ordinary})
    return {
        "recall": _share(is_flagged for is_one, is_flagged, _ in cases if is_one),
        "precision": _share(flagged),
        "false_alarms": _share(is_flagged for is_flagged, _ in ordinary),
        "false_alarms_on_traps": _share(is_flagged for is_flagged, trap in ordinary if trap),
        "false_alarms_by_trap": {
            kind: _share(
                is_flagged for is_flagged, trap in ordinary if (trap or "no trap") == kind
            )
            for kind in traps
        },
    }


def _single(
    label: str, rows: Sequence[Mapping[str, Any]], read: Sequence[Signals]
) -> dict[str, Any]:
    pairs = [
        (row[label], getattr(signals, label)) for row, signals in zip(rows, read, strict=True)
    ]
    scores = agreements(({str(said)}, {str(found)}) for said, found in pairs)
    result = {"macro_f1": round(macro_f1(scores), 3), "values": _values(scores)}
    if label == "booking_intent":
        result["mean_absolute_error"] = round(mean_absolute_error(pairs), 3)
    return result


def _procedures(rows: Sequence[Mapping[str, Any]], read: Sequence[Signals]) -> dict[str, Any]:
    scores = agreements(
        (set(row["procedures"]), set(signals.procedures))
        for row, signals in zip(rows, read, strict=True)
    )
    return {
        "macro_f1": round(macro_f1(scores), 3),
        "micro_f1": round(micro_f1(scores), 3),
        "values": _values(scores),
    }


def _misses(rows: Sequence[Mapping[str, Any]], read: Sequence[Signals]) -> dict[str, list[str]]:
    pairs = list(zip(rows, read, strict=True))
    missed = {
        label: [row["id"] for row, signals in pairs if row[label] != getattr(signals, label)]
        for label in SINGLE
    }
    missed["procedures"] = [
        row["id"] for row, signals in pairs if set(row["procedures"]) != set(signals.procedures)
    ]
    return {
        "emergency_missed": [
            row["id"] for row, signals in pairs if row["urgency"] == "emergency" != signals.urgency
        ],
        "emergency_false_alarms": [
            row["id"] for row, signals in pairs if signals.urgency == "emergency" != row["urgency"]
        ],
        **missed,
    }


def curve_svg(rows: Sequence[Mapping[str, Any]], read_text: Read = read_signals) -> str:
    """Return the curve of recall against false alarms of the gate's evidence, as a drawing.

    Raises:
        FileError: There are no inquiries to draw.
    """
    if not rows:
        raise FileError("--plot: needs a file of inquiries")
    points = recall_against_alarms(
        (danger_evidence(words_of(row["text"])), row["urgency"] == "emergency") for row in rows
    )
    line = " ".join(
        f"{60 + 400 * alarms:.1f},{340 - 300 * recall:.1f}" for _, recall, alarms in points
    )
    marks = "".join(
        f'<text x="{60 + 400 * at / 10:.0f}" y="358" text-anchor="middle">{at / 10:g}</text>'
        f'<text x="52" y="{344 - 300 * at / 10:.0f}" text-anchor="end">{at / 10:g}</text>'
        for at in range(0, 11, 2)
    )
    shares = _emergency(rows, [read_text(row["text"]) for row in rows])
    x = 60 + 400 * shares["false_alarms"]["share"]
    y = 340 - 300 * shares["recall"]["share"]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 400" font-family="sans-serif"'
        ' font-size="11"><rect width="500" height="400" fill="#fff"/>'
        '<path d="M60 40V340H460" fill="none" stroke="#333"/>'
        f'<path d="M{60 + 400 * 0.05:.0f} 40V340" stroke="#bbb" stroke-dasharray="4"/>'
        f'<path d="M60 {340 - 300 * 0.97:.0f}H460" stroke="#bbb" stroke-dasharray="4"/>'
        f'{marks}<polyline points="60,340 {line}" fill="none" stroke="#06c" stroke-width="1.5"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#c30"/>'
        '<text x="260" y="380" text-anchor="middle">false alarms, share of non-emergencies</text>'
        '<text x="16" y="190" transform="rotate(-90 16 190)" text-anchor="middle">recall</text>'
        f'<text x="{x + 8:.0f}" y="{y + 14:.0f}">as shipped, rules and weights</text>'
        f'<text x="260" y="24" text-anchor="middle">Emergency gate on {len(rows)} inquiries: weights alone'
        "</text></svg>\n"
    )


def _measure_table(file: Path, read_text: Read) -> dict[str, Any]:
    rows = _table(file)
    columns = rows[0].keys()
    if {"concept", "sentence", "negation"} <= columns:
        return _negation(rows)
    text = next((name for name in _TEXT_COLUMNS if name in columns), None)
    label = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if text is None or label is None:
        raise FileError(f"{file.name}: no column of texts and labels that is known")
    flagged: dict[str, list[bool]] = {}
    types: dict[str, Counter[str]] = {}
    for row in rows:
        signals = read_text(row[text])
        flagged.setdefault(row[label], []).append(signals.urgency == "emergency")
        types.setdefault(row[label], Counter())[signals.inquiry_type] += 1
    return {
        "rows": len(rows),
        "text": text,
        "label": label,
        "flagged": {value: _share(flags) for value, flags in sorted(flagged.items())},
        "inquiry_types": {value: dict(types[value].most_common(3)) for value in sorted(types)},
    }


def _negation(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    pairs = [
        (
            {row["negation"]},
            {"Negated" if is_denied(row["sentence"], row["concept"]) else "Affirmed"},
        )
        for row in rows
    ]
    return {"rows": len(rows), "values": _values(agreements(pairs))}


def _values(scores: Mapping[str, Agreement]) -> dict[str, dict[str, float]]:
    return {
        value: {
            "precision": round(score.precision, 3),
            "recall": round(score.recall, 3),
            "f1": round(score.f1, 3),
            "rows": score.rows,
        }
        for value, score in scores.items()
    }


def _share(cases: Iterable[bool]) -> dict[str, Any]:
    found = list(cases)
    share = Share(sum(found), len(found))
    low, high = share.interval
    return {
        "hits": share.hits,
        "of": share.of,
        "share": round(share.value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def _inquiries(file: Path) -> Iterator[Mapping[str, Any]]:
    needed = {"id", "text", "lang", "trap", "procedures", *SINGLE}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise FileError(f"{file.name}:{number}: not JSON") from None
        if not isinstance(row, dict) or not needed <= row.keys():
            raise FileError(f"{file.name}:{number}: needs the keys {', '.join(sorted(needed))}")
        yield row


def _table(file: Path) -> list[dict[str, str]]:
    raw = file.read_bytes()
    try:
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8")
    except (ValueError, EOFError, gzip.BadGzipFile):
        raise FileError(f"{file.name}: not a table in UTF-8") from None
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise FileError(f"{file.name}: no rows")
    return rows


def _show(console: Console, found: Mapping[str, Any]) -> None:
    for name, measured in found.items():
        if name == "inquiries":
            _show_inquiries(console, measured)
            continue
        table = Table(title=f"{name}: {measured['rows']} rows")
        if "flagged" in measured:
            table.add_column(measured["label"])
            table.add_column("flagged as emergency")
            table.add_column("inquiry types")
            for value, share in measured["flagged"].items():
                kinds = ", ".join(f"{k} {n}" for k, n in measured["inquiry_types"][value].items())
                table.add_row(value[:60], _in_words(share), kinds)
        else:
            _fill(table, measured["values"])
        console.print(table)


def _show_inquiries(console: Console, measured: Mapping[str, Any]) -> None:
    table = Table(title=f"Emergencies, {measured['rows']} inquiries")
    table.add_column("measure")
    table.add_column("share, 95 % interval")
    emergency = measured["emergency"]
    for name in ("recall", "precision", "false_alarms", "false_alarms_on_traps"):
        table.add_row(name.replace("_", " "), _in_words(emergency[name]))
    for kind, share in emergency["false_alarms_by_trap"].items():
        table.add_row(f"false alarms: {kind}", _in_words(share))
    for lang, part in measured["languages"].items():
        table.add_row(f"recall, {lang}", _in_words(part["recall"]))
    console.print(table)
    for label, scores in (*measured["labels"].items(), ("procedures", measured["procedures"])):
        extra = "".join(
            f", {name.replace('_', ' ')} {scores[name]}"
            for name in ("micro_f1", "mean_absolute_error")
            if name in scores
        )
        table = Table(title=f"{label}: macro F1 {scores['macro_f1']}{extra}")
        _fill(table, scores["values"])
        console.print(table)
    console.print(
        f"{measured['cost_us_per_text']} µs a text of {measured['chars_per_text']} characters"
    )
    for name, ids in measured.get("misses", {}).items():
        console.print(f"{name}: {' '.join(ids) or 'none'}", markup=False)


def _fill(table: Table, values: Mapping[str, Mapping[str, float]]) -> None:
    for column in ("value", "precision", "recall", "F1", "rows"):
        table.add_column(column, justify="left" if column == "value" else "right")
    for value, score in values.items():
        table.add_row(
            value,
            *(f"{score[name]:.3f}" for name in ("precision", "recall", "f1")),
            str(score["rows"]),
        )


def _in_words(share: Mapping[str, Any]) -> str:
    return f"{share['hits']} of {share['of']} = {share['share']:.3f} ({share['low']:.3f} to {share['high']:.3f})"
