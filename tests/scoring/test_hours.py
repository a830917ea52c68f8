from datetime import UTC, date, datetime, timedelta

import pytest

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
