"""Conditions as Python expressions.

Every constant, field names and numbers too, is bound as an object in the namespace of the code;
the source holds only our own words and numbered names. So no text of a model file can become code.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from scoring.conditions import (
    READABLE,
    All,
    AtLeast,
    AtMost,
    Condition,
    Contains,
    In,
    Is,
    Known,
    Leaf,
    Not,
    WithinDays,
    is_timed,
    leaves,
)
from scoring.conditions import Any as AnyOf
from scoring.runtime import ENDLESS, OVER

#: Signal -> its place among the `Signals`. The first four may come from a field of the CRM.
SIGNALS: Final = {
    "signal.urgency": 0,
    "signal.inquiry_type": 1,
    "signal.insurance": 2,
    "signal.procedures": 3,
    "signal.booking_intent": 4,
}
_SAYS_NOTHING: Final = frozenset({None, "", "unknown", "none", (), ("none",)})


class Scope:
    """The names that a piece of generated code uses: constants, and the lead's values."""

    def __init__(self) -> None:
        #: Nothing but what is bound here can be reached.
        self.names: dict[str, Any] = {"__builtins__": {}}
        self._bound: dict[int, str] = {}
        self._locals: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._ages: list[str] = []
        self.read: list[str] = []  #: The fields read, in the order of first use.

    def bind(self, value: object) -> str:
        """Return the name under which the code finds the very object `value`."""
        name = self._bound.get(id(value))
        if name is None:
            name = self._bound[id(value)] = f"k{len(self._bound)}"
            self.names[name] = value
        return name

    def local(self, field: str) -> str:
        """Return the variable that holds the value of `field`; of activities, their instants."""
        name = self._locals.get(field)
        if name is None:
            name = self._locals[field] = f"f{len(self._locals)}"
            self.read.append(field)
        return name

    def count(self, field: str) -> str:
        """Return the variable that holds how often an activity happened."""
        return f"n{self.local(field)}"

    def latest(self, field: str) -> str:
        """Return the variable that holds the latest instant under `field`, or None."""
        local = self.local(field)
        return f"l{local}" if is_activity(field) else local

    def age(self, field: str) -> str:
        """Return the variable that holds the age of the latest instant under `field`, or None."""
        latest = self.latest(field)
        if latest not in self._ages:
            self._ages.append(latest)
        return f"a{latest}"

    def ages(self) -> list[str]:
        """Return the lines that fill the ages, once everything else is loaded."""
        return [f"a{name} = now - {name} if {name} is not None else None" for name in self._ages]

    def folded(self, field: str) -> str:
        """Return the variable that holds the text of `field` without case, empty for None."""
        return self._folded.setdefault(field, f"c{self.local(field)}")

    def loading(self) -> list[str]:
        """Return the lines that fill the variables, without any reset."""
        lines = []
        for field in self.read:
            local = self._locals[field]
            if is_activity(field):
                continue
            if field in SIGNALS:
                lines.append(f"{local} = signals[{SIGNALS[field]}]")
            else:
                lines.append(f"{local} = get({self.bind(field)})")
            if field in self._folded:
                text = f"{local}.casefold() if {local} is not None else {self.bind('')}"
                lines.append(f"{self._folded[field]} = {text}")
        return lines

    def activities(self) -> list[tuple[str, str]]:
        """Return (kind, variable) of every activity read."""
        return [
            (field.removeprefix("activity."), self._locals[field])
            for field in self.read
            if is_activity(field)
        ]

    def instants(self) -> list[tuple[str, str]]:
        """Return (field, variable) of every instant read."""
        return [
            (field, self._locals[field])
            for field in self.read
            if READABLE[field].name == "instant"
        ]


def is_activity(field: str) -> bool:
    """Return whether `field` is a kind of activity."""
    return READABLE[field].name == "activity"


def holds(condition: Condition, scope: Scope, at: str = "now") -> str:
    """Return the expression for whether `condition` holds at the instant in the variable `at`."""
    match condition:
        case All():
            return _joined(" and ", [holds(part, scope, at) for part in condition.conditions])
        case AnyOf():
            return _joined(" or ", [holds(part, scope, at) for part in condition.conditions])
        case Not():
            return f"(not {holds(condition.condition, scope, at)})"
        case WithinDays():
            latest = scope.latest(condition.field)
            ends = f"{latest} + {scope.bind(timedelta(days=condition.days))}"
            return f"({latest} is not None and {at} < {ends})"
        case _:
            return _leaf_holds(condition, scope)


def falls_only(condition: Condition) -> bool:
    """Return whether time can turn `condition` from true to false only: no timed part in a not."""
    match condition:
        case All() | AnyOf():
            return all(falls_only(part) for part in condition.conditions)
        case Not():
            return not is_timed(condition.condition)
        case _:
            return True


def rest(condition: Condition, scope: Scope) -> str:
    """Return the expression for how long `condition` still holds; OVER where it does not.

    For a condition that only falls; ENDLESS where nothing ends it.
    """
    match condition:
        case All() | AnyOf():
            is_all = isinstance(condition, All)
            timed = [rest(part, scope) for part in condition.conditions if is_timed(part)]
            fixed = [holds(part, scope) for part in condition.conditions if not is_timed(part)]
            pick = scope.bind(min if is_all else max)
            left = timed[0] if len(timed) == 1 else f"{pick}({', '.join(timed)})"
            if not fixed:
                return left
            if is_all:
                return f"({left} if {_joined(' and ', fixed)} else {scope.bind(OVER)})"
            return f"({scope.bind(ENDLESS)} if {_joined(' or ', fixed)} else {left})"
        case WithinDays():
            age = scope.age(condition.field)
            days = scope.bind(timedelta(days=condition.days))
            return f"({days} - {age} if {age} is not None else {scope.bind(OVER)})"
        case _:
            raise AssertionError("only timed conditions end by themselves")


def turns(condition: Condition, scope: Scope) -> str:
    """Return the expression for the instants at which the timed parts turn."""
    ends = []
    for leaf in leaves(condition):
        if isinstance(leaf, WithinDays):
            latest = scope.latest(leaf.field)
            days = scope.bind(timedelta(days=leaf.days))
            ends.append(f"{latest} + {days} if {latest} is not None else None")
    return f"({', '.join(ends)},)"


def _joined(word: str, parts: Iterable[str]) -> str:
    return f"({word.join(parts)})"


def _leaf_holds(leaf: Leaf, scope: Scope) -> str:
    activity = is_activity(leaf.field)
    value = scope.count(leaf.field) if activity else scope.local(leaf.field)
    match leaf:
        case Is():
            return f"({value} == {scope.bind(leaf.value)})"
        case In():
            return f"({value} in {scope.bind(frozenset(leaf.values))})"
        case AtLeast() | AtMost():
            sign = ">=" if isinstance(leaf, AtLeast) else "<="
            return f"({value} is not None and {value} {sign} {scope.bind(leaf.value)})"
        case Contains():
            return _contains(leaf, scope)
        case Known() if READABLE[leaf.field].name in {"number", "flag", "instant", "activity"}:
            return f"({value} is not None)"
        case _:
            return f"({value} not in {scope.bind(_SAYS_NOTHING)})"


def _contains(leaf: Contains, scope: Scope) -> str:
    if READABLE[leaf.field].name == "text":
        folded = scope.folded(leaf.field)
        parts = [f"{scope.bind(value.casefold())} in {folded}" for value in leaf.values]
        return _joined(" or ", parts)
    value = scope.local(leaf.field)
    if len(leaf.values) == 1:
        return f"({value} is not None and {scope.bind(leaf.values[0])} in {value})"
    wanted = scope.bind(frozenset(leaf.values).isdisjoint)
    return f"({value} is not None and not {wanted}({value}))"


class Function(NamedTuple):
    """A generated function and its source."""

    source: str
    run: Any


def function(name: str, arguments: str, body: Iterable[str], scope: Scope) -> Function:
    """Return the function `name` whose lines are `body`, over what `scope` has bound."""
    source = "\n".join([f"def {name}({arguments}):", *(f"    {line}" for line in body), ""])
    # From the checked model only, and none of its text is in `source`: see the module docstring.
    exec(compile(source, f"<scoring model: {name}>", "exec"), scope.names)  # noqa: S102
    return Function(source, scope.names[name])
