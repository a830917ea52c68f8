"""Trains the weights of the text signals from the labelled training files, with cross-validation.

Needs scikit-learn, which the product does not: make an environment of your own with
`pip install scikit-learn`, then `python -m bench.text_weights [--check]`. `--check` only prints
the cross-validated figures. The blind files are never read here.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict

from scoring.evaluation import agreements, macro_f1, micro_f1
from scoring.labels import INQUIRY_TYPES, INSURANCES, PROCEDURES, URGENCIES
from scoring.result import Signals
from scoring.text.choosing import choose
from scoring.text.emergency import danger_in, emergency_in, first_rule, gate_features
from scoring.text.normalise import Words, words_of
from scoring.text.reading import read_by_rules
from scoring.text.weights import SHORT, Weights

FILES = sorted(Path("tests/scoring/text/inquiries").glob("train_*.jsonl"))
LEXICONS = Path("scoring/text/lexicons")
FOLDS = KFold(10, shuffle=True, random_state=0)
Rows = Sequence[Mapping[str, Any]]
Texts = Sequence[Words]
Sets = Sequence[AbstractSet[str]]
#: So many texts must have a word before it gets a weight.
LEAST_TEXTS = 2
#: Smaller weights, in hundredths, are left out of the signals' file.
LEAST_WEIGHT = 7


def fit_many(table: Any, columns: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return (weights, biases), one column a value, for a table of 0 and 1."""
    models = [model(strength=0.3).fit(table, column) for column in columns]
    return np.stack([m.coef_[0] for m in models], 1), np.array([m.intercept_[0] for m in models])


def model(*, strength: float) -> LogisticRegression:
    return LogisticRegression(
        C=strength, class_weight="balanced", max_iter=2000, solver="liblinear"
    )


def main() -> None:
    """Train, check and write both files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    chosen = options.parse_args()
    rows = [json.loads(line) for file in FILES for line in file.read_text("utf-8").splitlines()]
    words = [words_of(row["text"]) for row in rows]
    is_emergency = np.array([row["urgency"] == "emergency" for row in rows])
    gate(words, is_emergency, chosen)
    signals(rows, words, chosen)


def gate(words: Texts, is_emergency: np.ndarray, chosen: argparse.Namespace) -> None:
    """Print how rules and weights flag together; write the weights of the gate."""
    sets = [gate_features(text, danger_in(text)) for text in words]
    table, names = tabled(sets)
    # As `scoring.text.weights.Evidence` does.
    table = diags(1 / np.sqrt(np.maximum(np.asarray(table.sum(axis=1)).ravel(), SHORT))) @ table
    fitted = model(strength=15.0).fit(table, is_emergency)
    evidence = cross_val_predict(
        model(strength=15.0), table, is_emergency, cv=FOLDS, method="decision_function"
    )
    rule = np.array([first_rule(danger_in(text)) is not None for text in words])
    print("gate: rules alone", figures(rule, is_emergency))
    for alarms in (0.01, 0.02, 0.03, 0.04, 0.05, 0.08, 0.12):
        adds = np.quantile(evidence[~is_emergency], 1 - alarms)
        print(f"gate: weights alone from {adds:.2f}", figures(evidence > adds, is_emergency))
    for adds in np.arange(-1, 1.1, 0.25):
        for needs in (-2.5, -1.5):
            flagged = (rule & (evidence > needs)) | (evidence > adds)
            print(f"gate: adds {adds:.2f} needs {needs}", figures(flagged, is_emergency))
    if not chosen.check:
        lines = [
            [name, f"danger={round(100 * w)}"]
            for name, w in zip(names, fitted.coef_[0], strict=True)
            if abs(w) >= 0.005
        ]
        lines.append(["(bias)", f"danger={round(100 * fitted.intercept_[0])}"])
        write("emergency_weights.tsv", lines)


def signals(rows: Rows, words: Texts, chosen: argparse.Namespace) -> None:
    """Print what the weights of the signals reach; write them."""
    # The verdict of the gate as it will be at run time.
    flags = [emergency_in(text) is not None for text in words]
    read = [
        read_by_rules(text, is_emergency=flag) for text, flag in zip(words, flags, strict=True)
    ]
    sets = [features for _, features in read]
    wanted = wanted_columns(rows)
    found = [Signals()] * len(rows)
    for train, held in FOLDS.split(rows):
        weights = Weights(trained(train, sets, wanted))
        for row in held:
            found[row] = choose(
                weights,
                sets[row],
                is_emergency=rows[row]["urgency"] == "emergency",
                by_rules=read[row][0],
            )
    report(rows, [rules for rules, _ in read], "rules alone")
    report(rows, found, "weights, cross-validated, emergencies given")
    if not chosen.check:
        write("signal_weights.tsv", trained(range(len(rows)), sets, wanted))


def wanted_columns(rows: Rows) -> dict[str, np.ndarray]:
    wanted = {
        f"urgency:{name}": [row["urgency"] == name for row in rows] for name in URGENCIES[1:]
    }
    wanted |= {f"type:{n}": [row["inquiry_type"] == n for row in rows] for n in INQUIRY_TYPES}
    wanted |= {f"insurance:{n}": [row["insurance"] == n for row in rows] for n in INSURANCES}
    wanted |= {f"intent:{n}": [row["booking_intent"] == n for row in rows] for n in range(5)}
    wanted |= {f"procedure:{n}": [n in row["procedures"] for row in rows] for n in PROCEDURES}
    return {value: np.array(column) for value, column in wanted.items()}


def trained(train: Iterable[int], sets: Sets, wanted: Mapping[str, np.ndarray]) -> list[list[str]]:
    """Return the lines of a weights file trained on the rows `train`."""
    table, names = tabled([sets[row] for row in train])
    columns = [column[list(train)] for column in wanted.values()]
    weights, biases = fit_many(table, columns)
    rounded = np.rint(100 * weights).astype(int)
    rounded[abs(rounded) < LEAST_WEIGHT] = 0
    lines = [
        [name, *(f"{number}={w}" for number, w in enumerate(row) if w)]
        for name, row in zip(names, rounded, strict=True)
    ]
    values = [f"{number}={value}" for number, value in enumerate(wanted)]
    bias = [f"{number}={round(100 * b)}" for number, b in enumerate(biases)]
    kept = sorted(line for line in lines if len(line) > 1)
    return [["(values)", *values], ["(bias)", *bias], *kept]


def report(rows: Rows, found: Sequence[Signals], name: str) -> None:
    parts = [name]
    for label in ("urgency", "inquiry_type", "insurance", "booking_intent"):
        pairs = [
            ({str(row[label])}, {str(getattr(signals, label))})
            for row, signals in zip(rows, found, strict=True)
        ]
        parts.append(f"{label} {macro_f1(agreements(pairs)):.3f}")
    pairs = [
        (set(row["procedures"]), set(signals.procedures))
        for row, signals in zip(rows, found, strict=True)
    ]
    scores = agreements(pairs)
    parts.append(f"procedures macro {macro_f1(scores):.3f} micro {micro_f1(scores):.3f}")
    print(" | ".join(parts))


def tabled(sets: Sets) -> tuple[Any, list[str]]:
    """Return the features of texts as a table of 0 and 1, and the names of its columns."""
    seen = Counter(feature for features in sets for feature in features)
    names = sorted(name for name, texts in seen.items() if texts >= LEAST_TEXTS)
    place = {name: index for index, name in enumerate(names)}
    cells = [
        (row, place[feature])
        for row, features in enumerate(sets)
        for feature in features
        if feature in place
    ]
    ones = np.ones(len(cells))
    table = csr_matrix((ones, tuple(np.array(cells, dtype=np.int32).T)), (len(sets), len(names)))
    table.indices = table.indices.astype(np.int32)
    table.indptr = table.indptr.astype(np.int32)
    return table, names


def figures(flagged: np.ndarray, is_emergency: np.ndarray) -> str:
    recall = (flagged & is_emergency).sum() / is_emergency.sum()
    alarms = (flagged & ~is_emergency).sum() / (~is_emergency).sum()
    return f"recall {recall:.3f} alarms {alarms:.3f}"


def write(name: str, lines: Iterable[Sequence[str]], *, by: str = "bench/text_weights.py") -> None:
    made = f"made by {by} from {len(FILES)} files"
    head = f"# feature\tvalue=weight in hundredths: {made}"
    body = ["\t".join(line) for line in lines]
    (LEXICONS / name).write_text("\n".join([head, *body]) + "\n", encoding="utf-8")
    print(name, len(body), "lines", (LEXICONS / name).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
