"""What compiled models call while they run: occurrences, what turns by itself, lines made once."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from scoring.lead import Activity
from scoring.result import Reason
from scoring.rule import MAX_TIMES, Rule

#: Before and after every instant of a lead.
PAST: Final = datetime.min.replace(tzinfo=UTC)
FOREVER: Final = datetime.max.replace(tzinfo=UTC)


class Lines(dict[int, Reason]):
    """The lines of one code by their points, each made when it is first asked for."""

    def __init__(self, code: str, text: str, reads: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._line = Reason(code, 0, text, reads)

    def __missing__(self, points: int) -> Reason:
        """Make the line for `points`."""
        line = self[points] = self._line._replace(points=points)
        return line


class Aged(NamedTuple):
    """What a rule gives for one occurrence, once so many of its steps are passed."""

    left: int  #: Points that age has left.
    until: timedelta | None  #: The age of the next change; None is never.
    gone: Reason | None  #: The line for what age took; None where it took nothing.


def aged_table(rule: Rule) -> tuple[Aged, ...]:
    """Return, by the number of decay steps passed, what one occurrence gives under `rule`.

    A window that ends is the occurrence's last change; the caller drops what is older.
    """
    points = rule.points if isinstance(rule.points, int) else 0
    sign = 1 if points > 0 else -1
    window = None if rule.window_days is None else timedelta(days=rule.window_days)
    gone = decay_lines(rule)
    table = []
    for passed in range(len(rule.steps) + 1):
        ends = [each for each in (*rule.steps[passed : passed + 1], window) if each is not None]
        left = points - sign * passed
        line = gone[left - points] if passed else None
        table.append(Aged(left, min(ends, default=None), line))
    return tuple(table)


def decay_lines(rule: Rule) -> Lines:
    """Return the lines for what age takes from `rule`."""
    return Lines(f"decay.{rule.id}", f"Age: {rule.says}", rule.reads)


def occurrences(
    activities: Iterable[Activity], since: datetime | None
) -> tuple[dict[str, list[datetime]], dict[str, int]]:
    """Return the instants, latest first, and the counts of activities by kind, from `since` on.

    >>> at = datetime(2026, 3, 1, tzinfo=UTC)
    >>> occurrences([Activity(kind="call", at=at, count=2)], None)[1]
    {'call': 2}
    """
    found: dict[str, list[datetime]] = {}
    counts: dict[str, int] = {}
    for activity in activities:
        kind, at = activity.kind, activity.at
        if since is not None and at < since:
            continue
        # More occurrences than any rule counts would only cost memory.
        times = [at] * min(activity.count, MAX_TIMES)
        if kind in found:
            found[kind] += times
        else:
            found[kind] = times
        counts[kind] = counts.get(kind, 0) + activity.count
    for instants in found.values():
        instants.sort(reverse=True)
    return found, counts


def best(
    values: Iterable[str], table: Mapping[str, tuple[int, Reason]]
) -> tuple[int, Reason] | None:
    """Return the entry with most points among `values`, or None where no value has one."""
    found = [table[value] for value in values if value in table]
    return max(found, key=_points, default=None)


def _points(entry: tuple[int, Reason]) -> int:
    return entry[0]


def flip(
    holds: Callable[[datetime], bool], turns: Iterable[datetime | None], now: datetime
) -> tuple[bool, datetime]:
    """Return whether a condition holds now, and the first instant at which it does not any more.

    Args:
        holds: The condition at an instant.
        turns: When its parts turn; between two of these it cannot change.
        now: The instant of scoring.
    """
    here = holds(now)
    for at in sorted(turn for turn in turns if turn is not None and turn > now):
        if holds(at) != here:
            return here, at
    return here, FOREVER


class Turning:
    """An aging rule whose condition may turn true by itself, which only `not` can bring about."""

    def __init__(self, rule: Rule) -> None:
        self._points = rule.points if isinstance(rule.points, int) else 0
        self._steps = rule.steps
        self._table = aged_table(rule)
        self._window = None if rule.window_days is None else timedelta(days=rule.window_days)
        self._max_times = rule.max_times

    def __call__(
        self,
        holds: Callable[[datetime], bool],
        turns: Iterable[datetime | None],
        occurred: list[datetime],
        now: datetime,
    ) -> tuple[int, int, datetime]:
        """Return the points before and after age, and the first instant at which they differ."""
        turning = sorted(turn for turn in turns if turn is not None and turn > now)
        *here, change = self._at(holds, occurred, now)
        while True:
            coming = min((turn for turn in turning if turn > now), default=FOREVER)
            now = min(change, coming)
            if now == FOREVER:
                return here[0], here[1], FOREVER
            *then, change = self._at(holds, occurred, now)
            if then != here:
                return here[0], here[1], now

    def _at(
        self, holds: Callable[[datetime], bool], occurred: list[datetime], now: datetime
    ) -> tuple[int, int, datetime]:
        full = left = 0
        change = FOREVER
        for at in occurred[: self._max_times] if holds(now) else ():
            age = now - at
            if self._window is not None and age >= self._window:
                break
            aged = self._table[bisect_right(self._steps, age)]
            full += self._points
            left += aged.left
            if aged.until is not None:
                change = min(change, at + aged.until)
        return full, left, change
