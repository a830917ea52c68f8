"""The condition language of rules: what it can say, whether it fits the fields and holds.

What is not known makes a condition false; `Not` makes it true.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from scoring.facts import Facts
from scoring.labels import ACTIVITY_KINDS, INQUIRY_TYPES, INSURANCES, PROCEDURES, URGENCIES
from scoring.lead import FIELDS, FieldKind, FieldValue

MAX_DEPTH: Final = 8
MAX_DAYS: Final = 36_500.0

#: Every name that a condition may read: canonical fields, text signals, activities by kind.
READABLE: Final[Mapping[str, FieldKind]] = {
    **FIELDS,
    "signal.urgency": FieldKind(name="choice", allowed=URGENCIES),
    "signal.inquiry_type": FieldKind(name="choice", allowed=INQUIRY_TYPES),
    "signal.insurance": FieldKind(name="choice", allowed=INSURANCES),
    "signal.procedures": FieldKind(name="choices", allowed=PROCEDURES),
    "signal.booking_intent": FieldKind(name="number", lowest=0, highest=4),
    **{f"activity.{kind}": FieldKind(name="activity") for kind in ACTIVITY_KINDS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """The field has this value."""

    field: str
    value: FieldValue

    def holds(self, facts: Facts, _: datetime) -> bool:
        """Return whether this is true of `facts`."""
        return facts.value(self.field) == self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class In:
    """The field has one of these values."""

    field: str
    values: tuple[str, ...]

    def holds(self, facts: Facts, _: datetime) -> bool:
        """Return whether this is true of `facts`."""
        return facts.value(self.field) in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """The number, or the count of an activity, is at least this."""

    field: str
    value: float

    def holds(self, facts: Facts, _: datetime) -> bool:
        """Return whether this is true of `facts`."""
        number = facts.number(self.field)
        return number is not None and number >= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinDays:
    """The instant, or the latest activity, is less than this many days old, or lies ahead."""

    field: str
    days: float

    def holds(self, facts: Facts, now: datetime) -> bool:
        """Return whether this is true of `facts` at `now`."""
        at = facts.instant(self.field)
        return at is not None and now < at + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """The list has one of the values, or the text one of them as a part, whatever the case."""

    field: str
    values: tuple[str, ...]

    def holds(self, facts: Facts, _: datetime) -> bool:
        """Return whether this is true of `facts`."""
        return _contains(facts.value(self.field), self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The field has a value; a signal of `unknown` or `none` is not known."""

    field: str

    def holds(self, facts: Facts, _: datetime) -> bool:
        """Return whether this is true of `facts`."""
        return facts.is_known(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """Every condition holds."""

    conditions: tuple["Condition", ...]

    def holds(self, facts: Facts, now: datetime) -> bool:
        """Return whether this is true of `facts` at `now`."""
        return all(part.holds(facts, now) for part in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Any:
    """At least one condition holds."""

    conditions: tuple["Condition", ...]

    def holds(self, facts: Facts, now: datetime) -> bool:
        """Return whether this is true of `facts` at `now`."""
        return any(part.holds(facts, now) for part in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The condition does not hold."""

    condition: "Condition"

    def holds(self, facts: Facts, now: datetime) -> bool:
        """Return whether this is true of `facts` at `now`."""
        return not self.condition.holds(facts, now)


Leaf: TypeAlias = Is | In | AtLeast | WithinDays | Contains | Known
Condition: TypeAlias = Leaf | All | Any | Not


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Yield the conditions that read a field, from left to right."""
    match condition:
        case All() | Any():
            for part in condition.conditions:
                yield from leaves(part)
        case Not():
            yield from leaves(condition.condition)
        case _:
            yield condition


def problems_of(condition: Condition, *, depth: int = 1) -> list[str]:
    """Return what is wrong with `condition`: unknown fields, values that cannot be, depth."""
    if depth > MAX_DEPTH:
        return [f"conditions may be nested {MAX_DEPTH} deep at most"]
    match condition:
        case All() | Any():
            if not condition.conditions:
                return ["all and any need at least one condition"]
            return [
                problem
                for part in condition.conditions
                for problem in problems_of(part, depth=depth + 1)
            ]
        case Not():
            return problems_of(condition.condition, depth=depth + 1)
        case _:
            return _problems_of_leaf(condition)


def _contains(value: FieldValue | None, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, tuple):
        return any(item in value for item in wanted)
    if isinstance(value, str):
        folded = value.casefold()
        return any(item.casefold() in folded for item in wanted)
    return False


_FITS: Final[Mapping[type, tuple[str, ...]]] = {
    Is: ("choice", "text", "flag", "number"),
    In: ("choice", "text"),
    AtLeast: ("number", "activity"),
    WithinDays: ("instant", "activity"),
    Contains: ("choices", "text"),
    Known: ("choice", "choices", "text", "flag", "number", "instant", "activity"),
}
_IN_WORDS: Final[Mapping[type, str]] = {
    Is: "is",
    In: "in",
    AtLeast: "at_least",
    WithinDays: "within_days",
    Contains: "contains",
    Known: "known",
}


def _problems_of_leaf(leaf: Leaf) -> list[str]:  # noqa: PLR0911  # one answer a kind of leaf
    kind = READABLE.get(leaf.field)
    if kind is None:
        return [f"unknown field '{leaf.field}'"]
    if kind.name not in _FITS[type(leaf)]:
        return [f"'{_IN_WORDS[type(leaf)]}' does not fit '{leaf.field}', which is {kind.name}"]
    match leaf:
        case Is():
            return _problems_of_value(leaf, kind)
        case In() | Contains():
            if not leaf.values:
                return [f"'{leaf.field}': needs at least one value"]
            strange = [
                value for value in leaf.values if kind.allowed and value not in kind.allowed
            ]
            return [f"'{leaf.field}' is never '{value}'" for value in strange]
        case AtLeast() if not math.isfinite(leaf.value):
            return [f"'{leaf.field}': at_least must be a finite number"]
        case WithinDays() if not 0 < leaf.days <= MAX_DAYS:
            return [f"'{leaf.field}': within_days must be above 0 and at most {MAX_DAYS:g}"]
        case _:
            return []


def _problems_of_value(leaf: Is, kind: FieldKind) -> list[str]:
    wanted: dict[str, type | tuple[type, ...]] = {
        "choice": str,
        "text": str,
        "flag": bool,
        "number": (int, float),
    }
    is_flag = isinstance(leaf.value, bool)
    if not isinstance(leaf.value, wanted[kind.name]) or is_flag != (kind.name == "flag"):
        return [f"'{leaf.field}' is {kind.name}: the value has another type"]
    if kind.allowed and leaf.value not in kind.allowed:
        return [f"'{leaf.field}' is never '{leaf.value}'"]
    return []
