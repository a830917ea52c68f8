"""S85: SQLite locked for half a minute; PostgreSQL killed and started again and again."""

import time
from contextlib import closing

from pysqlite3 import dbapi2 as sqlite

from bench.faults.circumstances import Circumstances
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig


def sqlite_locked(circumstances: Circumstances) -> Row:
    """Hold both databases against everyone else."""
    with row("S85 SQLite locked for 30 s") as found:
        rig = Rig(circumstances, "locked", people=40)
        with rig:
            for command in ("receive", "work"):
                rig.add(command)
            rig.ready()
            began = time.monotonic()
            rounds = 6 if circumstances.is_long else 1
            with rig.sending(rate=8, seconds=(32 * rounds) + 6, events=2, connections=64) as sent:
                freed = []
                for _ in range(rounds):
                    time.sleep(1.5)
                    locked_at = time.monotonic()
                    _hold(rig, 30.0)
                    freed.append((locked_at, time.monotonic()))
                    found.inputs += 1
            rig.watch.disturb(began, time.monotonic())
            result = sent()
            for locked_at, freed_at in freed:
                done = result.within(locked_at + 0.5, freed_at, "200")
                found.demand(not done, f"{done} acknowledged while nothing could be stored")
                refused = result.within(locked_at, freed_at, "503")
                found.demand(refused > 20, f"only {refused} were answered 503")
                heals_s = result.first_after(freed_at, "200")
                found.demand(heals_s < 5, f"it healed after {heals_s:.1f} s")
                found.notes.append(f"503: {refused}; healed after {heals_s:.1f} s")
            found.demand(set(result.answers) <= {"200", "503"}, f"answers {result.answers}")
            found.demand(result.longest_s < 5, f"an answer took {result.longest_s:.1f} s")
            found.notes.append(f"longest wait for an answer {result.longest_s:.1f} s")
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
    return found


def _hold(rig: Rig, seconds: float) -> None:
    ledger = str(rig.data / "leadscore.db")
    inbox = str(rig.data / "leadscore-inbox.db")
    with closing(sqlite.connect(inbox, isolation_level=None, timeout=20)) as one:
        one.execute("BEGIN IMMEDIATE")
        with closing(sqlite.connect(ledger, isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        one.execute("ROLLBACK")


def server_killed(circumstances: Circumstances) -> Row:
    """Kill the server's processes outright, and start it again after a while."""
    with row("S85 PostgreSQL killed every 5 to 40 s") as found:
        rig = Rig(circumstances, "server", database="postgresql", people=40)
        with rig:
            assert rig.server is not None
            for command in ("receive", "receive", "work", "work"):
                rig.add(command)
            rig.ready()
            began = time.monotonic()
            gaps = [rig.rng.uniform(5, 40) for _ in range(20)]
            if not circumstances.is_long:
                gaps = [5.0, rig.rng.uniform(5, 8), rig.rng.uniform(6, 10), 5.0]
            with (
                rig.living(10),
                rig.sending(
                    rate=15, seconds=sum(gaps) + 5 * len(gaps) + 3, events=2, connections=64
                ) as sent,
            ):
                back = []
                for gap in gaps:
                    time.sleep(gap)
                    rig.server.kill()
                    killed_at = time.monotonic()
                    time.sleep(rig.rng.uniform(0.2, 4.0))
                    rig.server.start()
                    back.append((killed_at, time.monotonic()))
                    found.inputs += 1
            rig.watch.disturb(began, time.monotonic() + 5)
            result = sent()
            heals = [result.first_after(at, "200") for _, at in back]
            false = sum(result.within(a + 0.2, b - 0.8, "200") for a, b in back)
            found.demand(max(heals) < 5, f"it healed after {max(heals):.1f} s")
            found.demand(not false, f"{false} acknowledged while the server was dead")
            found.demand(set(result.answers) <= {"200", "503"}, f"answers {result.answers}")
            found.demand(result.longest_s < 5, f"an answer took {result.longest_s:.1f} s")
            found.notes.append(
                f"answers {result.answers}; healed after {max(heals):.1f} s at most;"
                f" longest wait for an answer {result.longest_s:.1f} s;"
                f" the sender itself stood still for {result.stalled_s:.1f} s"
            )
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
    return found
