"""Counts of what a simulator saw and did, safe to add to from every thread."""

import threading
from collections.abc import Iterable


class Counters:
    """Named whole numbers that start at 0; reading them gives a copy."""

    def __init__(self, names: Iterable[str]) -> None:
        self._counts = dict.fromkeys(names, 0)
        self._lock = threading.Lock()

    def add(self, name: str, amount: int = 1) -> None:
        """Add `amount` to `name`, which comes into being when it is new."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def raise_to(self, name: str, value: int) -> None:
        """Set `name` to `value` if that is more: for the worst seen so far."""
        with self._lock:
            if value > self._counts.get(name, 0):
                self._counts[name] = value

    def snapshot(self) -> dict[str, int]:
        """Return all counts of this instant."""
        with self._lock:
            return dict(self._counts)


#: What every courier counts; `courier.py` says when.
DELIVERY_COUNTS = (
    "deliveries_sent",
    "deliveries_acknowledged",
    "deliveries_retried",
    "deliveries_given_up",
    "events_queued",
    "events_sent",
    "events_acknowledged",
    "events_given_up",
    "duplicate_events_sent",
)
