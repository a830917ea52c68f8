"""Wakes workers of other processes and machines, by PostgreSQL's NOTIFY; on SQLite they poll.

A ring may be lost, with its process or its connection: who listens also looks by itself, now and
then. Rings are sent by a thread of their own, after the commit they tell of: NOTIFY inside the
receiver's commit would make all commits of the database wait for each other, and the answer to the
CRM must not depend on it.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from store.dialect import StoreError
from store.engine import locks_rows, reading

log = logging.getLogger(__name__)

_CHANNEL = "leadscore"

#: Stands for the inbox where otherwise an account is named; no account has this name.
INBOX = ""

#: Stands for everything: rings may have been missed.
ALL = "*"

#: Rings of so many seconds are one.
_GAP_S = 0.005
_RECONNECT_S = 1.0


class Wakeups:
    """Sends and hears nothing: SQLite has one machine, and its workers look by themselves."""

    #: How often an idle worker should look by itself.
    poll_s = 0.25

    def ring(self, name: str = INBOX) -> None:
        """Wake whoever unpacks, or works the account `name`. Returns at once, never fails."""

    def listen(self, told: Callable[[str], None]) -> None:
        """Call `told` with `INBOX`, an account's name or `ALL` at each ring, in another thread."""

    def close(self) -> None:
        """End the threads."""


def open_wakeups(engine: Engine) -> Wakeups:
    """Return what wakes the workers on this database."""
    return PostgresWakeups(engine) if locks_rows(engine) else Wakeups()


class PostgresWakeups(Wakeups):
    """See `Wakeups`. Both threads start when they are first needed."""

    poll_s = 1.0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._rung: set[str] = set()
        self._ringing = threading.Event()
        self._closing = threading.Event()
        self._sender: threading.Thread | None = None
        self._listener: threading.Thread | None = None

    def ring(self, name: str = INBOX) -> None:
        """See `Wakeups.ring`."""
        if name in self._rung:
            return  # it is still to be sent
        with self._lock:
            self._rung.add(name)
            if self._sender is None and not self._closing.is_set():
                self._sender = threading.Thread(target=self._send, name="wakeups", daemon=True)
                self._sender.start()
        self._ringing.set()

    def listen(self, told: Callable[[str], None]) -> None:
        """See `Wakeups.listen`."""
        self._listener = threading.Thread(
            target=self._listen, args=(told,), name="listen", daemon=True
        )
        self._listener.start()

    def close(self) -> None:
        """See `Wakeups.close`."""
        self._closing.set()
        self._ringing.set()
        for thread in (self._sender, self._listener):
            if thread is not None:
                thread.join(5.0)

    def _send(self) -> None:
        while not self._closing.is_set():
            self._ringing.wait()
            self._ringing.clear()
            with self._lock:
                names, self._rung = sorted(self._rung), set()
            try:
                with reading(self._engine).connect() as connection:
                    for name in names:
                        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (_CHANNEL, name))
            except (SQLAlchemyError, StoreError) as error:
                log.warning("wakeups.not_sent", extra={"error": type(error).__name__})
                self._closing.wait(_RECONNECT_S)
            self._closing.wait(_GAP_S)

    def _listen(self, told: Callable[[str], None]) -> None:
        while not self._closing.is_set():
            connection = None
            try:
                connection = self._engine.raw_connection()
                driver: Any = connection.driver_connection
                driver.autocommit = True
                driver.execute(f"LISTEN {_CHANNEL}".encode())
                told(ALL)  # whatever was rung before we listened
                while not self._closing.is_set():
                    for ring in driver.notifies(timeout=0.5):
                        told(ring.payload)
            except Exception as error:  # noqa: BLE001  the driver's errors have no common home here
                log.warning("wakeups.not_heard", extra={"error": type(error).__name__})
                self._closing.wait(_RECONNECT_S)
            finally:
                if connection is not None:
                    with contextlib.suppress(Exception):
                        connection.invalidate()
