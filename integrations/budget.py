"""How many calls an account may still make: an exact sliding window.

A token bucket with a full burst admits up to twice its limit in a window that straddles the burst
(reference measurements.md section 8); a log of the last calls does not.
"""

import threading
from collections import deque
from collections.abc import Callable

#: Calls of others below this part of the limit are taken for our own on their way.
_NOISE = 20

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
        self._crm_limit: int | None = None  #: As the CRM says.
        self._others = 0  #: Calls of other integrations in the window.
        self._observed_at = 0.0
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Wait until a call is within the budget and count it; return the seconds waited."""
        waited = 0.0
        while True:
            with self._lock:
                now = self._clock()
                self._forget(now)
                limit = self._allowed(now)
                if len(self._calls) < limit:
                    self._calls.append(now)
                    return waited
                # Where others have it all, what we know of them ends with the window.
                oldest = self._calls[0] if self._calls else self._observed_at
                wait = self._window_s - (now - oldest)
            # A hair more than the gap, so that rounding never wakes us a moment early.
            self._sleep(wait + 0.001)
            waited += wait

    def observe(self, *, limit: int, left: int) -> None:
        """Heed what the CRM says of its window: other integrations make calls, too.

        Args:
            limit: Calls that the CRM admits in a window, from all.
            left: How many of them are left now.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            others = limit - left - len(self._calls)
            # The CRM's window lags ours by the time a call takes: a few are still our own.
            others = others if others * _NOISE > limit else 0
            self._crm_limit, self._others, self._observed_at = limit, others, now

    def left(self) -> int:
        """Return how many calls are left to us in the present window."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            return max(0, self._allowed(now) - len(self._calls))

    def _allowed(self, now: float) -> int:
        """Return how many of the window's calls may be ours."""
        if self._crm_limit is None:
            return self._limit
        others = self._others if now - self._observed_at < self._window_s else 0
        return max(0, min(self._limit, self._crm_limit - others))

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
            spent, limit = len(self._calls), self._allowed(now)
            lacking = calls - (limit - spent)
            if lacking > 0 and spent:
                return self._calls[min(lacking, spent) - 1] + self._window_s
            if spent * 5 < limit or not spent:
                return since
            until_free = self._window_s - (now - self._calls[0])
            return since + calls * until_free / (limit - spent)

    def _forget(self, now: float) -> None:
        while self._calls and now - self._calls[0] >= self._window_s:
            self._calls.popleft()

    def spent(self) -> int:
        """Return how many calls the present window holds."""
        with self._lock:
            self._forget(self._clock())
            return len(self._calls)


class DayBudget:
    """What the CRM says is left of a day's calls, and how much of it is kept for others."""

    def __init__(self, reserve: float) -> None:
        """Keep the part `reserve` (0 to 1) of the day's calls for what cannot wait."""
        self._reserve = reserve
        self.limit: int | None = None  #: None until the CRM said so.
        self.left: int | None = None

    def observe(self, *, limit: int, left: int) -> None:
        """Heed what the CRM says."""
        self.limit, self.left = limit, left

    def may_hurry(self) -> bool:
        """Return whether more is left than what is kept back."""
        if self.limit is None or self.left is None:
            return True
        return self.left > self.limit * self._reserve
