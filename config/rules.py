"""Conditions and rules of a scoring model file as pydantic models."""

from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.problems import scoring_error
from scoring.conditions import (
    OPERATORS,
    All,
    Any,
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
)
from scoring.errors import ModelProblem
from scoring.rule import Rule, problems_of_rule

Points = Annotated[int, Field(ge=-100, le=100)]
_OPERATORS: Final = tuple(OPERATORS.values())
_GROUPS: Final = ("all", "any", "not")


class FileTable(BaseModel):
    """A table of a model file: no unknown keys, and no values in error texts."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=False, hide_input_in_errors=True
    )


class ConditionFile(FileTable):
    """One condition: `field` with one operator, or one of `all`, `any`, `not`."""

    field: str | None = None
    is_: bool | int | float | str | None = Field(default=None, alias="is")
    in_: tuple[str, ...] | None = Field(default=None, alias="in", min_length=1)
    at_least: float | None = None
    at_most: float | None = None
    within_days: float | None = Field(default=None, gt=0)
    contains: str | tuple[str, ...] | None = None
    known: Literal[True] | None = None
    all_: tuple["ConditionFile", ...] | None = Field(default=None, alias="all", min_length=1)
    any_: tuple["ConditionFile", ...] | None = Field(default=None, alias="any", min_length=1)
    not_: "ConditionFile | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = {
            info.alias or name
            for name, info in type(self).model_fields.items()
            if getattr(self, name) is not None
        }
        operators = given.intersection(_OPERATORS)
        groups = given.intersection(_GROUPS)
        if self.field is None and (operators or len(groups) != 1):
            raise ValueError("give 'field' with one operator, or one of all, any, not")
        if self.field is not None and (groups or len(operators) != 1):
            raise ValueError("'field' needs exactly one of " + ", ".join(_OPERATORS))
        return self

    def build(self) -> Condition:
        """Return the condition, unchecked against the fields: the rule does that."""
        if self.all_ is not None:
            return All(conditions=tuple(part.build() for part in self.all_))
        if self.any_ is not None:
            return Any(conditions=tuple(part.build() for part in self.any_))
        if self.not_ is not None:
            return Not(condition=self.not_.build())
        return self._leaf(self.field or "")

    def _leaf(self, field: str) -> Leaf:
        values = (self.contains,) if isinstance(self.contains, str) else self.contains or ()
        makers: dict[str, Callable[[], Leaf]] = {
            "is": lambda: Is(field=field, value=self.is_ if self.is_ is not None else ""),
            "in": lambda: In(field=field, values=self.in_ or ()),
            "at_least": lambda: AtLeast(field=field, value=self.at_least or 0),
            "at_most": lambda: AtMost(field=field, value=self.at_most or 0),
            "within_days": lambda: WithinDays(field=field, days=self.within_days or 0),
            "contains": lambda: Contains(field=field, values=values),
            "known": lambda: Known(field=field),
        }
        for name in _OPERATORS:
            if getattr(self, name if name not in {"is", "in"} else f"{name}_") is not None:
                return makers[name]()
        raise AssertionError("`_says_one_thing` has seen to it")


class RuleFile(FileTable):
    """Points in one factor while a condition holds."""

    id: str
    factor: str
    points: Points | dict[str, Points]
    says: str | dict[str, str]
    when: ConditionFile | None = None
    by: str | None = None
    group: str | None = None
    since: str | None = None
    half_life_days: float | None = None
    window_days: float | None = None
    max_times: int = 1

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        """Check at once, so that whatever is wrong is told with its place in the file."""
        refuse(problems_of_rule(self.build()))
        return self

    def build(self) -> Rule:
        """Return the rule."""
        return Rule(
            id=self.id,
            factor=self.factor,
            points=self.points,
            says=self.says,
            when=None if self.when is None else self.when.build(),
            by=self.by,
            group=self.group,
            since=self.since,
            half_life_days=self.half_life_days,
            window_days=self.window_days,
            max_times=self.max_times,
        )


def refuse(problems: Iterable[ModelProblem]) -> None:
    """Raise `problems`, if any, in the form in which `problems_of` tells each with its place."""
    found = list(problems)
    if found:
        raise scoring_error(found)
