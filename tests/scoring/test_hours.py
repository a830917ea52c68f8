from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import ModelError
from scoring.hours import BusinessHours, Span

DAY = (Span(opens=9 * 60, closes=12 * 60), Span(opens=13 * 60, closes=17 * 60))


def test_lunch_is_not_counted():
    hours = BusinessHours(week={0: DAY})

    assert hours.after(
        datetime(2026, 3, 2, 11, 50, tzinfo=UTC), timedelta(minutes=20)
    ) == datetime(2026, 3, 2, 13, 10, tzinfo=UTC)


def test_minutes_may_end_exactly_at_closing():
    hours = BusinessHours(week={0: DAY})

    assert hours.after(datetime(2026, 3, 2, 16, 55, tzinfo=UTC), timedelta(minutes=5)).hour == 17


def test_holidays_are_skipped():
    hours = BusinessHours(holidays=frozenset({date(2026, 12, 25)}))

    assert hours.after(
        datetime(2026, 12, 24, 17, 0, tzinfo=UTC), timedelta(minutes=1)
    ) == datetime(2026, 12, 28, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        # 2026-03-08: clocks in Chicago go from 02:00 to 03:00; 01:30 + 60 minutes is 03:30.
        (datetime(2026, 3, 8, 7, 30, tzinfo=UTC), datetime(2026, 3, 8, 8, 30, tzinfo=UTC)),
        # 2026-11-01: 01:00 to 02:00 comes twice.
        (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_minutes_are_real_while_the_clocks_change(start, end):
    always = BusinessHours(
        time_zone="America/Chicago",
        week=dict.fromkeys(range(7), (Span(opens=0, closes=1440),)),
    )

    assert always.after(start, timedelta(minutes=60)) == end


def test_opening_follows_the_local_clock_through_the_year():
    hours = BusinessHours(time_zone="America/Chicago")

    assert hours.after(datetime(2026, 1, 5, 6, 0, tzinfo=UTC), timedelta(minutes=5)).hour == 14
    assert hours.after(datetime(2026, 7, 6, 6, 0, tzinfo=UTC), timedelta(minutes=5)).hour == 13


@pytest.mark.parametrize(
    "given",
    [
        {"time_zone": "Mars/Olympus"},
        {"week": {}},
        {"week": {7: DAY}},
        {"week": {0: (Span(opens=600, closes=600),)}},
        {"week": {0: (Span(opens=500, closes=700), Span(opens=600, closes=800))}},
    ],
)
def test_impossible_hours_are_refused(given):
    with pytest.raises(ModelError):
        BusinessHours(**given)


ZONES = ["America/Chicago", "America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "UTC"]  # fmt: skip
spans = st.lists(st.integers(0, 48), min_size=2, max_size=4, unique=True).map(
    lambda cuts: tuple(
        Span(opens=a * 30, closes=b * 30)
        for a, b in zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False)
    )
)
weeks = st.dictionaries(st.integers(0, 6), spans, min_size=1).filter(
    lambda week: any(week.values())
)
# Around the days on which clocks change, of two years.
starts = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(
        [datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC),
         datetime(2027, 3, 27, tzinfo=UTC), datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC)]
    ),
    st.integers(0, 3 * 24 * 60),
)  # fmt: skip


def walked(hours, start, minutes):
    """Return what `after` must, one minute of real time at a time, by the clock on the wall."""
    zone = ZoneInfo(hours.time_zone)
    at = start
    while minutes:
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        week = hours.week.get(local.weekday(), ())
        is_open = local.date() not in hours.holidays and any(
            span.opens <= minute < span.closes for span in week
        )
        at += timedelta(minutes=1)
        minutes -= is_open
    return at


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ZONES[:1] + ZONES[3:]), weeks, starts, st.integers(1, 400))
def test_minutes_are_those_of_the_clock_on_the_wall(zone, week, start, minutes):
    hours = BusinessHours(time_zone=zone, week=week, holidays=frozenset({date(2026, 3, 9)}))
    local_days = {
        start.astimezone(ZoneInfo(zone)).date() + timedelta(days=day) for day in range(-1, 60)
    }
    if any(
        _opens_in_a_change(zone, day, span)
        for day in local_days
        for span in week.get(day.weekday(), ())
    ):
        return  # an opening or closing time that the clock skips or shows twice: see below

    assert hours.after(start, timedelta(minutes=minutes)) == walked(hours, start, minutes)


def _opens_in_a_change(zone, day, span):
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    begin, end = midnight.utcoffset(), (midnight + timedelta(days=1)).utcoffset()
    return begin != end and (0 < span.opens <= 240 or 0 < span.closes <= 240)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ZONES), weeks, starts, st.integers(1, 3000), st.integers(1, 500))
def test_more_minutes_end_later_and_never_outside_the_hours(zone, week, start, minutes, more):
    hours = BusinessHours(time_zone=zone, week=week)

    first = hours.after(start, timedelta(minutes=minutes))
    second = hours.after(start, timedelta(minutes=minutes + more))

    assert start < first < second
    assert second - first >= timedelta(minutes=more)
    assert hours.after(first, timedelta(minutes=more)) == second
