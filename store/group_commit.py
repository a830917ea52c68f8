"""Threads that commit at the same time share one commit.

Each waits for its own gate; whoever comes first leads, stores all that wait, and hands the lead to
the first of those who came meanwhile. Alone, a thread pays no more than its own commit.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")

#: Rows in one commit: what a statement's parameters allow, with room.
MAX_ROWS = 500


class NotStoredError(Exception):
    """A row was not committed in time, or its commit failed."""


class _Ticket(Generic[Row]):
    __slots__ = ("gate", "is_leader", "is_stored", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.gate = threading.Lock()
        self.gate.acquire()
        self.is_leader = False
        self.is_stored = False


class GroupCommit(Generic[Row]):
    """Hands rows of many threads to one `commit` at a time."""

    def __init__(
        self, commit: Callable[[Sequence[Row], float], None], *, failures: type[Exception]
    ) -> None:
        """Take what stores a group.

        Args:
            commit: Stores all rows durably, or none and raises. Its second argument is how many
                seconds it may wait for the database: what is left of its leader's own time.
            failures: What `commit` raises when it fails.
        """
        self._commit = commit
        self._failures = failures
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[Row]] = []
        self._is_led = False

    def store(self, row: Row, timeout_s: float) -> None:
        """Return when `row` is committed. Raises: NotStoredError."""
        ends = time.monotonic() + timeout_s
        ticket = _Ticket(row)
        with self._lock:
            self._waiting.append(ticket)
            if not self._is_led:
                self._is_led = ticket.is_leader = True
        if not ticket.is_leader and not ticket.gate.acquire(timeout=timeout_s):
            with self._lock:
                # The lead may have come just now: then it must be taken, or all would wait.
                if not ticket.is_leader:
                    if ticket in self._waiting:
                        self._waiting.remove(ticket)
                    raise NotStoredError("busy")
        if ticket.is_leader:
            self._lead(max(0.0, ends - time.monotonic()))
        if not ticket.is_stored:
            raise NotStoredError("the commit failed")

    def _lead(self, timeout_s: float) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:MAX_ROWS], self._waiting[MAX_ROWS:]
        try:
            self._commit([ticket.row for ticket in group], timeout_s)
        except self._failures:
            pass  # each thread of the group says so to its own caller
        else:
            for ticket in group:
                ticket.is_stored = True
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting[0].is_leader = True
                    self._waiting[0].gate.release()
                else:
                    self._is_led = False
            for ticket in group:
                if not ticket.is_leader:
                    ticket.gate.release()
