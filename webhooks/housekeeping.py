"""Housekeeping of a worker: deletes what is over its time, keeps heads and tombstones in files.

A clock that jumped ahead would delete early (S31). So each run compares the clock with the
monotonic one since the start: where they disagree nothing is deleted until the next start.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from store.audit import Audit
from store.erasure import Erasure
from store.retention import Periods, Retention
from webhooks.health import Health

log = logging.getLogger(__name__)

#: How often it runs.
EVERY_S = 900.0
#: More than this a clock does not drift between two starts.
LARGEST_DRIFT = timedelta(minutes=30)


class Housekeeping:
    """Runs every quarter of an hour until `stop`."""

    def __init__(
        self,
        *,
        retention: Retention,
        audit: Audit,
        erasure: Erasure,
        periods: Periods,
        health: Health,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
    ) -> None:
        self._retention = retention
        self._audit = audit
        self._erasure = erasure
        self._periods = periods
        self._health = health
        self._clock = clock
        self._monotonic = monotonic
        self._every_s = every_s
        self._began = (clock(), monotonic())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread; the first run is at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the run at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        while True:
            try:
                self.run()
            except Exception:
                # Tried again at the next run; nothing waits for it.
                log.exception("housekeeping.failed")
            if self._stopping.wait(self._every_s):
                return

    def run(self) -> dict[str, int]:
        """Do one run; return how many rows were deleted, by kind."""
        now = self._clock()
        passed = timedelta(seconds=self._monotonic() - self._began[1])
        if abs(now - self._began[0] - passed) > LARGEST_DRIFT:
            self._health.alarm("the clock jumped: nothing is deleted until the next start")
            return {}
        found = self._retention.purge(self._periods, now)
        self._audit.keep_heads()
        self._erasure.file_all()
        if any(found.values()):
            log.info("retention.purged", extra={"count": sum(found.values())})
        return found
