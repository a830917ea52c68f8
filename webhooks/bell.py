"""Wakes a waiting thread, and lets a batch fill while records keep coming."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

#: A batch is begun when no new record came for so long, …
QUIET_S = 0.015
#: … or when its first record waited for so long, …
LONGEST_GATHER_S = 0.1
#: (or when it is full).


class Bell(Protocol):
    """Told that a delivery waits."""

    def ring(self) -> None:
        """Wake whoever unpacks."""


class CountingBell:
    """Wakes one waiting thread and tells it how much arrived since it last asked."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._last = 0.0

    def ring(self, count: int = 1) -> None:
        """Wake the waiting thread."""
        with self._condition:
            self._count += count
            self._last = time.monotonic()
            self._condition.notify_all()

    def wait(self, timeout_s: float) -> int:
        """Wait until something arrived or the time is over; return how much, and forget it."""
        with self._condition:
            if not self._count:
                self._condition.wait(timeout_s)
            count, self._count = self._count, 0
            return count

    def gather(self, *, full: int, not_before: float) -> None:
        """Wait until `full` arrived, or nothing for a moment, or long enough.

        Args:
            full: A batch's size: no use to wait for more.
            not_before: Monotonic instant to wait for in any case.
        """
        ends = max(time.monotonic() + LONGEST_GATHER_S, not_before)
        with self._condition:
            while True:
                now = time.monotonic()
                until = ends if self._count < full else now
                until = max(min(self._last + QUIET_S, until), not_before)
                if until <= now:
                    return
                self._condition.wait(until - now)


class NearAndFar:
    """Rings the bell of this process, and those of others."""

    def __init__(self, near: CountingBell, far: Callable[[], None]) -> None:
        self._near = near
        self._far = far

    def ring(self) -> None:
        """Wake whoever unpacks, wherever it is."""
        self._near.ring()
        self._far()
