"""Threads that commit at the same time share one commit.

One thread commits, again and again while rows wait; every other thread hands its row over and waits
at a gate of its own. A lead that passes from thread to thread was tried: each new leader first had
to win the interpreter lock from all others, which left the disk idle half of the time
(docs/decisions/0002).
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")

#: Rows in one commit: what a statement's parameters allow, with room.
MAX_ROWS = 500


class NotStoredError(Exception):
    """A row was not committed in time, or its commit failed. Says which, without a value."""


class _Ticket(Generic[Row]):
    __slots__ = ("ends", "fault", "gate", "row")

    def __init__(self, row: Row, ends: float) -> None:
        self.row = row
        self.ends = ends  #: Monotonic instant at which its thread gives up.
        self.gate = threading.Lock()
        self.gate.acquire()
        self.fault: str | None = None  #: Class of what the commit raised.


class GroupCommit(Generic[Row]):
    """Hands rows of many threads to one `commit` at a time."""

    def __init__(self, commit: Callable[[Sequence[Row], float], None]) -> None:
        """Take what stores a group.

        Args:
            commit: Stores all rows durably, or none and raises. Its second argument is how many
                seconds it may wait for the database: what is left of its oldest row's time.
        """
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[Row]] = []
        self._bell = threading.Lock()  #: Released when a row comes while the committer sleeps.
        self._bell.acquire()
        self._is_asleep = False
        self._thread: threading.Thread | None = None

    def store(self, row: Row, timeout_s: float) -> None:
        """Return when `row` is committed.

        Raises:
            NotStoredError: It is not, or not in time; in the second case it may still be.
        """
        ticket = _Ticket(row, time.monotonic() + timeout_s)
        with self._lock:
            self._waiting.append(ticket)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
                self._thread.start()
            elif self._is_asleep:
                self._is_asleep = False
                self._bell.release()
        if not ticket.gate.acquire(timeout=max(0.0, timeout_s)):
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            raise NotStoredError("busy")
        if ticket.fault is not None:
            raise NotStoredError(ticket.fault)

    def _run(self) -> None:
        while True:
            with self._lock:
                group, self._waiting = self._waiting[:MAX_ROWS], self._waiting[MAX_ROWS:]
                self._is_asleep = not group
            if group:
                self._store(group)
            else:
                self._bell.acquire()

    def _store(self, group: list[_Ticket[Row]]) -> None:
        fault = None
        try:
            left_s = max(0.0, group[0].ends - time.monotonic())
            self._commit([ticket.row for ticket in group], left_s)
        except Exception as error:  # noqa: BLE001  each thread of the group says so to its caller
            fault = type(error).__name__
        for ticket in group:
            ticket.fault = fault
            ticket.gate.release()
