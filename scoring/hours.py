"""When the practice answers: business hours, and the end of so many business minutes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scoring.errors import ModelError

MINUTES_A_DAY: Final = 24 * 60
DAYS_A_WEEK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stretch of opening on a day, in minutes after local midnight."""

    opens: int
    closes: int  #: Exclusive; 1440 is midnight at the end of the day.


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """A practice's week: time zone, opening spans by weekday (0 is Monday), closed dates.

    Raises:
        ModelError: Unknown time zone, spans that overlap or leave the day, or no opening at all.
    """

    time_zone: str = "UTC"
    week: Mapping[int, tuple[Span, ...]] = field(
        default_factory=lambda: dict.fromkeys(range(5), (Span(opens=8 * 60, closes=17 * 60),))
    )
    holidays: frozenset[date] = frozenset()
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check, and keep the week in order."""
        problems: list[str] = []
        try:
            object.__setattr__(self, "_zone", ZoneInfo(self.time_zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append("hours.time_zone: not an IANA time zone such as America/Chicago")
        for day, spans in self.week.items():
            problems.extend(_problems_of_day(day, spans))
        if not any(self.week.values()):
            problems.append("hours.week: the practice is never open")
        if problems:
            raise ModelError(tuple(problems))
        ordered = {
            day: tuple(sorted(spans, key=lambda span: span.opens))
            for day, spans in self.week.items()
        }
        object.__setattr__(self, "week", MappingProxyType(ordered))

    def after(self, start: datetime, minutes: int) -> datetime:
        """Return the instant at which `minutes` of opening have passed since `start`, in UTC.

        Minutes are real ones: a day on which the clocks change is an hour shorter or longer only
        where it is open during the change.

        >>> monday_to_friday = BusinessHours()
        >>> friday_late = datetime(2026, 3, 6, 16, 58, tzinfo=UTC)
        >>> monday_to_friday.after(friday_late, 5)
        datetime.datetime(2026, 3, 9, 8, 3, tzinfo=datetime.timezone.utc)
        """
        left = timedelta(minutes=minutes)
        start = start.astimezone(UTC)
        # A span that began yesterday cannot reach into today: spans end at midnight.
        day = start.astimezone(self._zone).date()
        while True:
            for opens, closes in self._spans_on(day):
                begin = max(opens, start)
                if begin >= closes:
                    continue
                if closes - begin >= left:
                    return begin + left
                left -= closes - begin
            day += timedelta(days=1)

    def _spans_on(self, day: date) -> list[tuple[datetime, datetime]]:
        if day in self.holidays:
            return []
        spans = self.week.get(day.weekday(), ())
        return [
            (self._instant(day, span.opens), self._instant(day, span.closes)) for span in spans
        ]

    def _instant(self, day: date, minute: int) -> datetime:
        days, minute = divmod(minute, MINUTES_A_DAY)
        local = datetime.combine(
            day + timedelta(days=days), time(minute // 60, minute % 60), tzinfo=self._zone
        )
        return local.astimezone(UTC)


def _problems_of_day(day: int, spans: tuple[Span, ...]) -> list[str]:
    if day not in range(DAYS_A_WEEK):
        return ["hours.week: weekdays are 0 (Monday) to 6 (Sunday)"]
    problems = [
        f"hours.week[{day}]: a span must open before it closes, within the day"
        for span in spans
        if not 0 <= span.opens < span.closes <= MINUTES_A_DAY
    ]
    ordered = sorted(spans, key=lambda span: span.opens)
    problems.extend(
        f"hours.week[{day}]: spans overlap"
        for earlier, later in pairwise(ordered)
        if later.opens < earlier.closes
    )
    return problems
