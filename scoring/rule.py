"""One rule of a scoring model: points in a factor while a condition holds; and its checks."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from scoring.conditions import READABLE, Condition, leaves, never, problem_of_name, problems_of
from scoring.decay import decay_steps
from scoring.errors import ModelProblem
from scoring.labels import FACTORS

MAX_POINTS: Final = 100
MAX_HALF_LIFE_DAYS: Final = 3_650.0
MAX_TIMES: Final = 100
MAX_WORDING_CHARS: Final = 120
#: Codes of the lines that the engine itself writes: no rule may be taken for one.
RESERVED: Final = ("decay.", "cap.", "clamp", "override.", "clinical.", "not_a_lead.", "unscored.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Points that a lead earns, or loses, in one factor while a condition holds."""

    id: str  #: Code of its reason; unique in the model.
    factor: str
    #: For each occurrence; may be negative. With `by`, one number for each value of that field.
    points: int | Mapping[str, int]
    #: The reason's wording: the same for every lead, so free of PHI. With `by` also one a value.
    says: str | Mapping[str, str]
    when: Condition | None = None  #: None is always.
    by: str | None = None  #: The choice field whose value names the points.
    group: str | None = None  #: The group of rules that together earn at most `groups[group]`.
    #: The instant or activity that points age by; by default the one that `when` reads, if one.
    since: str | None = None
    half_life_days: float | None = None
    window_days: float | None = None  #: Occurrences of this age or older earn nothing.
    max_times: int = 1  #: Of an activity, the latest so many occurrences count.
    steps: tuple[timedelta, ...] = field(init=False, repr=False, compare=False)
    reads: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what every lead would otherwise derive again."""
        named = [leaf.field for leaf in leaves(self.when)] if self.when is not None else []
        reads = tuple(dict.fromkeys(named if self.by is None else [*named, self.by]))
        dated = [name for name in reads if is_dated(name)]
        if self.since is None and self.ages and len(dated) == 1:
            object.__setattr__(self, "since", dated[0])
        object.__setattr__(self, "reads", reads)
        steps: tuple[timedelta, ...] = ()
        points = self.points if isinstance(self.points, int) else 0
        if self.half_life_days is not None and 0 < self.half_life_days <= MAX_HALF_LIFE_DAYS:
            steps = decay_steps(min(abs(points), MAX_POINTS), half_life_days=self.half_life_days)
        object.__setattr__(self, "steps", steps)

    @property
    def ages(self) -> bool:
        """Whether the points depend on when something happened."""
        return (
            self.half_life_days is not None or self.window_days is not None or self.max_times > 1
        )

    def wording(self, value: str) -> str:
        """Return what the reason for `value` of the field `by` says."""
        return self.says if isinstance(self.says, str) else self.says[value]


def is_dated(name: str) -> bool:
    """Return whether `name` is an instant or a kind of activity.

    >>> is_dated("booked_at"), is_dated("activity.call"), is_dated("source")
    (True, True, False)
    """
    kind = READABLE.get(name)
    return kind is not None and kind.name in {"instant", "activity"}


def is_wording(text: str) -> bool:
    """Return whether `text` may stand in a CRM: short, one line, no markup, nothing invisible.

    >>> is_wording("Asks about price"), is_wording("<b>"), is_wording("a\u200bb")
    (True, False, False)
    """
    return 0 < len(text) <= MAX_WORDING_CHARS and not any(
        char in "<>" or unicodedata.category(char)[0] == "C" for char in text
    )


def problems_of_rule(rule: Rule) -> list[ModelProblem]:
    """Return what is wrong with `rule` alone, with paths inside it."""
    problems = [] if rule.when is None else problems_of(rule.when)
    if not is_wording(rule.id):
        problems.append(ModelProblem("id", "must be plain text of 1 to 120 characters"))
    elif rule.id.startswith(RESERVED):
        problems.append(ModelProblem("id", "must not begin like a line of the engine's own"))
    if rule.factor not in FACTORS:
        rule_text = f"no such factor, found '{rule.factor}'"
        problems.append(ModelProblem("factor", rule_text, rule.factor, FACTORS))
    problems.extend(_problems_of_points(rule))
    problems.extend(_problems_of_age(rule))
    return problems


def _problems_of_points(rule: Rule) -> list[ModelProblem]:
    problems = []
    if isinstance(rule.points, int):
        if rule.by is not None:
            problems.append(
                ModelProblem("by", "needs points by value, as in { hot = 3, cold = 1 }")
            )
        elif rule.when is None:
            problems.append(ModelProblem("when", "a rule with one number of points needs 'when'"))
        problems.extend(_problems_of_number("points", rule.points))
    else:
        problems.extend(_problems_of_table(rule, rule.points))
    wordings = {"says": rule.says} if isinstance(rule.says, str) else _below("says", rule.says)
    if isinstance(rule.says, Mapping):
        worded = set(rule.says)
        valued = set(rule.points) if isinstance(rule.points, Mapping) else set()
        problems.extend(
            ModelProblem(
                f"says.{value}", "every value with points needs its wording, and no other"
            )
            for value in sorted(worded ^ valued)
        )
    problems.extend(
        ModelProblem(path, "must be plain text of 1 to 120 characters, without < and >")
        for path, text in wordings.items()
        if not is_wording(text)
    )
    return problems


def _problems_of_number(path: str, points: int) -> list[ModelProblem]:
    if points == 0 or not -MAX_POINTS <= points <= MAX_POINTS:
        return [ModelProblem(path, f"must be -100 to 100 and not 0, found {points}")]
    return []


def _problems_of_table(rule: Rule, points: Mapping[str, int]) -> list[ModelProblem]:
    if rule.by is None:
        return [ModelProblem("by", "points by value need the field whose value they go by")]
    problem = problem_of_name(rule.by, "by")
    if problem is not None:
        return [problem]
    kind = READABLE[rule.by]
    if not kind.allowed:
        return [ModelProblem("by", f"must be a choice, but '{rule.by}' is {kind.name}")]
    problems = [] if points else [ModelProblem("points", "needs at least one value")]
    for value, number in points.items():
        if value not in kind.allowed:
            problems.append(never(rule.by, value, kind, f"points.{value}"))
        problems.extend(_problems_of_number(f"points.{value}", number))
    if rule.ages:
        problems.append(ModelProblem("points", "points by value do not age: give one number"))
    return problems


def _problems_of_age(rule: Rule) -> list[ModelProblem]:
    problems = [
        ModelProblem(path, f"must be above 0 and at most {MAX_HALF_LIFE_DAYS:g}, found {days:g}")
        for path, days in (
            ("half_life_days", rule.half_life_days),
            ("window_days", rule.window_days),
        )
        if days is not None and not 0 < days <= MAX_HALF_LIFE_DAYS
    ]
    if not 1 <= rule.max_times <= MAX_TIMES:
        problems.append(ModelProblem("max_times", f"must be 1 to {MAX_TIMES}"))
    if rule.since is not None and not rule.ages:
        needs = "has no effect without half_life_days, window_days or max_times"
        problems.append(ModelProblem("since", needs))
    elif rule.ages and (rule.since is None or not is_dated(rule.since)):
        needs = "half_life_days, window_days and max_times need an instant or an activity"
        dated = tuple(name for name in READABLE if is_dated(name))
        problems.append(ModelProblem("since", needs, rule.since, dated if rule.since else ()))
    return problems


def _below(path: str, table: Mapping[str, str]) -> dict[str, str]:
    return {f"{path}.{name}": text for name, text in table.items()}
