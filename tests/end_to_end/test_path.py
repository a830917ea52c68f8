"""The whole path over real sockets: pretend CRM -> signed webhook -> score in the CRM."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from config.load import load_secrets
from config.models import packaged_model
from console.stage import Stage, stage, wait_for
from integrations.simulator.hubspot import HubSpotSettings
from integrations.simulator.salesforce import SalesforceSettings
from webhooks.wiring import Service, master_keys, utc_now

FAST = 5_000.0  # a day of the CRM's retries in 17 seconds


def until(is_true: Callable[[], bool], timeout_s: float = 15.0) -> bool:
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        if is_true():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def both(tmp_path, database_url):
    with stage(tmp_path, database_url=database_url) as running:
        yield running


@pytest.fixture
def hubspot(tmp_path, database_url):
    settings = HubSpotSettings(provisioned=True, retry_speedup=FAST)
    with stage(tmp_path, crm="hubspot", hubspot=settings, database_url=database_url) as running:
        yield running


@pytest.fixture
def salesforce(tmp_path, database_url):
    settings = SalesforceSettings(retry_speedup=FAST)
    with stage(
        tmp_path, crm="salesforce", salesforce=settings, database_url=database_url
    ) as running:
        yield running


def settle(running: Stage, expected: int) -> int:
    counts = list(wait_for(running, expected, 30.0))
    return counts[-1]


def test_sixty_inquiries_of_both_crms_come_back_ranked_and_none_is_lost(both):
    arrived = both.arrive(64, seed=3)

    assert settle(both, arrived) == 64
    scores = [record.score for record in both.scored() if record.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 15
    assert {record.crm for record in both.scored()} == {"hubspot", "salesforce"}
    assert {record.tier for record in both.scored()} >= {"clinical", "hot", "warm", "not_a_lead"}


def test_emergencies_come_first_and_have_no_sales_score(both):
    arrived = both.arrive(80, seed=7)
    settle(both, arrived)

    clinical = [record for record in both.scored() if record.tier == "clinical"]
    assert clinical == both.scored()[: len(clinical)]
    assert len(clinical) >= 4
    assert all(record.score is None for record in clinical)


def test_reasons_in_the_crm_sum_to_the_score(both):
    settle(both, both.arrive(40, seed=5))

    for record in both.scored():
        points = [int(line.split(" ")[0]) for line in record.reasons if line[0] in "+-"]
        assert sum(points) == (record.score or 0), record.record


def test_s007_scoring_follows_the_record_and_not_the_message(hubspot):
    """The event says one thing, the record another: the record counts."""
    sim = hubspot.hubspot
    [record] = sim.create_contacts([{"firstname": "Ada", "message": "What does whitening cost?"}])
    hubspot.records["hubspot"] = [record]
    settle(hubspot, 1)
    before = hubspot.scored()[0].tier

    sim.update_contact(record, {"message": "I can't breathe and my chest is crushing"})

    assert before != "clinical"
    assert until(lambda: hubspot.scored()[0].tier == "clinical")


def test_s022_redelivered_and_shuffled_events_cause_no_second_write(tmp_path):
    settings = HubSpotSettings(provisioned=True, retry_speedup=FAST, mischief=True)
    with stage(tmp_path, crm="hubspot", hubspot=settings) as running:
        for seed in range(12):
            arrived = running.arrive(8, seed=seed)
            time.sleep(0.03)
        settle(running, arrived)
        running.hubspot.wait_until_idle(10.0)
        time.sleep(0.5)

        counters = running.hubspot.counters
        assert counters["duplicate_events_sent"] > 0
        assert counters["contacts_written"] == arrived


def test_s035_an_event_that_changes_nothing_is_not_written_again(hubspot):
    arrived = hubspot.arrive(10, seed=2)
    settle(hubspot, arrived)
    written = hubspot.hubspot.counters["contacts_written"]
    reads = hubspot.hubspot.counters["contacts_read"]

    for record in hubspot.records["hubspot"]:
        hubspot.hubspot.update_contact(record, {"phone": "+1 202 555 0143"})

    assert until(lambda: hubspot.hubspot.counters["contacts_read"] >= reads + 10)
    time.sleep(0.3)
    assert hubspot.hubspot.counters["contacts_written"] == written


def test_s036_our_own_writes_settle(tmp_path):
    """HubSpot sends our own writes back when somebody subscribed to our properties."""
    base = HubSpotSettings()
    settings = HubSpotSettings(
        provisioned=True,
        subscribed_properties=(*base.subscribed_properties, "lead_score", "lead_score_tier"),
    )
    with stage(tmp_path, crm="hubspot", hubspot=settings) as running:
        settle(running, running.arrive(20, seed=2))
        running.hubspot.wait_until_idle(10.0)
        time.sleep(0.5)

        assert running.hubspot.counters["contacts_written"] == 20
        assert running.hubspot.counters["batch_read"] <= 3


def test_a_deleted_record_is_done_and_its_cache_is_gone(hubspot):
    settle(hubspot, hubspot.arrive(3, seed=2))
    [first, *_] = hubspot.records["hubspot"]
    leads = hubspot.service.store.leads
    # The CRM shows a score a moment before the ledger holds it.
    assert until(lambda: leads.facts("hubspot", "contact", first) is not None)

    hubspot.hubspot.delete_contact(first)

    assert until(lambda: leads.facts("hubspot", "contact", first) is None)
    assert hubspot.service.store.dead_letters.counts() == {}


def test_a_merged_contact_leaves_one_scored_record(hubspot):
    settle(hubspot, hubspot.arrive(2, seed=2))
    winner, loser = hubspot.records["hubspot"]
    leads = hubspot.service.store.leads
    assert until(lambda: leads.facts("hubspot", "contact", loser) is not None)

    hubspot.hubspot.merge_contacts(winner, loser)

    assert until(lambda: leads.facts("hubspot", "contact", loser) is None)


def test_a_crm_that_is_away_loses_nothing(hubspot):
    hubspot.hubspot.faults.answer(r"/batch/", 503, b"<html>away</html>", times=4)

    assert settle(hubspot, hubspot.arrive(20, seed=2)) == 20
    assert hubspot.service.store.dead_letters.counts() == {}


@pytest.mark.parametrize("fault", ["close", "half", "html"])
def test_s086_broken_answers_are_tried_again(hubspot, fault):
    getattr(hubspot.hubspot.faults, fault)(r"/batch/", times=2)

    assert settle(hubspot, hubspot.arrive(12, seed=2)) == 12


def test_one_refused_record_does_not_hold_up_the_others(tmp_path):
    """An admin's own rule refuses a record: the batch is halved until it stands alone."""
    settings = HubSpotSettings(provisioned=True, required_on_write=("jobtitle",))
    with stage(tmp_path, crm="hubspot", hubspot=settings) as running:
        good = [{"jobtitle": "Teacher", "message": f"Cleaning please {n}"} for n in range(7)]
        bad = {"message": "Cleaning please"}
        ids = running.hubspot.create_contacts([*good, bad])
        running.records["hubspot"] = ids

        assert settle(running, 7) == 7
        due = running.service.store.due
        assert until(lambda: due.next_at("hubspot") is not None)


def test_salesforce_assignment_rules_do_not_run_for_our_writes(salesforce):
    settle(salesforce, salesforce.arrive(20, seed=2))

    assert salesforce.salesforce.counters["auto_assigned"] == 0


def test_s039_an_expired_session_costs_one_login(salesforce):
    settle(salesforce, salesforce.arrive(5, seed=2))
    logins = salesforce.salesforce.counters["oauth"]
    salesforce.salesforce.expire_sessions()
    # A token that was just fetched is not believed to be old so soon.
    tokens = salesforce.service.works[0].client.org._tokens
    tokens._since -= 60

    settle(salesforce, salesforce.arrive(5, seed=9))

    assert salesforce.salesforce.counters["oauth"] == logins + 1


def test_s008_a_session_id_in_a_message_is_neither_used_nor_kept(tmp_path):
    marker = "00D8d000000HLs1!MARKERSESSION"
    settings = SalesforceSettings(message_session_id=marker, message_fields=("LastModifiedDate",))
    with stage(tmp_path, crm="salesforce", salesforce=settings) as running:
        settle(running, running.arrive(5, seed=2))
    found = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and marker.encode() in path.read_bytes()
    ]

    assert found == []


def test_s040_the_call_budget_is_never_exceeded(tmp_path):
    settings = HubSpotSettings(provisioned=True, rate_per_10s=190)
    with stage(tmp_path, crm="hubspot", hubspot=settings) as running:
        for seed in range(12):
            running.arrive(10, seed=seed)
            time.sleep(0.02)
        settle(running, 120)

        assert running.hubspot.counters["rate_limited"] == 0
        assert running.hubspot.counters["worst_10s"] <= 180


@contextmanager
def another_worker(running: Stage) -> Iterator[Service]:
    """Run the worker of another process on the same store until the block ends."""
    service = running.service
    other = Service(
        settings=service._settings.model_copy(update={"listen_port": 0}),
        practice=service._practice,
        secrets=load_secrets(service._practice, running.env),
        model=packaged_model(),
        keys=master_keys(service._settings),
        receives=False,
    )
    other.start()
    try:
        yield other
    finally:
        other.stop()


def test_a_thousand_records_cost_at_most_three_hundredths_of_a_call_each(hubspot):
    """A burst that waits; one that trickles in is `bench.path`: it depends on the machine."""
    hubspot.service._worker.stop()
    # The sweep after the start reads what changed, which all of these did: it is no part of this.
    hubspot.service.store.accounts.set_swept("hubspot", utc_now() + timedelta(minutes=5))
    arrived = hubspot.arrive(1_000, seed=11)
    hubspot.hubspot.wait_until_idle(20.0)

    with another_worker(hubspot) as other:
        assert settle(hubspot, arrived) == 1_000
        [calls] = [work.client.calls() for work in other.works if work.name == "hubspot"]
    assert calls.keys() == {"batch_read", "batch_update"}
    assert sum(calls.values()) / 1_000 <= 0.03, calls


def test_what_a_receiver_stored_is_scored_by_another_process_s_worker(hubspot):
    settle(hubspot, hubspot.arrive(5, seed=2))
    service = hubspot.service
    service._worker.stop()
    arrived = hubspot.arrive(5, seed=3)
    hubspot.hubspot.wait_until_idle(5.0)
    assert len(hubspot.scored()) == 5
    assert service.store.inbox.counts()["waiting"] > 0

    with another_worker(hubspot):
        assert settle(hubspot, arrived) == 10


def test_scores_that_change_by_themselves_are_scheduled(hubspot):
    settle(hubspot, hubspot.arrive(40, seed=7))

    store, now = hubspot.service.store, hubspot.service.health._clock
    assert until(lambda: store.due.waiting("hubspot", now()) == 0)
    assert store.due.next_at("hubspot") is not None


def test_a_call_ends_the_response_clock_of_its_contact(tmp_path, database_url):
    settings = HubSpotSettings(
        provisioned=True, subscribed_activities=("calls",), generic_events=True
    )
    with stage(tmp_path, crm="hubspot", hubspot=settings, database_url=database_url) as running:
        portal = running.hubspot
        [contact] = portal.create_contacts([{"message": "A cleaning, please"}])
        assert until(lambda: "lead_score" in portal.contact(contact))
        assert portal.contact(contact)["lead_score_respond_by"]
        at = (utc_now() + timedelta(seconds=1)).isoformat(timespec="milliseconds")
        call = {"hs_timestamp": at, "hs_call_direction": "OUTBOUND"}

        portal.create_activity("calls", call, contact_ids=[contact])

        assert until(lambda: not portal.contact(contact).get("lead_score_respond_by"))
        assert portal.counters["associations"] > 0
