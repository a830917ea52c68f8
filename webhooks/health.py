"""What the service knows of its own health: counters, alarms, and the answers of /healthz & co.

Counters carry codes and names only. The first refusal of a kind in an hour is an alarm: one line
at error level, and it shows in /healthz (S9).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

log = logging.getLogger(__name__)

ALARM_LASTS = timedelta(hours=1)

#: Lags of an account that its percentiles are taken of.
_LAGS_KEPT = 2_000

_LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86_400)


class Health:
    """Counters and alarms of one process. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._alarms: dict[str, datetime] = {}
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "leadscore_deliveries_accepted",
            "Stored and acknowledged",
            ["crm"],
            registry=self.registry,
        )
        self.rejected = Counter(
            "leadscore_deliveries_rejected",
            "Refused, nothing stored",
            ["crm", "reason"],
            registry=self.registry,
        )
        self.unpacked = Counter(
            "leadscore_deliveries_unpacked", "Read by a worker", ["crm"], registry=self.registry
        )
        self.events = Counter(
            "leadscore_events", "Events in unpacked deliveries", ["crm"], registry=self.registry
        )
        self.quarantined = Counter(
            "leadscore_deliveries_quarantined",
            "Proven but unreadable",
            ["crm"],
            registry=self.registry,
        )
        self.records = Counter(
            "leadscore_records",
            "Claims ended, by what became of them",
            ["account", "end"],
            registry=self.registry,
        )
        self.lag = Histogram(
            "leadscore_lag_seconds",
            "From a delivery's arrival to the score in the CRM",
            ["account"],
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self.oldest_due = Gauge(
            "leadscore_oldest_due_seconds",
            "How long the account's oldest due record has waited",
            ["account"],
            registry=self.registry,
        )
        self.fetched = Gauge(
            "leadscore_events_fetched_seconds",
            "How long ago the CRM last answered for the account's events, where we fetch them",
            ["account"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "leadscore_inbox_deliveries",
            "Deliveries in the inbox, by state",
            ["state"],
            registry=self.registry,
        )
        self.dead_letters = Gauge(
            "leadscore_dead_letters", "What a person must look at", registry=self.registry
        )
        self.calls_left = Gauge(
            "leadscore_crm_calls_left",
            "Calls left to us in the CRM's present window, or day",
            ["account", "period"],
            registry=self.registry,
        )
        self._lags: dict[str, deque[float]] = {}

    def served(self, account: str, lags: Iterable[float]) -> None:
        """Count records whose score reached the CRM, each so many seconds after its event."""
        observe = self.lag.labels(account).observe
        kept = self._lags.setdefault(account, deque(maxlen=_LAGS_KEPT))
        for seconds in lags:
            observe(max(seconds, 0.0))
            kept.append(max(seconds, 0.0))

    def lags(self, account: str) -> Mapping[str, float]:
        """Return percentiles of the account's newest lags in seconds; empty before the first."""
        found = sorted(self._lags.get(account, ()))
        if not found:
            return {}
        return {
            f"p{percent}": round(found[min(len(found) - 1, len(found) * percent // 100)], 3)
            for percent in (50, 95, 99)
        }

    def reject(self, crm: str, reason: str) -> None:
        """Count a refused delivery; the first of its kind in an hour raises an alarm."""
        self.rejected.labels(crm, reason).inc()
        self.alarm(f"{crm}: deliveries refused: {reason}")

    def alarm(self, what: str) -> None:
        """Raise an alarm unless the same one was raised within the hour."""
        now = self._clock()
        with self._lock:
            last = self._alarms.get(what)
            self._alarms[what] = now
        if last is None or now - last > ALARM_LASTS:
            log.error("alarm", extra={"reason": what})

    def alarms(self) -> list[str]:
        """Return the alarms of the last hour, newest first."""
        now = self._clock()
        with self._lock:
            found = [(at, what) for what, at in self._alarms.items() if now - at <= ALARM_LASTS]
        return [what for at, what in sorted(found, reverse=True)]

    def exposition(self) -> bytes:
        """Return the counters in Prometheus' text format."""
        return generate_latest(self.registry)
