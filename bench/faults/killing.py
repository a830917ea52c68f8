"""S82: SIGKILL at any moment under load, and at each named crash point."""

import time

from sqlalchemy import text

from bench.faults.circumstances import Circumstances, until
from bench.faults.invariants import check, trails
from bench.faults.patches import CRASH_POINTS
from bench.faults.processes import Part
from bench.faults.report import Row, row
from bench.faults.rig import Rig
from store.engine import reading

#: Database -> kills in the short set and in the long one.
KILLS = {"sqlite": (200, 2_000), "postgresql": (50, 500)}
#: Between two kills.
PAUSE_S = {"sqlite": (0.0, 0.35), "postgresql": (0.1, 0.7)}
#: Most kills hit receivers and idle workers; these hit the one that holds the account.
HOLDER_EVERY_S = 2.5


def random_kills(circumstances: Circumstances, database: str) -> Row:
    """Kill receivers and workers at random moments, with others beside them."""
    with row(f"S82 SIGKILL at random, {database}") as found:
        rig = Rig(circumstances, "killing", database=database)
        with rig:
            for command in ("receive", "receive", "receive", "work", "work"):
                rig.add(command)
            rig.ready()
            wanted = KILLS[database][circumstances.is_long]
            expected_s = wanted * sum(PAUSE_S[database]) / 2 + 5
            killed = {"receive": 0, "work": 0}
            with (
                rig.living(),
                rig.sending(rate=15, seconds=expected_s * 0.8, events=3) as sent,
            ):
                while sum(killed.values()) < wanted:
                    part = rig.rng.choice(rig.parts)
                    if part.command == "work" and not _may_die(rig, part):
                        continue
                    _kill(rig, part)
                    killed[part.command] += 1
                    time.sleep(rig.rng.uniform(*PAUSE_S[database]))
            result = sent()
            found.inputs = sum(killed.values())
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
            found.demand(not result.given_up, f"{result.given_up} events were given up")
            found.notes.append(
                f"killed {killed['receive']} receivers, {killed['work']} workers;"
                f" answers {result.answers}; scores written {len(rig.watch.writes)}"
            )
            found.demand(len(rig.watch.writes) > 100, "hardly anything was scored meanwhile")
    return found


def _may_die(rig: Rig, part: Part) -> bool:
    """Let a worker live long enough to take the account now and then."""
    age_s = time.monotonic() - getattr(part, "born", 0.0)
    return age_s > rig.rng.expovariate(1 / HOLDER_EVERY_S)


def _kill(rig: Rig, part: Part) -> None:
    if part.command == "work":
        now = time.monotonic()
        rig.watch.disturb(now - 2.0, now + 1.0)
    part.kill()
    part.start()
    part.born = time.monotonic()  # type: ignore[attr-defined]


def crash_points(circumstances: Circumstances, database: str) -> Row:
    """Kill a process at each named point of the way of an event."""
    with row(f"S82 SIGKILL at each crash point, {database}") as found:
        rig = Rig(circumstances, "points", database=database, moves_clock=True)
        with rig:
            parts = {command: rig.add(command) for command in ("receive", "work")}
            rig.ready()
            points = list(CRASH_POINTS) * (5 if circumstances.is_long else 1)
            for point in points:
                victim = parts[CRASH_POINTS[point][0]]
                if point == "audited_not_purged":
                    continue  # its own fault, below: what is purged is not to be found again
                crash_once(rig, victim, point, found)
            found.take(check(rig))
            found.sent += len(rig.watch.queued)
            _crash_between_audit_and_purge(rig, parts["work"], found)
    return found


def _crash_between_audit_and_purge(rig: Rig, worker: Part, found: Row) -> None:
    """Kill housekeeping between its audit row and its deletes; last, since it deletes."""
    with reading(rig.store.databases.ledger).connect() as connection:
        leads = connection.execute(text("SELECT count(*) FROM lead")).scalar_one()
    worker.end()
    rig.move(15 * 86_400.0)  # raw deliveries are kept for 14 days
    worker.start("crash:audited_not_purged:1")
    found.demand(worker.died(12), "audited_not_purged was not reached in 12 s")
    found.inputs += 1

    def left() -> int:
        with reading(rig.store.databases.inbox).connect() as connection:
            return connection.execute(text("SELECT count(*) FROM delivery")).scalar_one()

    found.demand(left() > 0, "something was purged before the kill")
    worker.start()
    found.demand(until(lambda: left() == 0, 15), "what was recorded was not purged")
    with reading(rig.store.databases.ledger).connect() as connection:
        after = connection.execute(text("SELECT count(*) FROM lead")).scalar_one()
    found.demand(after == leads, "facts were purged early")
    found.problems += trails(rig)


def crash_once(rig: Rig, victim: Part, point: str, found: Row) -> None:
    """Kill `victim` at a point while inquiries come, and start it again."""
    rig.watch.disturb(time.monotonic() - 2.0, time.monotonic() + 15.0)
    victim.kill()
    # Taking an account happens once in a worker's life.
    times = 1 if point == "account_taken" else rig.rng.randint(1, 3)
    victim.start(f"crash:{point}:{times}")
    ends = time.monotonic() + 12.0
    while not victim.died(0.0) and time.monotonic() < ends:
        rig.arrive(1)
        rig.change()
        victim.died(0.05)
    found.demand(not victim.is_alive(), f"{point} was not reached in 12 s")
    found.inputs += 1
    victim.kill()
    victim.start()
    victim.wait_ready()
