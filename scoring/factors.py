"""Points of the five factors: what each rule gives, what age, caps and the text cap take away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from scoring.decay import next_step, points_left
from scoring.facts import Facts
from scoring.labels import FACTORS
from scoring.model import Rule, ScoringModel
from scoring.result import Reason

_FACTOR_IN_WORDS: Final = {
    "inquiry_type": "Inquiry type",
    "urgency": "Urgency",
    "insurance": "Insurance",
    "procedure": "Procedure",
    "engagement": "Engagement",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The five factors and the lines that sum to them."""

    factors: dict[str, int]
    reasons: tuple[Reason, ...]


def tally(facts: Facts, model: ScoringModel, now: datetime) -> Tally:
    """Return the points of each factor at `now`, with the lines that account for them."""
    sums = dict.fromkeys(FACTORS, 0)
    text_sums = dict.fromkeys(FACTORS, 0)
    lines: dict[str, list[Reason]] = {factor: [] for factor in FACTORS}
    for rule in model.rules:
        full, left = _points(rule, facts, now)
        if full == 0:
            continue
        detail = _detail(rule, facts)
        lines[rule.factor].append(Reason(code=rule.id, points=full, text=rule.says, detail=detail))
        if left != full:
            lines[rule.factor].append(
                Reason(code=f"decay.{rule.id}", points=left - full, text=f"Age: {rule.says}")
            )
        sums[rule.factor] += left
        if left > 0 and not facts.from_text.isdisjoint(rule.reads):
            text_sums[rule.factor] += left
    for factor in FACTORS:
        cap = model.caps[factor]
        capped = max(-cap, min(sums[factor], cap))
        if capped != sums[factor]:
            text = f"{_FACTOR_IN_WORDS[factor]} counts for at most {cap}"
            lines[factor].append(
                Reason(code=f"cap.{factor}", points=capped - sums[factor], text=text)
            )
        sums[factor] = capped
        text_sums[factor] = max(0, min(text_sums[factor], capped))
    reasons = [line for factor in FACTORS for line in lines[factor]]
    reasons.extend(_cap_text(sums, text_sums, facts, model))
    return Tally(factors=sums, reasons=tuple(reasons))


def next_change(facts: Facts, model: ScoringModel, now: datetime) -> datetime | None:
    """Return the earliest instant after `now` at which a rule may give other points, or None.

    A rule's points may change without any effect on the lines, under `any` for example: the
    caller compares.
    """
    instants: list[datetime] = []
    for rule in model.rules:
        instants.extend(
            at + timedelta(days=leaf.days)
            for leaf in rule.expiring
            if (at := facts.instant(leaf.field)) is not None
        )
        if rule.since is None or not rule.ages or not rule.when.holds(facts, now):
            continue
        for at in facts.occurrences(rule.since)[: rule.max_times]:
            if rule.window_days is not None:
                instants.append(at + timedelta(days=rule.window_days))
            if (step := next_step(rule.steps, now - at)) is not None:
                instants.append(at + step)
    return min((instant for instant in instants if instant > now), default=None)


def _points(rule: Rule, facts: Facts, now: datetime) -> tuple[int, int]:
    """Return the rule's points before and after what age takes."""
    if not rule.when.holds(facts, now):
        return 0, 0
    if rule.since is None or not rule.ages:
        return rule.points, rule.points
    occurrences = facts.occurrences(rule.since)[: rule.max_times]
    if rule.window_days is not None:
        window = timedelta(days=rule.window_days)
        occurrences = [at for at in occurrences if now < at + window]
    full = rule.points * len(occurrences)
    if not rule.steps:
        return full, full
    sign = 1 if rule.points > 0 else -1
    left = sum(points_left(abs(rule.points), rule.steps, now - at) for at in occurrences)
    return full, sign * left


def _cap_text(
    sums: dict[str, int], text_sums: dict[str, int], facts: Facts, model: ScoringModel
) -> list[Reason]:
    """Take from `sums` what free text earned above its cap; return the line that says so."""
    line = facts.value("service_line")
    hot = model.cut_offs(line if isinstance(line, str) else None)["hot"]
    cap = min(model.text_cap, hot - 1)
    excess = sum(text_sums.values()) - cap
    if excess <= 0:
        return []
    left = excess
    for factor in reversed(FACTORS):
        taken = min(left, text_sums[factor])
        sums[factor] -= taken
        left -= taken
    return [Reason(code="cap.text", points=-excess, text=f"Words alone count for at most {cap}")]


def _detail(rule: Rule, facts: Facts) -> str:
    """Return the values that the rule read, for sealed places only."""
    return "; ".join(f"{name}={facts.value(name)}" for name in rule.reads)
