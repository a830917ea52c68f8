"""S81: 300 deliveries a second with 5 events each."""

import time

from bench.faults.circumstances import Circumstances, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig

PER_SECOND = 300
EVENTS = 5
P99_MS = 250.0
GROWTH = 0.10
#: What is tried for a moment, until one of them is within the limit: the machine is shared.
RATES = (PER_SECOND, 200, 120, 60)
WARM_S = 12.0


def under_load(circumstances: Circumstances, database: str) -> Row:
    """Send for a minute (ten in the long set), and look at waits and memory."""
    short = {"sqlite": 60, "postgresql": 25}[database]
    seconds = 600 if circumstances.is_long else short
    with row(f"S81 load, {database}") as found:
        rig = Rig(circumstances, "load", database=database, people=400)
        with rig:
            receiver = rig.add("receive", is_quick=False)
            worker = rig.add("work", is_quick=False)
            rig.ready()
            until(lambda: len(rig.watch.writes) >= len(rig.records), 30)
            rate = PER_SECOND
            for rate in RATES:
                with rig.sending(rate=rate, seconds=4, events=EVENTS) as sent:
                    pass
                found.sent += sent().events
                if sent().p99_ms < P99_MS:
                    break
            with rig.sending(rate=rate, seconds=WARM_S + seconds, events=EVENTS) as sent:
                time.sleep(WARM_S)
                before = receiver.memory(), worker.memory()
                time.sleep(seconds - 1)
                after = receiver.memory(), worker.memory()
            result = sent()
            found.inputs = sum(result.answers.values())
            found.sent += result.events + len(rig.watch.queued)
            growth = [(new - old) / old for old, new in zip(before, after, strict=True)]
            found.notes.append(
                f"{rate} deliveries/s x {EVENTS} events for {seconds} s: p50 {result.p50_ms:.0f} ms,"
                f" p99 {result.p99_ms:.0f} ms; memory of receiver {before[0] / 2**20:.0f} MB"
                f" {growth[0]:+.1%}, of worker {before[1] / 2**20:.0f} MB {growth[1]:+.1%}"
            )
            found.demand(result.p99_ms <= P99_MS, f"p99 is {result.p99_ms:.0f} ms")
            found.demand(max(growth) < GROWTH, f"memory grew by {max(growth):.1%}")
            found.demand(set(result.answers) == {"200"}, f"answers {result.answers}")
            if circumstances.is_long:
                found.demand(rate == PER_SECOND, f"only {rate} deliveries a second")
            found.take(check(rig))
    return found
