"""The condition language of rules: what it can say, and whether it fits the fields.

What is not known makes a condition false; `Not` makes it true. `scoring/compile.py` says what each
condition means, as code.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from scoring.errors import ModelProblem
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


@dataclass(frozen=True, slots=True, kw_only=True)
class In:
    """The field has one of these values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """The number, or the count of an activity, is at least this."""

    field: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AtMost:
    """The number, or the count of an activity, is known and at most this."""

    field: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinDays:
    """The instant, or the latest activity, is less than this many days old, or lies ahead."""

    field: str
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """The list has one of the values, or the text one of them as a part, whatever the case."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The field has a value; `unknown`, `none` and empty ones are not known."""

    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """Every condition holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Any:
    """At least one condition holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The condition does not hold."""

    condition: "Condition"


Leaf: TypeAlias = Is | In | AtLeast | AtMost | WithinDays | Contains | Known
Condition: TypeAlias = Leaf | All | Any | Not

#: The operators as a model file writes them.
OPERATORS: Final[Mapping[type, str]] = {
    Is: "is",
    In: "in",
    AtLeast: "at_least",
    AtMost: "at_most",
    WithinDays: "within_days",
    Contains: "contains",
    Known: "known",
}
_FITS: Final[Mapping[type, tuple[str, ...]]] = {
    Is: ("choice", "text", "flag", "number"),
    In: ("choice", "text"),
    AtLeast: ("number", "activity"),
    AtMost: ("number", "activity"),
    WithinDays: ("instant", "activity"),
    Contains: ("choices", "text"),
    Known: ("choice", "choices", "text", "flag", "number", "instant", "activity"),
}


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


def is_timed(condition: Condition) -> bool:
    """Return whether `condition` may turn by itself, as time goes.

    >>> is_timed(Not(condition=WithinDays(field="booked_at", days=3))), is_timed(Known(field="source"))
    (True, False)
    """
    return any(isinstance(leaf, WithinDays) for leaf in leaves(condition))


def problems_of(condition: Condition, path: str = "when", *, depth: int = 1) -> list[ModelProblem]:
    """Return what is wrong with `condition`: unknown fields, values that cannot be, depth."""
    if depth > MAX_DEPTH:
        return [ModelProblem(path, f"conditions may be nested {MAX_DEPTH} deep at most")]
    match condition:
        case All() | Any():
            word = "all" if isinstance(condition, All) else "any"
            if not condition.conditions:
                return [ModelProblem(path, f"'{word}' needs at least one condition")]
            return [
                problem
                for index, part in enumerate(condition.conditions)
                for problem in problems_of(part, f"{path}.{word}[{index}]", depth=depth + 1)
            ]
        case Not():
            return problems_of(condition.condition, f"{path}.not", depth=depth + 1)
        case _:
            return _problems_of_leaf(condition, path)


def problem_of_name(name: str, path: str) -> ModelProblem | None:
    """Return the problem of a name that no condition may read, or None."""
    if name in READABLE:
        return None
    return ModelProblem(path, f"no such field, found '{name}'", name, tuple(READABLE))


def _problems_of_leaf(leaf: Leaf, path: str) -> list[ModelProblem]:  # noqa: PLR0911  # one answer a kind of leaf
    unknown = problem_of_name(leaf.field, f"{path}.field")
    if unknown is not None:
        return [unknown]
    kind = READABLE[leaf.field]
    operator = OPERATORS[type(leaf)]
    if kind.name not in _FITS[type(leaf)]:
        fitting = tuple(OPERATORS[each] for each, kinds in _FITS.items() if kind.name in kinds)
        rule = f"does not fit '{leaf.field}', which is {kind.name}; fitting: {', '.join(fitting)}"
        return [ModelProblem(f"{path}.{operator}", rule)]
    path = f"{path}.{operator}"
    match leaf:
        case Is():
            return _problems_of_value(leaf, kind, path)
        case In() | Contains():
            if not leaf.values:
                return [ModelProblem(path, "needs at least one value")]
            if "" in leaf.values:
                return [ModelProblem(path, "a value may not be empty")]
            strange = [each for each in leaf.values if kind.allowed and each not in kind.allowed]
            return [never(leaf.field, value, kind, path) for value in strange]
        case AtLeast() | AtMost() if not math.isfinite(leaf.value):
            return [ModelProblem(path, "must be a finite number")]
        case WithinDays() if not 0 < leaf.days <= MAX_DAYS:
            return [ModelProblem(path, f"must be above 0 and at most {MAX_DAYS:g}")]
        case _:
            return []


def never(name: str, value: object, kind: FieldKind, path: str) -> ModelProblem:
    """Return the problem of a value that the field never has."""
    return ModelProblem(path, f"'{name}' is never '{value}'", str(value), kind.allowed)


def _problems_of_value(leaf: Is, kind: FieldKind, path: str) -> list[ModelProblem]:
    wanted: dict[str, type | tuple[type, ...]] = {
        "choice": str,
        "text": str,
        "flag": bool,
        "number": (int, float),
    }
    is_flag = isinstance(leaf.value, bool)
    if not isinstance(leaf.value, wanted[kind.name]) or is_flag != (kind.name == "flag"):
        return [ModelProblem(path, f"'{leaf.field}' is {kind.name}: the value has another type")]
    if kind.allowed and leaf.value not in kind.allowed:
        return [never(leaf.field, leaf.value, kind, path)]
    return []
