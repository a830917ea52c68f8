"""Opening hours and tiers as a person writes them; they become the scoring model's own types."""

from datetime import date
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from config.holiday_dates import closed_dates
from config.problems import scoring_error
from scoring.errors import ModelError, ModelProblem
from scoring.hours import BusinessHours, Span
from scoring.model import MAX_RESPOND_MINUTES, Tier

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_OFFICE_DAY = ("08:00-17:00",)


def span_from(text: str) -> Span:
    """Return the span that `HH:MM-HH:MM` names; `24:00` is the end of the day.

    Raises:
        ValueError: Not of that form.

    >>> span_from("08:00-12:30")
    Span(opens=480, closes=750)
    """
    begin, dash, end = text.partition("-")
    if not dash:
        raise ValueError(_REMEDY)
    span = Span(opens=_minute(begin), closes=_minute(end))
    if span.opens >= span.closes:
        raise ValueError("must close after it opens, as in 08:00-17:00")
    return span


_REMEDY = "must be a span within one day, as in 08:00-17:00"


def _minute(text: str) -> int:
    hour, colon, minute = text.strip().partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2):
        raise ValueError(_REMEDY)
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > 24 * 60:
        raise ValueError(_REMEDY)
    return total


def _is_span(text: str) -> str:
    span_from(text)
    return text


SpanText = Annotated[str, AfterValidator(_is_span)]
Day = tuple[SpanText, ...]


def _listed(value: Any) -> Any:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        return value
    return tuple(_date_or_name(item) for item in items)


def _date_or_name(item: Any) -> Any:
    try:
        return date.fromisoformat(item)
    except (TypeError, ValueError):
        return item


def _checked(value: tuple[date | str, ...]) -> tuple[date | str, ...]:
    closed_dates(value)
    return value


class TierFile(BaseModel):
    """A band of scores and how soon its leads are answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: int = Field(ge=0, le=100)  #: Lowest score of the band.
    respond_within_minutes: int = Field(gt=0, le=MAX_RESPOND_MINUTES)  #: Business minutes.

    def build(self) -> Tier:
        """Return the tier."""
        return Tier(at_least=self.at_least, respond_within_minutes=self.respond_within_minutes)


class HoursFile(BaseModel):
    """When the practice answers. Respond-by times count these hours only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str = "UTC"
    monday: Day = _OFFICE_DAY
    tuesday: Day = _OFFICE_DAY
    wednesday: Day = _OFFICE_DAY
    thursday: Day = _OFFICE_DAY
    friday: Day = _OFFICE_DAY
    saturday: Day = ()
    sunday: Day = ()
    #: Closed dates, and names of countries or their parts, as in "US" or "US-CA".
    holidays: Annotated[
        tuple[date | str, ...], BeforeValidator(_listed), AfterValidator(_checked)
    ] = ()

    @model_validator(mode="after")
    def _is_a_week(self) -> Self:
        try:
            self.build()
        except ModelError as error:
            raise scoring_error([_with_zones(problem) for problem in error.problems]) from None
        return self

    def build(self) -> BusinessHours:
        """Return the hours. Raises: ModelError when they cannot be."""
        return BusinessHours(
            time_zone=self.time_zone,
            week={
                place: tuple(span_from(span) for span in getattr(self, day))
                for place, day in enumerate(WEEKDAYS)
            },
            holidays=closed_dates(self.holidays),
        )


def _with_zones(problem: ModelProblem) -> ModelProblem:
    """Return `problem` with the time zones there are, so that the nearest can be told."""
    is_zone = problem.path == "time_zone"
    return problem._replace(allowed=tuple(available_timezones())) if is_zone else problem
