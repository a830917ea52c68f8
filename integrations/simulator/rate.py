"""Rate limits counted exactly: a sliding window and a calendar day."""

from collections import deque
from datetime import date, datetime


class SlidingWindow:
    """At most `limit` admitted calls in any `window_s` seconds; None admits all.

    A call at `t` is in every window `(x - window_s, x]` that holds `t`. `worst` is the highest
    number of calls, refused ones included, that any window held. Not locked: the caller holds
    the simulator's lock.

    >>> window = SlidingWindow(limit=2, window_s=10.0)
    >>> [window.admit(at) for at in (0.0, 9.0, 9.5, 10.0)]
    [True, True, False, True]
    >>> window.worst
    3
    """

    def __init__(self, *, limit: int | None, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.worst = 0
        self._admitted: deque[float] = deque()
        self._arrived: deque[float] = deque()

    def admit(self, at: float) -> bool:
        """Count a call at `at` (seconds, any epoch) and tell whether it may pass."""
        oldest = at - self.window_s
        arrived = self._arrived
        arrived.append(at)
        while arrived[0] <= oldest:
            arrived.popleft()
        self.worst = max(self.worst, len(arrived))
        admitted = self._admitted
        while admitted and admitted[0] <= oldest:
            admitted.popleft()
        if self.limit is not None and len(admitted) >= self.limit:
            return False
        admitted.append(at)
        return True

    @property
    def remaining(self) -> int:
        """Calls left in the window that ended with the last call; 0 without a limit."""
        return 0 if self.limit is None else max(0, self.limit - len(self._admitted))


class DailyAllowance:
    """At most `limit` calls from one UTC midnight to the next; None admits all."""

    def __init__(self, *, limit: int | None) -> None:
        self.limit = limit
        self.used = 0
        self._day: date | None = None

    def admit(self, now: datetime) -> bool:
        """Count a call and tell whether it may pass."""
        if now.date() != self._day:
            self._day, self.used = now.date(), 0
        if self.limit is not None and self.used >= self.limit:
            return False
        self.used += 1
        return True

    @property
    def remaining(self) -> int:
        """Calls left today; 0 without a limit."""
        return 0 if self.limit is None else max(0, self.limit - self.used)
