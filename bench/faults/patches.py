"""What is changed inside a process that the rig starts, before the command runs.

The product has no hook for any of this: a patch replaces one of its functions in that process only.
`clock:FILE` moves the wall clock by the seconds that stand in FILE; `lease:SECONDS` shortens the
lease, so that a killed worker's account is taken over in the rig's time; `housekeeping:SECONDS`
lets it run more often. `lose:N` makes a receiver that lies, to see that the rig notices.
`crash:POINT:N` kills the process the N-th time it comes to a point.
"""

import importlib
import os
import signal
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: Name of a crash point -> process, module, class, method, and on which side of its call.
CRASH_POINTS = {
    "before_a_delivery_is_sealed": ("receive", "store.inbox", "Inbox", "append", "before"),
    "sealed_not_committed": ("receive", "{appender}", "", "__call__", "before"),
    "committed_not_answered": ("receive", "{appender}", "", "__call__", "after"),
    "answer_not_sent": ("receive", "webhooks.receiver", "Receiver", "_receive", "after"),
    "deliveries_taken": ("work", "webhooks.unpack", "Unpacker", "_read", "before"),
    "read_not_marked_due": ("work", "store.due", "Due", "mark", "before"),
    "due_not_marked_unpacked": ("work", "store.due", "Due", "mark", "after"),
    "marked_unpacked": ("work", "webhooks.unpack", "Unpacker", "unpack", "after"),
    "records_claimed": ("work", "webhooks.pipeline", "Pipeline", "run", "before"),
    "records_read": ("work", "store.leads", "Leads", "states", "after"),
    "write_expected": ("work", "store.leads", "Leads", "expect_write", "after"),
    "written_not_stored": ("work", "store.leads", "Leads", "save", "before"),
    "inside_the_last_transaction": ("work", "store.due", "", "finish", "before"),
    "stored": ("work", "store.leads", "Leads", "save", "after"),
    "account_taken": ("work", "store.accounts", "Accounts", "take", "after"),
    "audited_not_purged": ("work", "store.audit", "Audit", "record", "after"),
}
APPENDERS = {
    "sqlite": ("store.sqlite", "SqliteAppender"),
    "postgresql": ("store.postgres", "PostgresAppender"),
}


def apply(patch: str) -> None:
    """Apply one patch to this process."""
    kind, _, rest = patch.partition(":")
    {
        "clock": _clock,
        "lease": _lease,
        "housekeeping": _housekeeping,
        "crash": _crash,
        "lose": _lose,
    }[kind](rest)


def offset_of(file: Path | str) -> timedelta:
    """Return by how much a clock file moves the clock."""
    return timedelta(seconds=struct.unpack("<d", Path(file).read_bytes())[0])


def moved_clock(file: Path | str) -> Callable[[], datetime]:
    """Return the wall clock, moved by what stands in `file` at that moment."""
    return lambda: datetime.now(UTC) + offset_of(file)  # noqa: TID251  the rig's clock


def _clock(file: str) -> None:
    importlib.import_module("webhooks.wiring").utc_now = moved_clock(file)


def _lease(seconds: str) -> None:
    importlib.import_module("store.accounts").LEASE_S = float(seconds)
    importlib.import_module("webhooks.worker").HEARTBEAT_S = float(seconds) / 4


def _housekeeping(seconds: str) -> None:
    made = importlib.import_module("webhooks.housekeeping").Housekeeping.__init__
    made.__kwdefaults__["every_s"] = float(seconds)


def _crash(rest: str) -> None:
    point, _, times = rest.partition(":")
    _, module, owner, method, side = CRASH_POINTS[point]
    homes = APPENDERS.values() if module == "{appender}" else [(module, owner)]
    for home, name in homes:
        found = importlib.import_module(home)
        _arm(getattr(found, name) if name else found, method, side, int(times))


def _lose(every: str) -> None:
    """Let the receiver acknowledge every so-manieth delivery without storing it: see the tests."""
    for home, name in APPENDERS.values():
        owner = getattr(importlib.import_module(home), name)
        true, left = owner.__call__, [int(every)]

        def losing(self: Any, rows: Any, timeout_s: float, *, true: Any = true, left: Any = left):  # noqa: ANN202
            left[0] -= 1
            if left[0] % int(every):
                true(self, rows, timeout_s)

        owner.__call__ = losing


def _arm(owner: Any, method: str, side: str, times: int) -> None:
    true = getattr(owner, method)
    left = [times]

    def killed(*args: Any, **kwargs: Any) -> Any:
        # A round with nothing to do is no step, nor is a lease that was not to be had.
        is_step = not any(isinstance(arg, list) and not arg for arg in args[1:2])
        if side == "before" and is_step:
            _count(left)
        found = true(*args, **kwargs)
        is_step = is_step and found != (0, {}) and not (method == "take" and found is None)
        if side == "after" and is_step:
            _count(left)
        return found

    setattr(owner, method, killed)


def _count(left: list[int]) -> None:
    left[0] -= 1
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
