"""S86: a CRM that answers badly, late or not at all. Bounded, safe to repeat, nothing lost."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench.faults import line as lines
from bench.faults.circumstances import Circumstances
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import OPENING, Rig
from console.stage import stage, wait_for

PEOPLE = 25
#: Batch calls that one fault may cost: what it takes and the tries, far from a loop.
MOST_CALLS = 60
_CALLS = r"/batch/"


def _rate(rig: Rig, times: int) -> None:
    body = {"status": "error", "policyName": "TEN_SECONDLY_ROLLING", "category": "RATE_LIMITS"}
    rig.crm.faults.answer(_CALLS, 429, body, times=times, headers=[("Retry-After", "1")])


def _errors(rig: Rig, times: int) -> None:
    for status in (500, 502, 503, 504, 423):
        rig.crm.faults.answer(_CALLS, status, b"<html>", times=times // 3)


def _lost(rig: Rig, times: int) -> None:
    rig.crm.faults.answer(r"/batch/update", 503, b"", times=times // 2, carried_out=True)
    rig.crm.faults.close(r"/batch/update", times=times // 2, carried_out=True)


def _bad_json(rig: Rig, times: int) -> None:
    bodies = (
        b"{",
        b"null",
        b"[]",
        b'{"results": 5}',
        b'{"results": [{"id": 7}]}',
        b"\xff\xfe",
        b"",
    )
    # Only some in the short set: the account rests longer after each.
    for body in bodies if times > 6 else rig.rng.sample(bodies, 3):
        rig.crm.faults.answer(rig.rng.choice([r"/batch/read", _CALLS]), 200, body, times=2)


def _huge(rig: Rig, times: int) -> None:
    rig.crm.faults.answer(_CALLS, 200, b"[" + b" " * 9 * 2**20, times=times // 2)


#: What the CRM itself does wrong.
ANSWERS: dict[str, Callable[[Rig, int], None]] = {
    "429": _rate,
    "5xx": _errors,
    "answers lost": _lost,
    "reset": lambda rig, times: rig.crm.faults.close(_CALLS, times=times),
    "half an answer": lambda rig, times: rig.crm.faults.half(_CALLS, times=times),
    "bad JSON": _bad_json,
    "HTML with 200": lambda rig, times: rig.crm.faults.html(_CALLS, times=times),
    "9 MiB": _huge,
    "timeout": lambda rig, times: rig.crm.faults.delay(_CALLS, 16.0, times=max(1, times // 6)),
}
#: What the line to it does wrong, and for how long: longer than the client's patience.
LINES = {"half-open": (lines.SILENT, 17.0), "slow": (lines.SLOW, 32.0), "cut": (lines.RESET, 4.0)}


def all_of_them(circumstances: Circumstances) -> list[Row]:
    """Try every one, each against a service of its own, side by side: most of it is waiting."""
    tries: list[Callable[[], Row]] = [
        lambda name=name, fault=fault: _answers(circumstances, name, fault)
        for name, fault in ANSWERS.items()
    ]
    tries += [
        lambda name=name, how=how: _line(circumstances, name, *how) for name, how in LINES.items()
    ]
    tries.append(lambda: _expiry(circumstances))
    with ThreadPoolExecutor(len(tries)) as pool:
        return list(pool.map(lambda each: each(), tries))


def _answers(circumstances: Circumstances, name: str, fault: Callable[[Rig, int], None]) -> Row:
    with row(f"S86 CRM: {name}") as found:
        rig = Rig(circumstances, f"crm-{name.replace(' ', '-')}", people=PEOPLE)
        with rig:
            rig.add("serve")
            fault(rig, 60 if circumstances.is_long else 6)
            rig.watch.disturb(time.monotonic(), time.monotonic() + 75)
            rig.ready()
            time.sleep(2)
            _end(rig, found, rig.crm.faults.struck)
            found.inputs = rig.crm.faults.struck
            found.demand(found.inputs > 0, "no call was struck")
    return found


def _line(circumstances: Circumstances, name: str, mode: str, seconds: float) -> Row:
    with row(f"S86 CRM: {name}") as found:
        line = lines.Line()
        rig = Rig(circumstances, f"crm-{name}", people=PEOPLE, crm_url=line.to)
        with rig:
            rig.add("serve")
            rounds = 4 if circumstances.is_long else 1
            rig.watch.disturb(time.monotonic(), time.monotonic() + (seconds + 45) * rounds)
            for _ in range(rounds):
                line.mode = mode
                rig.ready()
                time.sleep(seconds)
                line.mode = lines.GOOD
                rig.change()
            _end(rig, found, line.struck)
            found.inputs = line.struck
            found.demand(found.inputs > 0, "no call was struck")
        line.close()
    return found


def _end(rig: Rig, found: Row, struck: int) -> None:
    for _ in range(5):
        rig.change()
    found.take(check(rig, settle_s=600 if rig.is_long else 90))
    found.sent = len(rig.watch.queued)
    calls = rig.crm.counters["batch_read"] + rig.crm.counters["batch_update"]
    found.demand(calls <= MOST_CALLS + 3 * struck, f"{calls} calls")
    code, _ = rig.parts[0].get("/healthz")
    found.demand(code == 200, "the process is not alive")


def _expiry(circumstances: Circumstances) -> Row:
    """Let Salesforce's sessions end again and again while its leads are worked."""
    with row("S86 CRM: token expiry (Salesforce)") as found:
        folder = circumstances.folder / "expiry"
        folder.mkdir()
        with ExitStack() as stack:
            with OPENING:
                running = stack.enter_context(stage(folder, crm="salesforce"))
            assert running.salesforce is not None
            rounds = 20 if circumstances.is_long else 4
            for number in range(rounds):
                arrived = running.arrive(10, seed=circumstances.seed + number)
                # A token that was just fetched is not believed to be old so soon.
                running.service.works[0].client.org._tokens._since -= 60  # type: ignore[attr-defined]  # noqa: SLF001
                running.salesforce.expire_sessions()
                found.inputs += 1
                counts = list(wait_for(running, arrived, 30.0))
                found.demand(counts[-1] == arrived, f"{counts[-1]} of {arrived} scored")
            counters = running.salesforce.counters
            found.sent = counters["events_queued"]
            found.stored = counters["events_acknowledged"]
            logins = counters["oauth"]
            found.demand(logins <= rounds + 1, f"{logins} log-ins for {rounds} expiries")
            found.demand(not running.service.store.dead_letters.counts(), "dead letters")
    return found
