"""What compiled models call while they run: occurrences, what turns by itself, lines made once."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from scoring.lead import Activity
from scoring.result import Reason
from scoring.rule import MAX_TIMES, Rule

#: What is over, and what never ends, as the time left.
OVER: Final = timedelta(0)
ENDLESS: Final = timedelta.max


class Lines(dict[int, Reason]):
    """The lines of one code by their points, each made when it is first asked for."""

    def __init__(self, code: str, text: str, reads: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._line = Reason(code, 0, text, reads)

    def __missing__(self, points: int) -> Reason:
        """Make the line for `points`."""
        line = self[points] = self._line._replace(points=points)
        return line


class Worth(dict[object, tuple[int, int, tuple[Reason, ...]]]):
    """By the value of one field, what the rules that read only it give.

    Points in all, the positive ones of them, and the lines. Each value is worked out when it first
    comes. Only for fields whose values are a closed set of labels; lists of them are kept up to a
    bound.
    """

    MOST = 4096

    def __init__(self, earning: Sequence[Callable[[Any], tuple[int, Reason] | None]]) -> None:
        super().__init__()
        self._earning = earning

    def __missing__(self, value: object) -> tuple[int, int, tuple[Reason, ...]]:
        """Work the value out."""
        entries = [entry for earn in self._earning if (entry := earn(value)) is not None]
        points = [entry[0] for entry in entries]
        gain = sum(each for each in points if each > 0)
        found = (sum(points), gain, tuple(entry[1] for entry in entries))
        if len(self) < self.MOST:
            self[value] = found
        return found


class Aging(NamedTuple):
    """What a rule gives for one occurrence by its age, as a look-up."""

    edges: tuple[timedelta, ...]  #: The ages at which that changes: decay steps, then the window.
    #: By the number of edges passed: points left, age of the next change, and the line for what
    #: age took, with None for none; None in all is too old.
    rows: tuple[tuple[int, timedelta | None, Reason | None] | None, ...]


def aging(rule: Rule) -> Aging:
    """Return what one occurrence gives under `rule`, by its age."""
    points = rule.points if isinstance(rule.points, int) else 0
    sign = 1 if points > 0 else -1
    edges = rule.steps
    if rule.window_days is not None:
        window = timedelta(days=rule.window_days)
        edges = (*(step for step in edges if step < window), window)
    gone = decay_lines(rule)
    rows: list[tuple[int, timedelta | None, Reason | None] | None] = []
    for passed in range(len(edges) + 1):
        left = points - sign * passed
        change = edges[passed] if passed < len(edges) else None
        rows.append((left, change, gone[left - points] if passed else None))
    if rule.window_days is not None:
        rows[-1] = None
    return Aging(edges, tuple(rows))


def decay_lines(rule: Rule) -> Lines:
    """Return the lines for what age takes from `rule`."""
    return Lines(f"decay.{rule.id}", f"Age: {rule.says}", rule.reads)


def occurrences(
    activities: Iterable[Activity], since: datetime | None
) -> tuple[dict[str, list[datetime]], dict[str, int]]:
    """Return the instants, latest first, and the counts of activities by kind, from `since` on.

    >>> call = Activity(kind="call", at=datetime.fromisoformat("2026-03-01T09:00Z"), count=2)
    >>> occurrences([call], None)[1]
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
) -> tuple[bool, timedelta]:
    """Return whether a condition holds now, and how long it stays so.

    Args:
        holds: The condition at an instant.
        turns: When its parts turn; between two of these it cannot change.
        now: The instant of scoring.
    """
    here = holds(now)
    for at in sorted(turn for turn in turns if turn is not None and turn > now):
        if holds(at) != here:
            return here, at - now
    return here, ENDLESS


class Turning:
    """An aging rule whose condition may turn true by itself, which only `not` can bring about."""

    def __init__(self, rule: Rule) -> None:
        self._points = rule.points if isinstance(rule.points, int) else 0
        self._aging = aging(rule)
        self._max_times = rule.max_times

    def __call__(
        self,
        holds: Callable[[datetime], bool],
        turns: Iterable[datetime | None],
        occurred: list[datetime],
        now: datetime,
    ) -> tuple[int, int, timedelta]:
        """Return the points before and after age, and how long they stay the same."""
        turning = sorted(turn for turn in turns if turn is not None and turn > now)
        full, left, changes = self._at(holds, occurred, now)
        at = now
        while True:
            ahead = [turn for turn in (*turning, *changes) if turn > at]
            if not ahead:
                return full, left, ENDLESS
            at = min(ahead)
            *then, changes = self._at(holds, occurred, at)
            if then != [full, left]:
                return full, left, at - now

    def _at(
        self, holds: Callable[[datetime], bool], occurred: list[datetime], now: datetime
    ) -> tuple[int, int, list[datetime]]:
        full = left = 0
        changes = []
        for at in occurred[: self._max_times] if holds(now) else ():
            row = self._aging.rows[bisect_right(self._aging.edges, now - at)]
            if row is None:
                break
            full += self._points
            left += row[0]
            if row[1] is not None:
                changes.append(at + row[1])
        return full, left, changes
