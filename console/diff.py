"""`leadscore diff`: which leads change tier between two models, and which rules are the cause."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from config.load import load_model
from config.problems import ConfigError
from console.cli import FINDINGS, USAGE
from console.score_lines import LineError, LineReader
from scoring.engine import score
from scoring.labels import SCORED_TIERS, TIERS
from scoring.model import ScoringModel
from scoring.result import LeadScore
from webhooks.wiring import utc_now

#: Moves that are listed one by one; the matrix counts them all.
MOST_LISTED: Final = 1_000
MOST_SHOWN: Final = 40


class Move(NamedTuple):
    """A lead whose tier differs."""

    id: str | int
    before: str
    after: str
    scores: tuple[int | None, int | None]
    causes: tuple[
        tuple[str, int], ...
    ]  #: Codes of lines and what they add or take, largest first.


class Difference(NamedTuple):
    """What a set of leads makes of two models."""

    leads: int
    bad: int
    scores_changed: int
    matrix: Counter[tuple[str, str]]  #: Tier before, tier after -> leads.
    causes: Counter[str]  #: Code of a line -> leads whose tier it helped to move.
    moves: list[Move]  #: The first thousand.


def run_diff(
    old: str, new: str, lines: Iterable[bytes], *, now: datetime | None, as_json: bool
) -> int:
    """Compare, print, return the exit code: 1 where a line could not be read."""
    try:
        before, after = load_model(old, Path()), load_model(new, Path())
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    found = difference(before, after, lines, now or utc_now())
    if as_json:
        click.echo(json.dumps(_as_json(before, after, found)))
    else:
        _print(before, after, found)
    return FINDINGS if found.bad else 0


def difference(
    old: ScoringModel, new: ScoringModel, lines: Iterable[bytes], now: datetime
) -> Difference:
    """Return how `new` scores the leads in `lines` other than `old`."""
    read = LineReader()
    matrix: Counter[tuple[str, str]] = Counter()
    causes: Counter[str] = Counter()
    moves: list[Move] = []
    leads = bad = changed = 0
    for line in lines:
        try:
            lead_id, lead = read(line)
        except LineError:
            bad += 1
            continue
        leads += 1
        before, after = score(lead, old, now), score(lead, new, now)
        matrix[before.tier, after.tier] += 1
        changed += before.score != after.score
        if before.tier != after.tier:
            why = causes_of(before, after, new.cut_offs(str(lead.fields.get("service_line"))))
            causes.update(code for code, _ in why)
            if len(moves) < MOST_LISTED:
                scores = (before.score, after.score)
                moves.append(Move(lead_id, before.tier, after.tier, scores, why))
    return Difference(leads, bad, changed, matrix, causes, moves)


def causes_of(
    before: LeadScore, after: LeadScore, cut_offs: Mapping[str, int]
) -> tuple[tuple[str, int], ...]:
    """Return the lines that differ, by code, with the points they add, largest first.

    `tiers` stands first where the new cut-offs alone move the old score.
    """
    points: Counter[str] = Counter()
    for line in after.reasons:
        points[line.code] += line.points
    for line in before.reasons:
        points[line.code] -= line.points
    lines = [(code, by) for code, by in points.items() if by]
    if not lines:
        codes = {line.code for line in before.reasons} ^ {line.code for line in after.reasons}
        lines = [(code, 0) for code in codes]
    lines.sort(key=lambda cause: (-abs(cause[1]), cause[0]))
    old = before.score
    alone = next(
        (name for name in SCORED_TIERS if old is not None and old >= cut_offs[name]), None
    )
    by_cut_offs = alone is not None and alone != before.tier
    return tuple([("tiers", 0), *lines] if by_cut_offs else lines)


def _as_json(old: ScoringModel, new: ScoringModel, found: Difference) -> dict[str, Any]:
    return {
        "old": old.version,
        "new": new.version,
        "leads": found.leads,
        "bad_lines": found.bad,
        "tier_changed": sum(count for (a, b), count in found.matrix.items() if a != b),
        "score_changed": found.scores_changed,
        "matrix": {
            before: {after: count for after in TIERS if (count := found.matrix[before, after])}
            for before in TIERS
            if any(found.matrix[before, after] for after in TIERS)
        },
        "causes": dict(found.causes.most_common()),
        "moves": [
            {
                "id": move.id,
                "before": move.before,
                "after": move.after,
                "scores": list(move.scores),
                "causes": [{"code": code, "points": points} for code, points in move.causes],
            }
            for move in found.moves
        ],
    }


def _print(old: ScoringModel, new: ScoringModel, found: Difference) -> None:
    console = Console()
    moved = sum(count for (a, b), count in found.matrix.items() if a != b)
    click.echo(f"{old.version} -> {new.version}, {found.leads:,} leads")
    click.echo(f"{moved:,} change tier, {found.scores_changed:,} change score")
    used = [tier for tier in TIERS if any(tier in pair for pair in found.matrix)]
    table = Table("before \\ after", *used, title="Tiers")
    for before in used:
        cells = [found.matrix[before, after] for after in used]
        table.add_row(before, *(f"{count:,}" if count else "·" for count in cells))
    console.print(table)
    if not moved:
        return
    table = Table("line", "leads it helped to move", title="Why")
    for code, count in found.causes.most_common(12):
        table.add_row(code, f"{count:,}")
    console.print(table)
    table = Table("lead", "tier", "score", "because", title="Who")
    for move in found.moves[:MOST_SHOWN]:
        why = ", ".join(
            f"{points:+d} {code}" if points else code for code, points in move.causes[:3]
        )
        scores = " -> ".join("none" if each is None else str(each) for each in move.scores)
        table.add_row(str(move.id), f"{move.before} -> {move.after}", scores, why)
    console.print(table)
    if moved > MOST_SHOWN:
        click.echo(f"… and {moved - MOST_SHOWN:,} more; --json lists up to {MOST_LISTED:,}")
