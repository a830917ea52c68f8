"""S84: fsync and write calls that fail. Nothing that failed may be acknowledged."""

import resource
import shutil
import struct
import subprocess
import time
from pathlib import Path

from bench.faults.circumstances import Circumstances, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig
from bench.faults.server import Server

SOURCE = Path(__file__).with_name("failing.c")


class Failing:
    """The preloaded library and its control file."""

    def __init__(self, folder: Path, path: str) -> None:
        """Compile it for files whose path holds `path`. Raises: OSError without a compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise OSError("no C compiler")
        library, self._control = folder / "failing.so", folder / "failing.control"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
        subprocess.run(command, check=True)
        self._control.write_bytes(bytes(16))
        for each in (library, self._control):
            each.chmod(0o777)
        folder.chmod(0o755)
        self.env = {
            "LD_PRELOAD": str(library),
            "FAULT_CONTROL": str(self._control),
            "FAULT_PATH": path,
        }

    def rates(self, syncs: float, writes: float) -> None:
        """Let these parts of the calls fail from now on."""
        with self._control.open("r+b") as file:
            file.write(struct.pack("=2I", int(syncs * 1000), int(writes * 1000)))

    def struck(self) -> tuple[int, int]:
        """Return how many syncs and writes failed so far."""
        return struct.unpack("=2I", self._control.read_bytes()[8:16])


def on_sqlite(circumstances: Circumstances) -> Row:
    """Fail calls under receiver and worker."""
    with row("S84 fsync and write fail, sqlite") as found:
        rig = Rig(circumstances, "failing", people=40)
        with rig:
            try:
                failing = Failing(rig.folder, ".db")
            except OSError as error:
                found.demand(False, f"{error}: fsync was not tried, only writes")  # noqa: FBT003
                _without_compiler(rig, found)
                return found
            for command in ("receive", "work"):
                rig.add(command, is_quick=False, **failing.env)
            rig.ready()
            until(lambda: len(rig.watch.writes) >= 40, 20)
            seconds = 90 if circumstances.is_long else 14
            began = time.monotonic()
            with rig.sending(rate=25, seconds=seconds, events=2) as sent:
                time.sleep(2)
                failing.rates(1.0, 0.0)
                time.sleep(0.3)
                none_from = time.monotonic()
                time.sleep(2.5)
                none_until = time.monotonic()
                while time.monotonic() < began + seconds - 2:
                    failing.rates(rig.rng.choice([0.02, 0.2, 0.5]), rig.rng.choice([0, 0.05, 0.3]))
                    rig.change()
                    time.sleep(0.5)
                failing.rates(0.0, 0.0)
                healed_from = time.monotonic()
            rig.watch.disturb(began, time.monotonic() + 5)
            result = sent()
            syncs, writes = failing.struck()
            found.inputs = syncs + writes
            false = result.within(none_from, none_until, "200")
            found.demand(not false, f"{false} acknowledged while no fsync worked")
            found.demand(result.first_after(healed_from, "200") < 5, "it did not heal in 5 s")
            found.demand(result.longest_s < 5, f"an answer took {result.longest_s:.1f} s")
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
            found.notes.append(f"{syncs} syncs and {writes} writes failed; {result.answers}")
    return found


def _without_compiler(rig: Rig, found: Row) -> None:
    """Let writes fail by a limit on the size of files (EFBIG), which needs no compiler."""
    parts = [rig.add(command, is_quick=False) for command in ("receive", "work")]
    rig.ready()
    with rig.sending(rate=25, seconds=10, events=2) as sent:
        for _ in range(4):
            for limit in (4096, resource.RLIM_INFINITY):
                for part in parts:
                    resource.prlimit(part.pid, resource.RLIMIT_FSIZE, (limit, -1))
                found.inputs += limit == 4096
                time.sleep(1)
    rig.watch.disturb(0, time.monotonic() + 5)
    found.sent = sent().events + len(rig.watch.queued)
    found.take(check(rig))


def on_postgresql(circumstances: Circumstances) -> Row:
    """Fail calls on the server's log: it panics and recovers, again and again."""
    with row("S84 fsync and write fail, postgresql") as found:
        folder = circumstances.folder / "failing-server"
        folder.mkdir()
        circumstances.folder.chmod(0o755)
        try:
            failing = Failing(folder, "pg_wal")
        except OSError as error:
            found.demand(False, f"{error}: not tried")  # noqa: FBT003
            return found
        server = Server(preload=failing.env)
        try:
            rig = Rig(circumstances, "failing", database="postgresql", people=40, server=server)
            with rig:
                for command in ("receive", "work"):
                    rig.add(command)
                rig.ready()
                rounds = 40 if circumstances.is_long else 6
                began = time.monotonic()
                with rig.sending(rate=20, seconds=rounds * 2.5, events=2) as sent:
                    for _ in range(rounds):
                        failing.rates(*rig.rng.choice([(0.3, 0.0), (0.0, 0.3), (0.5, 0.5)]))
                        time.sleep(0.4)
                        failing.rates(0.0, 0.0)
                        _revive(server)
                        rig.change()
                        time.sleep(1.5)
                rig.watch.disturb(began, time.monotonic() + 5)
                result = sent()
                syncs, writes = failing.struck()
                found.inputs = syncs + writes
                found.demand(result.longest_s < 5, f"an answer took {result.longest_s:.1f} s")
                found.demand(found.inputs >= rounds, "too few calls failed")
                found.take(check(rig))
                found.sent = result.events + len(rig.watch.queued)
                found.notes.append(f"{syncs} syncs and {writes} writes failed; {result.answers}")
        finally:
            server.close()
    return found


def _revive(server: Server) -> None:
    """Start the server when it gave up recovering by itself, as its supervisor would."""
    time.sleep(0.3)
    if not server.processes():
        server.start()
