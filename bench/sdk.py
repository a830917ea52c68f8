"""Calls and CPU to read and write 1,000 HubSpot contacts: ours, and the vendor's typed client.

Both against the pretend HubSpot in a process of its own, round by round in turn; only this
process's CPU counts. Ours goes through `integrations/hubspot/client.py` with its budgets and
deadlines; theirs through `hubspot-api-client`'s typed batch calls, with the API object kept.
"""

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from hubspot import HubSpot
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchReadInputSimplePublicObjectId,
    SimplePublicObjectBatchInput,
    SimplePublicObjectId,
)

from integrations.base import Change
from integrations.budget import DayBudget, RateBudget
from integrations.http import Caller, RetryPolicy
from integrations.hubspot.client import HubSpotClient, StaticToken
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.server import running
from webhooks.wiring import utc_now

CONTACTS = 1000
BATCH = 100
ROUNDS = 7
SETTINGS = HubSpotSettings(provisioned=True, rate_per_10s=None, daily_limit=None)
READ = ["message", "inquiry_type", "insurance_status", "procedure_interest", "createdate"]
"""What is read of each contact; what is written is the score, its tier and three more."""


def main() -> None:
    """Measure and print."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs_end = context.Pipe()
    process = context.Process(target=_simulate, args=(theirs_end,), daemon=True)
    process.start()
    url, ids = ours_end.recv()
    ways = {"ours": _ours(url), "typed client": _typed(url)}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    calls: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            before = _counted(ours_end)
            began = time.process_time()
            for start in range(0, CONTACTS, BATCH):
                run(ids[start : start + BATCH])
            cpu[name].append(time.process_time() - began)
            calls[name] = _counted(ours_end) - before
    ours_end.send("end")
    process.join(5)
    median = {name: statistics.median(each) for name, each in cpu.items()}
    for name, seconds in median.items():
        print(f"{name:<14} {calls[name]:4} calls, {seconds * 1000:7.1f} ms of CPU for {CONTACTS}")
    ratio = median["ours"] / median["typed client"]
    print(f"ours / typed client: CPU {ratio:.3f} (target 0.1 at most)")


def _simulate(end: Connection) -> None:
    simulator = HubSpotSimulator(SETTINGS, now=utc_now)
    people = [person.to_hubspot() for person in invent_people(1, 500, utc_now())]
    ids = simulator.create_contacts(
        {k: v for k, v in people[n % len(people)].items() if k != "email"} for n in range(CONTACTS)
    )
    with running(simulator) as url:
        end.send((url, ids))
        while end.recv() != "end":
            counts = simulator.counters
            end.send(counts["batch_read"] + counts["batch_update"])


def _counted(end: Connection) -> int:
    end.send("count")
    return int(end.recv())


def _values(found: dict[str, str | None]) -> dict[str, str | int | None]:
    score = len(found.get("message") or "") % 100
    return {
        "lead_score": score,
        "lead_score_tier": "warm",
        "lead_score_reasons": "+20 asks for an appointment\n+5 insurance named",
        "lead_score_respond_by": "2026-03-02T15:05:09Z",
        "lead_score_updated_at": "2026-03-02T14:05:09Z",
    }


def _ours(url: str) -> Callable[[list[str]], None]:
    budget = RateBudget(10**6, 10.0, clock=time.monotonic, sleep=time.sleep)
    caller = Caller(
        account="bench", budget=budget, day=DayBudget(0.0), retry=RetryPolicy(), sleep=time.sleep
    )
    client = HubSpotClient(base_url=url, tokens=StaticToken(SETTINGS.access_token), caller=caller)

    def run(ids: list[str]) -> None:
        found = client.read("contact", ids, READ).records
        outcome = client.write(
            "contact",
            [Change(record_id=one, properties=_values(dict(found[one]))) for one in ids],
        )
        if len(outcome.written) != len(ids):
            sys.exit("not all were written")

    return run


def _typed(url: str) -> Callable[[list[str]], None]:
    api = HubSpot(access_token=SETTINGS.access_token, host=url).crm.contacts.batch_api

    def run(ids: list[str]) -> None:
        found = api.read(
            BatchReadInputSimplePublicObjectId(
                properties=READ,
                properties_with_history=[],
                inputs=[SimplePublicObjectId(id=one) for one in ids],
            )
        ).results
        written = api.update(
            BatchInputSimplePublicObjectBatchInput(
                inputs=[
                    SimplePublicObjectBatchInput(
                        id=each.id,
                        properties={k: str(v) for k, v in _values(each.properties).items()},
                    )
                    for each in found
                ]
            )
        ).results
        if len(written) != len(ids):
            sys.exit("not all were written")

    return run


if __name__ == "__main__":
    main()
