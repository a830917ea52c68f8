"""Scoring model files: TOML as pydantic models, and the checked `ScoringModel` they build."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from scoring.errors import ModelError
from scoring.model import (
    DEFAULT_CAPS,
    DEFAULT_TIERS,
    MAX_HALF_LIFE_DAYS,
    MAX_RESPOND_MINUTES,
    MAX_TIMES,
    MAX_WORDING_CHARS,
    All,
    AtLeast,
    BusinessHours,
    Condition,
    Contains,
    In,
    Is,
    Known,
    Not,
    Rule,
    ScoringModel,
    Span,
    Tier,
    WithinDays,
)
from scoring.model import Any as AnyOf

Factor = Literal["inquiry_type", "urgency", "insurance", "procedure", "engagement"]
TierName = Literal["hot", "warm", "nurture", "low"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_OPERATORS: Final = ("is", "in", "at_least", "within_days", "contains", "known")
_GROUPS: Final = ("all", "any", "not")


class _File(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=False, hide_input_in_errors=True
    )


class ConditionFile(_File):
    """One condition: `field` with one operator, or one of `all`, `any`, `not`."""

    field: str | None = None
    is_: bool | int | float | str | None = Field(default=None, alias="is")
    in_: tuple[str, ...] | None = Field(default=None, alias="in", min_length=1)
    at_least: float | None = None
    within_days: float | None = Field(default=None, gt=0)
    contains: str | tuple[str, ...] | None = None
    known: Literal[True] | None = None
    all_: tuple["ConditionFile", ...] | None = Field(default=None, alias="all", min_length=1)
    any_: tuple["ConditionFile", ...] | None = Field(default=None, alias="any", min_length=1)
    not_: "ConditionFile | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = self.model_dump(by_alias=True, exclude_none=True)
        operators = [name for name in _OPERATORS if name in given]
        groups = [name for name in _GROUPS if name in given]
        if self.field is None and (operators or len(groups) != 1):
            raise ValueError("give 'field' with one operator, or one of all, any, not")
        if self.field is not None and (groups or len(operators) != 1):
            raise ValueError("'field' needs exactly one of " + ", ".join(_OPERATORS))
        return self

    def build(self) -> Condition:
        """Return the condition, unchecked against the fields: `ScoringModel` does that."""
        if self.all_ is not None:
            return All(conditions=tuple(part.build() for part in self.all_))
        if self.any_ is not None:
            return AnyOf(conditions=tuple(part.build() for part in self.any_))
        if self.not_ is not None:
            return Not(condition=self.not_.build())
        return self._leaf(self.field or "")

    def _leaf(self, field: str) -> Condition:
        if self.is_ is not None:
            return Is(field=field, value=self.is_)
        if self.in_ is not None:
            return In(field=field, values=self.in_)
        if self.at_least is not None:
            return AtLeast(field=field, value=self.at_least)
        if self.within_days is not None:
            return WithinDays(field=field, days=self.within_days)
        if self.contains is not None:
            values = (self.contains,) if isinstance(self.contains, str) else self.contains
            return Contains(field=field, values=values)
        return Known(field=field)


class RuleFile(_File):
    """Points in one factor while a condition holds."""

    id: str = Field(min_length=1, max_length=MAX_WORDING_CHARS)
    factor: Factor
    points: int = Field(ge=-100, le=100)
    says: str = Field(min_length=1, max_length=MAX_WORDING_CHARS)
    when: ConditionFile
    since: str | None = None
    half_life_days: float | None = Field(default=None, gt=0, le=MAX_HALF_LIFE_DAYS)
    window_days: float | None = Field(default=None, gt=0, le=MAX_HALF_LIFE_DAYS)
    max_times: int = Field(default=1, ge=1, le=MAX_TIMES)

    def build(self) -> Rule:
        """Return the rule."""
        return Rule(
            id=self.id,
            factor=self.factor,
            points=self.points,
            says=self.says,
            when=self.when.build(),
            since=self.since,
            half_life_days=self.half_life_days,
            window_days=self.window_days,
            max_times=self.max_times,
        )


class TierFile(_File):
    """A band of scores and how soon its leads are answered."""

    at_least: int = Field(ge=0, le=100)
    respond_within_minutes: int = Field(gt=0, le=MAX_RESPOND_MINUTES)

    def build(self) -> Tier:
        """Return the tier."""
        return Tier(at_least=self.at_least, respond_within_minutes=self.respond_within_minutes)


def _office_week() -> dict[Weekday, tuple[str, ...]]:
    days: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    return dict.fromkeys(days, ("08:00-17:00",))


def _is_span(text: str) -> str:
    span_from(text)
    return text


SpanText = Annotated[str, AfterValidator(_is_span)]


def span_from(text: str) -> Span:
    """Return the span that `HH:MM-HH:MM` names; `24:00` is the end of the day.

    Raises:
        ValueError: Not of that form.

    >>> span_from("08:00-12:30")
    Span(opens=480, closes=750)
    """
    remedy = "write opening spans as 08:00-17:00"
    begin, dash, end = text.partition("-")
    if not dash:
        raise ValueError(remedy)
    return Span(opens=_minute(begin, remedy), closes=_minute(end, remedy))


def _minute(text: str, remedy: str) -> int:
    hour, colon, minute = text.strip().partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2):
        raise ValueError(remedy)
    if int(minute) > 59 or int(hour) > 24:
        raise ValueError(remedy)
    return int(hour) * 60 + int(minute)


class HoursFile(_File):
    """When the practice answers."""

    time_zone: str = "UTC"
    week: Mapping[Weekday, tuple[SpanText, ...]] = Field(default_factory=_office_week)
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _is_a_week(self) -> Self:
        try:
            self.build()
        except ModelError as error:
            raise ValueError("; ".join(error.problems)) from None
        return self

    def build(self) -> BusinessHours:
        """Return the hours.

        Raises:
            ModelError: They cannot be.
        """
        return BusinessHours(
            time_zone=self.time_zone,
            week={
                _WEEKDAYS.index(day): tuple(span_from(span) for span in spans)
                for day, spans in self.week.items()
            },
            holidays=frozenset(self.holidays),
        )


class ModelFile(_File):
    """A scoring model as a person writes it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")
    text_cap: int = Field(default=60, ge=0, le=100)
    caps: Mapping[Factor, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    tiers: Mapping[TierName, TierFile] = Field(default_factory=dict)
    service_lines: Mapping[str, Mapping[TierName, Annotated[int, Field(ge=0, le=100)]]] = Field(
        default_factory=dict
    )
    hours: HoursFile = Field(default_factory=HoursFile)
    rules: tuple[RuleFile, ...] = Field(min_length=1)
    _model: ScoringModel = PrivateAttr()

    @model_validator(mode="after")
    def _makes_a_model(self) -> Self:
        """Build at once, so that whatever is wrong with the model is a validation error."""
        tiers = dict(DEFAULT_TIERS)
        tiers.update((name, tier.build()) for name, tier in self.tiers.items())
        caps = dict(DEFAULT_CAPS)
        caps.update((name, cap) for name, cap in self.caps.items())
        try:
            model = ScoringModel(
                version=self.version,
                rules=tuple(rule.build() for rule in self.rules),
                caps=caps,
                tiers=tiers,
                service_lines={
                    line: dict(low.items()) for line, low in self.service_lines.items()
                },
                hours=self.hours.build(),
                text_cap=self.text_cap,
            )
        except ModelError as error:
            raise ValueError("; ".join(error.problems)) from None
        self._model = model
        return self

    @property
    def version(self) -> str:
        """The name and a short hash of the content: the same content has the same version."""
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"{self.name}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    def build(self) -> ScoringModel:
        """Return the checked model."""
        return self._model


@cache
def packaged_model(name: str = "general") -> ScoringModel:
    """Return the model of a pack that ships with the program.

    Raises:
        FileNotFoundError: There is no such pack.

    >>> packaged_model().version.startswith("general-")
    True
    """
    if not name.replace("_", "").isalnum():
        raise FileNotFoundError("no such pack")
    file = resources.files("config").joinpath("packs", f"{name}.toml")
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return ModelFile.model_validate(content).build()
