"""From an inquiry in the CRM to its score in the CRM, and the calls that it takes.

`leadscore serve` runs as a process of its own against the pretend HubSpot in this one, within the
limits of a Professional account (190 calls in 10 s). Times are the CRM's own: from the creation of
a contact to the write of its score. The CRM's time (webhook batching, two calls) is in them.
"""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import psutil

from bench.service import ACCESS_TOKEN, CLIENT_SECRET, running
from console.stage import free_port
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.server import running as simulating
from webhooks.wiring import utc_now

PER_SECOND = 50
SECONDS = 20
BURST = 1_000


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        settings = HubSpotSettings(
            provisioned=True,
            rate_per_10s=190,
            access_token=ACCESS_TOKEN,
            client_secret=CLIENT_SECRET,
            target_url=f"http://127.0.0.1:{port}/webhooks/hubspot",
        )
        simulator = HubSpotSimulator(settings, now=utc_now)
        with (
            simulating(simulator) as crm_url,
            running("serve", Path(name), port=port, hubspot_url=crm_url) as pid,
        ):
            people = [p.to_hubspot() for p in invent_people(1, 500, utc_now())]
            _steady(simulator, people)
            time.sleep(11)  # a new window of the call budget
            _burst(simulator, people)
            rss = psutil.Process(pid).memory_info().rss / 2**20
            print(f"resident memory of receiver and worker in one process: {rss:.0f} MB")


def _steady(simulator: HubSpotSimulator, people: list[dict]) -> None:
    before = _calls(simulator)
    ids = []
    began = time.perf_counter()
    for place in range(PER_SECOND * SECONDS):
        wait = began + place / PER_SECOND - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        ids += simulator.create_contacts([_new(people[place % len(people)])])
    _settle(simulator, ids)
    waits = sorted(_seconds(simulator.contact(record)) for record in ids)
    calls = _calls(simulator) - before
    print(f"{len(ids)} inquiries, {PER_SECOND} a second, one contact each")
    print(
        f"  created -> scored, CRM time included: median {waits[len(waits) // 2] * 1000:.0f} ms"
        f" (target 100), p95 {waits[int(len(waits) * 0.95)] * 1000:.0f} ms,"
        f" p99 {waits[int(len(waits) * 0.99)] * 1000:.0f} ms"
    )
    print(
        f"  {calls} calls, {calls / len(ids):.3f} a record; refused for rate: "
        f"{simulator.counters['rate_limited']}; worst 10 s: {simulator.counters['worst_10s']}"
    )


def _burst(simulator: HubSpotSimulator, people: list[dict]) -> None:
    before = _calls(simulator)
    began = time.perf_counter()
    ids = []
    for place in range(BURST):
        ids += simulator.create_contacts([_new(people[place % len(people)])])
    _settle(simulator, ids)
    seconds = time.perf_counter() - began
    calls = _calls(simulator) - before
    waits = [_seconds(simulator.contact(record)) for record in ids]
    print(f"a burst of {BURST} records, each created by itself")
    print(
        f"  {calls} calls, {calls / BURST:.3f} a record (target 0.030); all scored after"
        f" {seconds:.2f} s; median {statistics.median(waits) * 1000:.0f} ms"
    )


def _new(person: dict) -> dict:
    # Created now: the generator's people have a past. An address may be given once only.
    return {name: value for name, value in person.items() if name not in {"createdate", "email"}}


def _calls(simulator: HubSpotSimulator) -> int:
    return simulator.counters["batch_read"] + simulator.counters["batch_update"]


def _settle(simulator: HubSpotSimulator, ids: list[str]) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if all(simulator.contact(record).get("lead_score_tier") for record in ids[::-1]):
            return
        time.sleep(0.2)
    raise SystemExit("not all records were scored")


def _seconds(contact: dict) -> float:
    created = datetime.fromisoformat(contact["createdate"])
    return (datetime.fromisoformat(contact["lastmodifieddate"]) - created).total_seconds()


if __name__ == "__main__":
    main()
