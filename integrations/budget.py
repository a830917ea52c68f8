"""How many calls an account may still make: an exact sliding window.

A token bucket with a full burst admits up to twice its limit in a window that straddles the burst
(reference measurements.md section 8); a log of the last calls does not.
"""

import threading
from collections import deque
from collections.abc import Callable

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class RateBudget:
    """At most `limit` calls in any `window_s` seconds. For one account, in one process.

    An account is worked by one worker at a time, so its budget needs no shared store.
    """

    def __init__(self, limit: int, window_s: float, *, clock: Clock, sleep: Sleep) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock  #: Monotonic seconds.
        self._sleep = sleep
        self._calls: deque[float] = deque()
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Wait until a call is within the budget and count it; return the seconds waited."""
        waited = 0.0
        while True:
            with self._lock:
                now = self._clock()
                self._forget(now)
                if len(self._calls) < self._limit:
                    self._calls.append(now)
                    return waited
                wait = self._window_s - (now - self._calls[0])
            # A hair more than the gap, so that rounding never wakes us a moment early.
            self._sleep(wait + 0.001)
            waited += wait

    def ready_at(self, calls: int, since: float) -> float:
        """Return when the next group of `calls` calls should begin, in the clock's seconds.

        At once while less than a fifth of the budget is spent, so that a quiet hour is answered
        at once. Then what is left is spread over the time until the window's oldest call leaves
        it: without that a busy minute would spend the window in one second and wait for nine.
        Never before the whole group fits: a read whose write must wait helps nobody.

        Args:
            calls: Calls in the group.
            since: When the last group began.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            spent = len(self._calls)
            lacking = calls - (self._limit - spent)
            if lacking > 0:
                return self._calls[min(lacking, spent) - 1] + self._window_s
            if spent * 5 < self._limit:
                return since
            until_free = self._window_s - (now - self._calls[0])
            return since + calls * until_free / (self._limit - spent)

    def _forget(self, now: float) -> None:
        while self._calls and now - self._calls[0] >= self._window_s:
            self._calls.popleft()

    def spent(self) -> int:
        """Return how many calls the present window holds."""
        with self._lock:
            self._forget(self._clock())
            return len(self._calls)
