"""S89: the key is lost or wrong, the clock moves. For rotation and copies see `turning`."""

import time

from sqlalchemy import text

from bench.faults.circumstances import MASTER_KEY, Circumstances, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig
from store.engine import reading

OTHER_KEY = "e1" * 32
DAY_S = 86_400.0


def lost_and_wrong(circumstances: Circumstances) -> Row:
    """Take the key away, put another one in its place, and bring the right one back."""
    with row("S89 key lost, then wrong, then back") as found:
        rig = Rig(circumstances, "key", people=30)
        with rig:
            receiver, worker = rig.add("receive"), rig.add("work")
            rig.ready()
            until(lambda: len(rig.watch.writes) >= 30, 20)
            until(lambda: not rig.store.due.waiting("hubspot", rig.now()), 10)
            before = _sealed(rig)
            key = rig.folder / "master.key"
            for part in rig.parts:
                part.end()
            key.unlink()
            for part in rig.parts:
                part.start()
                found.demand(part.died(10), f"{part.command} runs without a key")
                found.inputs += 1
            _write(rig, f"2 primary {OTHER_KEY}\n")
            for part in rig.parts:
                part.start()
            rig.ready()
            rig.watch.disturb(time.monotonic() - 60, time.monotonic() + 60)
            written = len(rig.watch.writes)
            found.inputs += 1
            with rig.sending(rate=20, seconds=3, events=2) as sent:
                rig.arrive(10)
            result = sent()
            found.demand(set(result.answers) == {"200"}, f"not received: {result.answers}")
            found.demand(len(rig.watch.writes) == written, "it scored under a wrong key")
            found.demand(_sealed(rig) == before, "a row was changed under a wrong key")
            told = "master key" in worker.get("/healthz")[1]
            found.demand(told, "health does not tell that the key is wrong")
            for part in (receiver, worker):
                part.end()
            # The other key has sealed deliveries meanwhile: it stays, to open them.
            _write(rig, f"1 primary {MASTER_KEY}\n2 decrypt-only {OTHER_KEY}\n")
            for part in rig.parts:
                part.start()
            rig.ready()
            rig.reopen()
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
    return found


def _write(rig: Rig, keys: str) -> None:
    key = rig.folder / "master.key"
    key.write_text(keys, "ascii")
    key.chmod(0o600)


def _sealed(rig: Rig) -> list:
    with reading(rig.store.databases.ledger).connect() as connection:
        rows = connection.execute(text("SELECT * FROM lead ORDER BY record_id")).all()
    return [tuple(each) for each in rows]


def clock_moved(circumstances: Circumstances) -> Row:
    """Let the wall clock jump by days, both ways, under two workers."""
    with row("S89 clock moved by 10 and 20 days") as found:
        rig = Rig(circumstances, "jump", people=30, moves_clock=True)
        with rig:
            rig.add("receive")
            for _ in range(2):
                # Leases as in production; housekeeping often, so that it meets every jump.
                rig.add("work", lease_s=None).patches.append("housekeeping:0.3")
            for worker in rig.parts[1:]:
                worker.kill()
                worker.start()
            rig.ready()
            until(lambda: len(rig.watch.writes) >= 30, 40)
            fence, rows = _fence(rig), _counts(rig)
            began = time.monotonic()
            for days in (10, 20, 0, -10, 0) * (5 if circumstances.is_long else 1):
                rig.move(days * DAY_S)
                found.inputs += 1
                rig.arrive(3)
                time.sleep(1.5)
            found.demand(_fence(rig) == fence, "a jump of the clock freed a lease")
            fewer = [name for name, count in _counts(rig).items() if count < rows[name]]
            found.demand(not fewer, f"purged early: {fewer}")
            rig.watch.disturb(began, time.monotonic())
            found.take(check(rig))
            found.sent = len(rig.watch.queued)
    return found


def _fence(rig: Rig) -> int:
    with reading(rig.store.databases.ledger).connect() as connection:
        return connection.execute(text("SELECT fence FROM account")).scalar_one()


def _counts(rig: Rig) -> dict[str, int]:
    found = {"delivery": 0, "lead": 0, "score_history": 0}
    for name in found:
        part = rig.store.databases.inbox if name == "delivery" else rig.store.databases.ledger
        with reading(part).connect() as connection:
            statement = f"SELECT count(*) FROM {name}"  # noqa: S608  names of ours
            found[name] = connection.execute(text(statement)).scalar_one()
    return found
