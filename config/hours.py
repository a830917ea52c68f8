"""Opening hours and tiers as a person writes them; they become the scoring model's own types."""

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from scoring.errors import ModelError
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
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _is_a_week(self) -> Self:
        try:
            self.build()
        except ModelError as error:
            raise ValueError("; ".join(error.problems)) from None
        return self

    def build(self) -> BusinessHours:
        """Return the hours. Raises: ModelError when they cannot be."""
        return BusinessHours(
            time_zone=self.time_zone,
            week={
                place: tuple(span_from(span) for span in getattr(self, day))
                for place, day in enumerate(WEEKDAYS)
            },
            holidays=frozenset(self.holidays),
        )
