"""Tasks that store a row at the same time share one commit.

`run_together` runs tasks one after the other in one thread. A task that stores a row is set aside
there, with its whole stack; when every task has come so far, or ended, one commit stores all rows,
and each task goes on with its outcome. Nobody waits for a lock, and no thread is woken to go on:
with a waiting thread for each row, waking them cost more than all that they had to do
(docs/decisions/0002).
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from greenlet import getcurrent, greenlet

Row = TypeVar("Row")


class NotStoredError(Exception):
    """A row was not committed in time, or its commit failed. Says which, without a value."""


class _Ticket(Generic[Row]):
    __slots__ = ("ends", "fault", "group", "row")

    def __init__(self, group: "GroupCommit[Row]", row: Row, ends: float) -> None:
        self.group = group
        self.row = row
        self.ends = ends  #: Monotonic instant at which it must be stored.
        self.fault: str | None = None  #: Class of what the commit raised.


class _Task(greenlet):
    """A task of `run_together`: switching to it gives its ticket, or None when it has ended."""


class GroupCommit(Generic[Row]):
    """Stores rows by one `commit` at a time, those of tasks that run together in one."""

    def __init__(self, commit: Callable[[Sequence[Row], float], None]) -> None:
        """Take what stores a group.

        Args:
            commit: Stores all rows durably, or none and raises. Its second argument is how many
                seconds it may wait for the database: what is left of its oldest row's time.
        """
        self._commit = commit
        self._lock = threading.Lock()

    def store(self, row: Row, timeout_s: float) -> None:
        """Return when `row` is committed. Raises: NotStoredError."""
        ticket = _Ticket(self, row, time.monotonic() + timeout_s)
        task = getcurrent()
        if isinstance(task, _Task) and task.parent is not None:
            task.parent.switch(ticket)
        else:
            self.commit([ticket])
        if ticket.fault is not None:
            raise NotStoredError(ticket.fault)

    def commit(self, tickets: Sequence[_Ticket[Row]]) -> None:
        """Commit the rows of `tickets`; what went wrong stands in each of them."""
        fault: str | None = "busy"
        if self._lock.acquire(timeout=max(0.0, tickets[0].ends - time.monotonic())):
            try:
                left_s = max(0.0, tickets[0].ends - time.monotonic())
                self._commit([ticket.row for ticket in tickets], left_s)
                fault = None
            except Exception as error:  # noqa: BLE001  each task of the group says so to its caller
                fault = type(error).__name__
            finally:
                self._lock.release()
        for ticket in tickets:
            ticket.fault = fault


def run_together(functions: Iterable[Callable[[], None]]) -> None:
    """Run `functions`, which must not raise, one after the other; their rows share commits."""
    tasks = [_Task(function) for function in functions]
    while tasks:
        groups: dict[GroupCommit[object], list[_Ticket[object]]] = {}
        waiting = []
        for task in tasks:
            ticket: _Ticket[object] | None = task.switch()
            if ticket is not None:
                groups.setdefault(ticket.group, []).append(ticket)
                waiting.append(task)
        for group, tickets in groups.items():
            group.commit(tickets)
        tasks = waiting
