"""Events out of order, several times and days late: the CRM shows the newest facts (S29)."""

import json
import time
from datetime import timedelta

import pytest

from console.stage import stage
from integrations.simulator.hubspot import HubSpotSettings
from webhooks.wiring import utc_now

BEFORE = "What does a cleaning cost?"
AFTER = "Please book me for dental implants this week, I have Delta Dental PPO."


@pytest.fixture
def hubspot(tmp_path, database_url):
    settings = HubSpotSettings(provisioned=True, retry_speedup=5_000, mischief=True)
    with stage(tmp_path, crm="hubspot", hubspot=settings, database_url=database_url) as running:
        yield running


def tiers(sim, ids):
    return {i: (sim.contact(i).get("lead_score"), sim.contact(i)["lead_score_tier"]) for i in ids}


def settled(running, ids):
    ends = time.monotonic() + 20
    quiet = 0
    while time.monotonic() < ends and quiet < 5:
        quiet = 0 if running.service.store.due.waiting("hubspot", utc_now()) else quiet + 1
        quiet = quiet if running.hubspot.wait_until_idle(1) else 0
        time.sleep(0.05)
    return all(running.hubspot.contact(i).get("lead_score_tier") for i in ids)


def test_s029_shuffled_tripled_and_late_events_leave_the_newest_score(hubspot):
    sim, inbox = hubspot.hubspot, hubspot.service.store.inbox
    ids = sim.create_contacts([{"message": BEFORE, "firstname": f"A{i}"} for i in range(25)])
    for _ in range(2):
        for i in ids:
            sim.update_contact(i, {"message": BEFORE + " Thanks."})
    for i in ids:
        sim.update_contact(i, {"message": AFTER})
    assert settled(hubspot, ids)
    [(score, tier)] = set(tiers(sim, ids).values())
    assert int(score) > 40
    assert tier in {"hot", "warm"}

    late = utc_now() - timedelta(days=3)
    for copy in range(3):
        events = [
            {
                "eventId": copy * 100 + n,
                "subscriptionId": 2,
                "portalId": 4_000_001,
                "appId": 7_100_001,
                "occurredAt": int(late.timestamp() * 1000) + n,
                "subscriptionType": "contact.propertyChange",
                "propertyName": "message",
                "propertyValue": BEFORE,
                "attemptNumber": 3,
                "objectId": int(i),
            }
            for n, i in enumerate(reversed(ids))
        ]
        body = json.dumps(events).encode()
        inbox.append(account_id="hubspot", kind="hubspot", body=body, at=utc_now())
    written = sim.counters["contacts_written"]
    time.sleep(1)
    assert settled(hubspot, ids)

    assert set(tiers(sim, ids).values()) == {(score, tier)}
    assert sim.counters["contacts_written"] == written  # nothing new: nothing written (I4)


def test_s029_a_deletion_wins_over_an_update_that_comes_after_it(hubspot):
    sim, store = hubspot.hubspot, hubspot.service.store
    [record] = ids = sim.create_contacts([{"message": AFTER}])
    assert settled(hubspot, ids)
    sim.update_contact(record, {"message": BEFORE})
    sim.delete_contact(record)
    time.sleep(0.5)
    ends = time.monotonic() + 10
    while store.leads.facts("hubspot", "contact", record) and time.monotonic() < ends:
        time.sleep(0.05)

    assert store.leads.facts("hubspot", "contact", record) is None
    assert store.due.next_at("hubspot") is None
