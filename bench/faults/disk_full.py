"""S83: the disk is full, on a small memory mount; then there is room again."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.faults.circumstances import Circumstances, Sent, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig

#: The long set stores more.
SIZE_MB = {False: 24, True: 96}
RESERVE_MB = 6


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """Mount a small file system in memory. Raises: PermissionError where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"mount: {done.stderr.strip()}; run as root, or in `unshare -rm`")
    try:
        yield folder
    finally:
        # What still holds a file of it lets go when it ends; the mount is gone at once.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def sqlite_full(circumstances: Circumstances) -> Row:
    """Fill the disk under a working service, free it, and do it again."""
    with row("S83 disk full, sqlite") as found:
        try:
            with small_disk(
                circumstances.folder / "small", SIZE_MB[circumstances.is_long]
            ) as disk:
                _fill_and_free(circumstances, disk, found)
        except PermissionError as error:
            found.demand(False, f"not tried: {error}")  # noqa: FBT003
    return found


def _fill_and_free(circumstances: Circumstances, disk: Path, found: Row) -> None:
    rig = Rig(circumstances, "full", data=disk, people=40)
    with rig:
        reserve = {"LEADSCORE_DISK_RESERVE_MB": str(RESERVE_MB)}
        receiver = rig.add("receive", is_quick=False, **reserve)
        worker = rig.add("work", **reserve)
        rig.ready()
        pids = receiver.pid, worker.pid
        began = time.monotonic()
        rounds = 12 if circumstances.is_long else 3
        for _ in range(rounds):
            until(lambda: json.loads(receiver.get("/readyz")[1])["ready"], 10)
            # Enough to use up the log that is there already: only then does SQLite ask for room.
            with rig.sending(rate=120, seconds=13, events=5, give_up_s=20) as sent:
                _one_round(rig, disk, found, sent)
            found.sent += sent().events
        rig.watch.disturb(began, time.monotonic() + 2)
        found.demand((receiver.pid, worker.pid) == pids, "a process was restarted")
        found.demand(receiver.is_alive() and worker.is_alive(), "a process died")
        found.sent += len(rig.watch.queued)
        found.take(check(rig))
        counted = len(
            receiver.lines("disk_reserve.released") + worker.lines("disk_reserve.released")
        )
        found.notes.append(f"reserve released {counted} times in {rounds} rounds")


def _one_round(rig: Rig, disk: Path, found: Row, sent: Callable[[], Sent]) -> None:
    reserve = disk / "leadscore.reserve"
    receiver = rig.receivers()[0]
    time.sleep(1.5)
    found.demand(reserve.stat().st_size > 0, "the reserve was not held")
    _fill(disk / "filler")
    found.inputs += 1
    is_full = until(lambda: receiver.get("/readyz")[0] == 503, 10)
    full_at = time.monotonic()
    found.demand(is_full, "/readyz did not tell that nothing can be stored")
    found.demand(reserve.stat().st_size == 0, "the reserve was not released")
    # The worker goes on in the room of the reserve: what was taken gets its score.
    rig.store.due.mark_known("hubspot", "rig", rig.now())
    drained = until(lambda: not rig.store.due.waiting("hubspot", rig.now()), 15)
    found.demand(drained, "the worker did not go on while the disk was full")
    found.demand(not until(lambda: receiver.get("/readyz")[0] == 200, 0.2), "it took deliveries")
    (disk / "filler").unlink()
    freed_at = time.monotonic()
    result = sent()
    false = result.within(full_at + 0.2, freed_at, "200")
    found.demand(not false, f"{false} acknowledged while the disk was full")
    refused = result.within(full_at, freed_at, "503")
    found.demand(refused > 0, "no delivery was answered 503")
    heals_s = result.first_after(freed_at, "200")
    found.demand(heals_s < 5, f"it healed after {heals_s:.1f} s")
    found.demand(set(result.answers) <= {"200", "503"}, f"answers {result.answers}")
    found.demand(not result.given_up, f"{result.given_up} events were given up")


def _fill(path: Path) -> None:
    """Take all the room there is, at one stroke: what is released afterwards is the worker's."""
    found = os.statvfs(path.parent)
    with path.open("wb") as file:
        for pages in range(found.f_bavail, 0, -16):
            with contextlib.suppress(OSError):  # somebody was quicker with a page
                os.posix_fallocate(file.fileno(), 0, pages * found.f_frsize)
                return
