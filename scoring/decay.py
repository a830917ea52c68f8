"""What points are worth as they age: whole points that fall one by one, at exact instants."""

import math
from bisect import bisect_right
from datetime import timedelta

DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


def decay_steps(points: int, *, half_life_days: float) -> tuple[timedelta, ...]:
    """Return the ages at which `points` lose one more whole point, in ascending order.

    The worth `p * 2 ** (-age / half_life)` is rounded to the nearest whole number; a worth that
    ends in one half is rounded down, towards 0. So the step from k + 1 to k comes at
    `age = half_life * log2(p / (k + 0.5))`, rounded up to a microsecond. Worth and time of the
    next change both come from this table and cannot disagree.

    Args:
        points: 1 to 100; the sign of negative points is the caller's.
        half_life_days: Positive.

    >>> [step.days for step in decay_steps(2, half_life_days=10)]
    [4, 20]
    """
    half_life_us = half_life_days * (DAY / _MICROSECOND)
    return tuple(
        timedelta(microseconds=math.ceil(half_life_us * math.log2(points / (left + 0.5))))
        for left in range(points - 1, -1, -1)
    )


def points_left(points: int, steps: tuple[timedelta, ...], age: timedelta) -> int:
    """Return what is left of `points` at `age`; a negative age (clocks differ) counts in full.

    >>> steps = decay_steps(8, half_life_days=7)
    >>> [points_left(8, steps, timedelta(days=days)) for days in (-1, 0, 7, 14, 21, 28, 29)]
    [8, 8, 4, 2, 1, 0, 0]
    """
    return points - bisect_right(steps, age)


def next_step(steps: tuple[timedelta, ...], age: timedelta) -> timedelta | None:
    """Return the first age after `age` at which a point is lost, or None when all are gone.

    >>> steps = decay_steps(1, half_life_days=3)
    >>> next_step(steps, timedelta(days=1)), next_step(steps, timedelta(days=3))
    (datetime.timedelta(days=3), None)
    """
    index = bisect_right(steps, age)
    return steps[index] if index < len(steps) else None
