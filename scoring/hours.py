"""When the practice answers: business hours, and the end of so many business minutes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scoring.errors import ModelError, ModelProblem

MINUTES_A_DAY: Final = 24 * 60
_MINUTE_US: Final = 60_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
#: So many days are laid out for a year: the year, and what reaches beyond its end.
_CALENDAR_DAYS: Final = 500
DAYS_A_WEEK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stretch of opening on a day, in minutes after local midnight."""

    opens: int
    closes: int  #: Exclusive; 1440 is midnight at the end of the day.


class _Calendar:
    """Opening times of a year or more, laid end to end, so that counting minutes is a look-up."""

    def __init__(self, first: date, days: int, spans: Iterable[tuple[datetime, datetime]]) -> None:
        self.days = days
        self._first = first.toordinal()
        self._opens: list[datetime] = []
        self._closes: list[datetime] = []
        #: Opening before each span, and in all.
        self._before: list[timedelta] = [timedelta(0)]
        reached = datetime.min.replace(tzinfo=UTC)
        for opens, closes in spans:
            # Where clocks go forward, spans on paper may overlap or vanish: nothing counts twice.
            begin = max(opens, reached)
            if begin < closes:
                self._opens.append(begin)
                self._closes.append(closes)
                self._before.append(self._before[-1] + (closes - begin))
                reached = closes
        midnights = (
            datetime.combine(first, time(), tzinfo=UTC) + timedelta(days=day)
            for day in range(days)
        )
        #: By UTC day, the first span that closes after its beginning.
        self._span_of_day = [bisect_right(self._closes, midnight) for midnight in midnights]

    def after(self, start: datetime, opened: timedelta) -> datetime | None:
        """Return the instant at which `opened` has passed since `start`; None lies beyond."""
        index = self._span_of_day[start.toordinal() - self._first]
        opens, closes = self._opens, self._closes
        try:
            while closes[index] <= start:
                index += 1
            begin = opens[index]
        except IndexError:
            return None
        if begin < start:  # noqa: PLR1730  # `max` costs twice as much, for every lead
            begin = start
        end = begin + opened
        if end <= closes[index]:
            return end
        opened += self._before[index] + (begin - opens[index])
        index = bisect_left(self._before, opened, index) - 1
        return opens[index] + (opened - self._before[index]) if index < len(opens) else None


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
    #: By year, laid out when first needed.
    _calendars: dict[int, _Calendar] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Check, and keep the week in order."""
        problems: list[ModelProblem] = []
        try:
            object.__setattr__(self, "_zone", ZoneInfo(self.time_zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            found = str(self.time_zone)
            rule = f"not an IANA time zone such as America/Chicago, found '{found}'"
            problems.append(ModelProblem("time_zone", rule, found))
        for day, spans in self.week.items():
            problems.extend(_problems_of_day(day, spans))
        if not any(self.week.values()):
            problems.append(ModelProblem("week", "the practice is never open"))
        if problems:
            raise ModelError(problems)
        ordered = {
            day: tuple(sorted(spans, key=lambda span: span.opens))
            for day, spans in self.week.items()
        }
        object.__setattr__(self, "week", MappingProxyType(ordered))

    def after(self, start: datetime, opened: timedelta) -> datetime:
        """Return the instant at which the practice was open for `opened` since `start`, in UTC.

        Time is real time: a day on which the clocks change is an hour shorter or longer only
        where it is open during the change.

        Args:
            start: Aware.
            opened: Above 0; for example the business minutes to respond within.

        >>> monday_to_friday = BusinessHours()
        >>> friday_late = datetime(2026, 3, 6, 16, 58, tzinfo=UTC)
        >>> monday_to_friday.after(friday_late, timedelta(minutes=5))
        datetime.datetime(2026, 3, 9, 8, 3, tzinfo=datetime.timezone.utc)
        """
        if start.tzinfo is not UTC:
            start = start.astimezone(UTC)
        calendar = self._calendars.get(start.year) or self._lay_out(start.year, _CALENDAR_DAYS)
        found = calendar.after(start, opened)
        while found is None:  # a practice that opens little: the answer lies further ahead
            calendar = self._lay_out(start.year, calendar.days * 4)
            found = calendar.after(start, opened)
        return found

    def _lay_out(self, year: int, days: int) -> _Calendar:
        """Return, and keep, the opening times of `days` from just before `year` on."""
        first = date(year, 1, 1) - timedelta(days=2)  # a local day begins up to 14 h earlier
        spans = sorted(
            span
            for offset in range(days)
            for span in self._spans_on(first + timedelta(days=offset))
        )
        calendar = self._calendars[year] = _Calendar(first, days, spans)
        return calendar

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


def _problems_of_day(day: int, spans: tuple[Span, ...]) -> list[ModelProblem]:
    if day not in range(DAYS_A_WEEK):
        return [ModelProblem("week", "weekdays are 0 (Monday) to 6 (Sunday)")]
    problems = [
        ModelProblem(f"week[{day}]", "a span must open before it closes, within the day")
        for span in spans
        if not 0 <= span.opens < span.closes <= MINUTES_A_DAY
    ]
    ordered = sorted(spans, key=lambda span: span.opens)
    problems.extend(
        ModelProblem(f"week[{day}]", "spans overlap")
        for earlier, later in pairwise(ordered)
        if later.opens < earlier.closes
    )
    return problems
