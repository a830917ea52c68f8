"""The workers' clock: on PostgreSQL the server's, so that all machines agree on what is due."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from store.dialect import StoreError
from store.engine import locks_rows, reading
from store.schema import instant

log = logging.getLogger(__name__)

#: How long the server's time is carried on by our own running clock.
ASK_EVERY_S = 60.0
_ASK_AGAIN_S = 5.0


def shared_clock(engine: Engine, own: Callable[[], datetime]) -> Callable[[], datetime]:
    """Return the clock of all who work on this database; on SQLite that is `own`."""
    return DatabaseClock(engine) if locks_rows(engine) else own


class DatabaseClock:
    """The server's time, asked once a minute and carried on by a clock that only runs forward.

    A jump of this machine's wall clock does not reach it (S31).
    """

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._at, self._since, self._ask_at = self._ask()

    def __call__(self) -> datetime:
        """Return the present instant."""
        with self._lock:
            now = self._monotonic()
            if now >= self._ask_at:
                try:
                    self._at, self._since, self._ask_at = self._ask()
                except (SQLAlchemyError, StoreError) as error:
                    self._ask_at = now + _ASK_AGAIN_S
                    log.warning("clock.not_asked", extra={"error": type(error).__name__})
            return self._at + timedelta(seconds=self._monotonic() - self._since)

    def _ask(self) -> tuple[datetime, float, float]:
        """Return the server's time, when that was by our clock, and when to ask again."""
        with reading(self._engine).connect() as connection:
            began = self._monotonic()
            found = connection.exec_driver_sql(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
            ).scalar_one()
            ended = self._monotonic()
        return instant(found), (began + ended) / 2, ended + ASK_EVERY_S
