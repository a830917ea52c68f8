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
                while self._calls and now - self._calls[0] >= self._window_s:
                    self._calls.popleft()
                if len(self._calls) < self._limit:
                    self._calls.append(now)
                    return waited
                wait = self._window_s - (now - self._calls[0])
            # A hair more than the gap, so that rounding never wakes us a moment early.
            self._sleep(wait + 0.001)
            waited += wait

    def even_gap_s(self, calls: int) -> float:
        """Return how far apart groups of `calls` calls should begin now.

        Zero while less than half of the window's budget is spent, so that a quiet hour answers at
        once; then the gap at which the budget lasts for ever. Without it a busy minute would
        spend the window in one second and wait for the other nine.
        """
        if self.spent() * 2 < self._limit:
            return 0.0
        return calls * self._window_s / self._limit

    def spent(self) -> int:
        """Return how many calls the present window holds."""
        with self._lock:
            now = self._clock()
            return sum(1 for at in self._calls if now - at < self._window_s)
