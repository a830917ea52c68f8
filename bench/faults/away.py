"""S87: the CRM is away for a day, by a moved clock; S88: records that cannot be written or read."""

import json
import time

from bench.faults.circumstances import Circumstances, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig

HALF_HOURS = 48
#: `calls_per_10s` of the practice.
BUDGET = 24


def day_away(circumstances: Circumstances) -> Row:
    """Answer nothing but 503 for 24 h, while inquiries keep coming."""
    with row("S87 CRM away for 24 h (moved clock)") as found:
        rig = Rig(
            circumstances,
            "away",
            moves_clock=True,
            settings={"rate_per_10s": 190},
            calls_per_10s=BUDGET,
        )
        with rig:
            receiver, worker = rig.add("receive"), rig.add("work")
            rig.ready()
            until(lambda: len(rig.watch.writes) >= len(rig.records), 20)
            rig.crm.faults.answer(r"/crm/", 503, b"away", times=10**9)
            rig.watch.disturb(time.monotonic() - 2, time.monotonic() + 400)
            each = 200 if circumstances.is_long else 40
            late = []
            with rig.sending(rate=20, seconds=HALF_HOURS * 0.45, events=3) as sent:
                for number in range(1, HALF_HOURS + 1):
                    late += rig.arrive(each)
                    rig.move(number * 1_830.0)
                    found.inputs += 1
                    time.sleep(0.4)
            result = sent()
            tried = rig.crm.faults.struck
            # What is signed just before a jump of the clock comes half an hour late.
            stale = result.answers.pop("401", 0)
            found.demand(stale <= HALF_HOURS, f"{stale} deliveries were refused as stale")
            found.demand(set(result.answers) == {"200"}, f"receiving suffered: {result.answers}")
            found.demand(tried <= 10 * HALF_HOURS, f"{tried} calls to a CRM that is away")
            found.demand(receiver.get("/healthz")[0] == 200, "the receiver is not alive")
            found.demand(worker.get("/readyz")[0] == 503, "/readyz did not tell")
            reads = len(rig.watch.reads)
            back_at = time.monotonic()
            rig.crm.faults.clear()
            rig.move(HALF_HOURS * 1_830.0 + 90)  # past the pause
            scored = until(
                lambda: all("lead_score_tier" in rig.crm.contact(r) for r in late),
                300 if rig.is_long else 90,
            )
            drained_s = time.monotonic() - back_at
            found.demand(scored, "it was not drained in time")
            found.take(check(rig))
            found.sent = result.events + len(rig.watch.queued)
            found.demand(_is_in_order(rig, late, reads), "not drained oldest first")
            worst = rig.crm.counters["worst_10s"]
            found.demand(BUDGET - 6 < worst <= BUDGET, f"{worst} calls in 10 s, over {BUDGET}")
            found.notes.append(
                f"{len(late)} records waited; {tried} calls reached a CRM that was away; drained in"
                f" {drained_s:.0f} s, at most {worst} calls in 10 s; receiving p99"
                f" {result.p99_ms:.0f} ms"
            )
    return found


def _is_in_order(rig: Rig, late: list[str], after: int) -> bool:
    """Tell whether records were first read in the order they came, but for batches side by side."""
    rank = {record: place for place, record in enumerate(late)}
    seen: set[str] = set()
    middles = []
    for _, ids in rig.watch.reads[after:]:
        new = sorted(rank[record] for record in ids if record in rank and record not in seen)
        seen.update(ids)
        if len(new) > 1:
            middles.append(new[len(new) // 2])
    return len(middles) > 5 and all(
        earlier < later for place, earlier in enumerate(middles) for later in middles[place + 5 :]
    )


def poison(circumstances: Circumstances) -> Row:
    """Put one record in 1,000 that the CRM refuses, and one event in 1,000 that cannot be read."""
    with row("S88 poison, 1 in 1,000") as found:
        rig = Rig(
            circumstances,
            "poison",
            people=20,
            moves_clock=True,
            settings={"required_on_write": ("jobtitle",)},
        )
        thousands = 10 if circumstances.is_long else 2
        with rig:
            rig.add("receive")
            rig.add("work")
            for part in rig.parts:
                part.wait_ready()
            rig.aim()
            bad = []
            began = time.monotonic()
            for _ in range(thousands):
                rig.arrive(500, jobtitle="Teacher")
                bad += rig.arrive(1)
                rig.arrive(499, jobtitle="Teacher")
            good = [record for record in rig.records if record not in bad]
            # Answers that refuse a batch leave its other records to be written again.
            rig.watch.disturb(began, time.monotonic() + 300)
            seconds = thousands * 4
            with rig.sending(rate=50, seconds=seconds, events=5, bad_every=1000) as sent:
                served = until(
                    lambda: all("lead_score_tier" in rig.crm.contact(r) for r in good), 60
                )
                found.demand(served, "records beside the poison were not served")
                served_s = time.monotonic() - began
            unreadable = sent().events // 1000
            letters = _letters(rig, wanted=len(bad))
            found.inputs = len(bad) + unreadable
            codes = {letter["code"] for letter in letters}
            shown = all(letter["meaning"] and letter["remedy"] for letter in letters)
            found.demand(shown, "a dead letter without a reason in words")
            found.notes.append(f"{len(good)} others served in {served_s:.0f} s; codes {codes}")
            found.take(check(rig, dead=frozenset(bad), unreadable=unreadable))
            rig.crm.set_target(None)  # the cause is mended, and only a replay tells
            for record in bad:
                rig.crm.update_contact(record, {"jobtitle": "Nurse"})
            code = next(letter["code"] for letter in letters if letter["code"] != "unreadable")
            done = rig.run(["dead-letters", "replay", "--code", code])
            found.demand(done.returncode == 0, f"replay ended with {done.returncode}")
            replayed = until(lambda: all("lead_score_tier" in rig.crm.contact(r) for r in bad), 20)
            found.demand(replayed, "what was replayed got no score")
            found.stored, found.lost = 0, 0
            found.take(check(rig, unreadable=unreadable))
            found.sent = sent().events + len(rig.watch.queued) - unreadable
    return found


def _letters(rig: Rig, wanted: int) -> list[dict]:
    """Move the clock through the tries until the poison is given up; return the dead letters."""
    for number in range(1, 40):
        rig.move(number * 60.0)
        time.sleep(0.5)
        counts = rig.store.dead_letters.counts()
        if sum(count for code, count in counts.items() if code != "unreadable") >= wanted:
            break
    return json.loads(rig.run(["dead-letters", "list", "--json"]).stdout)
