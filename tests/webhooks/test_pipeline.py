import dataclasses
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import (
    RateLimitedError,
    RefusedError,
    TransientCrmError,
)
from scoring.text.semantic import Meaning
from store.due import DueMark
from store.keys import MasterKeys
from store.leads import Leads
from store.vault import Vault
from webhooks.failures import DATA_TRIES, FIRST_RETRY_S, LONGEST_RETRY_S, RETRY_WINDOW, retry_delay
from webhooks.pipeline import Pipeline


@pytest.fixture
def pipeline(store, health, clock):
    return Pipeline(
        leads=store.leads,
        merging=store.merging,
        health=health,
        clock=clock,
        rng=random.Random(3),  # noqa: S311  jitter
    )


@pytest.fixture
def lease(accounts, clock):
    return accounts.take("portal", "one")


@pytest.fixture
def ring(store, clock):
    def mark(*ids):
        store.due.mark(
            [
                DueMark(
                    account_id="portal",
                    object_type="contact",
                    record_id=i,
                    cause="changed",
                    since_at=clock(),
                )
                for i in ids
            ],
            clock(),
        )

    return mark


@pytest.fixture
def run(store, pipeline, lease, new_work, clock):
    """Return what claims what is due and runs one batch of it."""

    def once(crm, work=None):
        of_type, claims = store.due.claim("portal", crm.batch_size, clock())
        if claims:
            pipeline.run(work or new_work(crm), lease, of_type, claims)
        return len(claims)

    return once


def test_meaning_that_flags_gates_the_record_and_meaning_that_fails_does_not(
    run, ring, fake_crm, record, new_work
):
    for embed, tier in ((lambda _: [9.0], "clinical"), (lambda _: 1 / 0, "nurture")):
        crm = fake_crm({"501": record()})
        meaning = Meaning(embed, table=[["(bias)", "danger=0"], ["@0", "danger=100"]])
        ring("501")
        run(crm, dataclasses.replace(new_work(crm), meaning=meaning))

        [written] = crm.writes
        assert written["501"]["lead_score_tier"] == tier


def test_a_record_is_read_scored_written_and_stored(run, ring, store, clock, fake_crm, record):
    crm = fake_crm({"501": record()})
    ring("501")
    run(crm)

    state = store.leads.states("portal", "contact", ["501"])["501"]
    assert crm.held["501"]["lead_score"] == state.score
    assert crm.held["501"]["lead_score_tier"] == state.tier
    assert b"dental implants" in store.leads.facts("portal", "contact", "501")


def test_s035_what_is_unchanged_is_not_written_again(run, ring, clock, fake_crm, record):
    crm = fake_crm({"501": record()})
    for _ in range(4):
        ring("501")
        run(crm)
        clock.advance(seconds=7)

    assert len(crm.reads) == 4
    assert len(crm.writes) == 1


def test_s035_a_change_is_written_once(run, ring, fake_crm, record):
    crm = fake_crm({"501": record()})
    ring("501")
    run(crm)
    crm.records["501"]["message"] = "Please remove me from your list"
    for _ in range(3):
        ring("501")
        run(crm)

    assert len(crm.writes) == 2


def test_s007_the_score_follows_the_crms_record_and_not_the_event(
    run, ring, fake_crm, record, new_unpacker, store, clock, event
):
    import json  # noqa: PLC0415

    lie = event(
        501,
        kind="contact.propertyChange",
        propertyName="message",
        propertyValue="emergency: cannot breathe, chest pain",
    )
    store.inbox.append(
        account_id="portal", kind="hubspot", body=json.dumps([lie]).encode(), at=clock()
    )
    new_unpacker().unpack()
    crm = fake_crm({"501": record()})
    run(crm)

    assert crm.held["501"]["lead_score_tier"] != "clinical"


def test_s031_a_clock_that_stands_or_goes_back_stops_no_batch(run, ring, clock, fake_crm, record):
    crm = fake_crm({"501": record()})
    for place, back_s in enumerate((0, 0, 3600, 0)):
        crm.records["501"]["message"] = ("Please remove me", "A cleaning, please")[place % 2]
        clock.advance(seconds=-back_s)
        ring("501")
        run(crm)

    assert len(crm.writes) == 4


def test_s043_only_mapped_properties_are_asked_for(run, ring, fake_crm, record):
    crm = fake_crm({"501": {**record(), "email": "jane@example.test", "ssn": "000"}})
    crm.known = {
        "message", "createdate", "inquiry_type", "insurance_status", "insurance_carrier", "visits",
        "last_visit", "last_form",
    }  # fmt: skip
    ring("501")
    run(crm)

    assert crm.held["501"]


def test_a_record_that_is_gone_is_done_and_forgotten(run, ring, store, clock, fake_crm, record):
    crm = fake_crm({"501": record(), "502": record()})
    ring("501", "502")
    run(crm)
    del crm.records["501"]
    ring("501")
    run(crm)

    assert store.due.waiting("portal", clock()) == 0
    assert set(store.leads.states("portal", "contact", ["501", "502"])) == {"502"}
    assert store.dead_letters.counts() == {}


def test_a_record_that_goes_between_read_and_write_is_done(
    run, ring, store, clock, fake_crm, record
):
    crm = fake_crm({"501": record()})
    read = crm.read

    def read_then_lose(*asked):
        found = read(*asked)
        crm.records.clear()
        return found

    crm.read = read_then_lose
    ring("501")
    run(crm)

    assert store.due.waiting("portal", clock()) == 0
    assert store.leads.states("portal", "contact", ["501"]) == {}


def test_s027_a_record_refused_five_times_is_a_dead_letter_with_its_reason(
    run, ring, store, clock, fake_crm, record, health
):
    crm = fake_crm({"501": record(), "502": record()})
    crm.refuses = {"501": "VALIDATION_ERROR"}
    ring("501", "502")
    tries = 0
    for _ in range(20):
        if run(crm):
            tries += 1
        clock.advance(minutes=10)

    assert tries == DATA_TRIES
    assert store.dead_letters.counts() == {"refused_validation_error": 1}
    assert "portal: records are in the dead letters" in health.alarms() or tries == DATA_TRIES
    assert crm.held["502"]
    assert store.due.next_at("portal") is None or store.due.waiting("portal", clock()) == 0


def test_s027_a_passing_fault_is_tried_for_72_hours_and_then_a_dead_letter(
    run, ring, store, clock, fake_crm, record
):
    crm = fake_crm({"501": record()})
    crm.retries = {"501": "UNABLE_TO_LOCK_ROW"}
    ring("501")
    began = clock()
    while store.dead_letters.counts() == {}:
        run(crm)
        clock.now = store.due.next_at("portal") or clock()
        assert clock() - began < timedelta(hours=100)

    assert clock() - began >= RETRY_WINDOW
    assert len(crm.writes) < 60


@given(attempt=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_s027_waits_double_give_or_take_a_fifth_and_have_a_bound(attempt, jitter):
    wait = retry_delay(attempt, jitter).total_seconds()
    exact = min(FIRST_RETRY_S * 2 ** min(attempt, 60), LONGEST_RETRY_S)

    assert exact * 0.8 - 1e-6 <= wait <= exact * 1.2 + 1e-6
    assert retry_delay(attempt, 0.0) <= retry_delay(attempt + 1, 0.0)


@given(asked=st.floats(0, 10**9))
def test_s027_the_crms_own_wait_is_obeyed_up_to_an_hour(asked):
    assert RateLimitedError("x", retry_after_s=asked).retry_after_s == min(asked, 3600.0)


def test_s088_a_record_that_breaks_the_engine_holds_up_no_other(
    run, ring, store, clock, fake_crm, record, caplog
):
    class Breaks(str):
        __slots__ = ()

        def __str__(self):
            raise RuntimeError("MARKER of a value")

    crm = fake_crm({str(n): record() for n in range(501, 511)})
    crm.records["505"]["message"] = Breaks("x")
    ring(*crm.records)
    for _ in range(12):
        run(crm)
        clock.advance(minutes=10)

    assert len(crm.held) == 9
    assert store.dead_letters.counts() == {"not_scored": 1}


def test_i003_an_unknown_write_is_not_mistaken_for_the_score_before_it(
    run, ring, clock, fake_crm, record
):
    """A write times out though the CRM took it; then the facts turn back."""
    crm = fake_crm({"501": record()})
    ring("501")
    run(crm)
    first = crm.held["501"]["lead_score_tier"]

    write = crm.write

    def write_and_time_out(*asked):
        write(*asked)
        raise TransientCrmError("timeout")

    crm.write = write_and_time_out
    before = crm.records["501"]["message"]
    crm.records["501"]["message"] = "Please remove me from your list, I am a vendor"
    ring("501")
    with pytest.raises(TransientCrmError):
        run(crm)
    assert crm.held["501"]["lead_score_tier"] != first

    crm.write = write
    crm.records["501"]["message"] = before
    run(crm)
    assert crm.held["501"]["lead_score_tier"] == first


def test_a_refused_write_is_not_repeated_when_the_facts_turn_back(
    run, ring, clock, fake_crm, record
):
    crm = fake_crm({"501": record()})
    ring("501")
    run(crm)
    before = crm.records["501"]["message"]
    crm.refuses = {"501": "VALIDATION_ERROR"}
    crm.records["501"]["message"] = "Please remove me from your list"
    ring("501")
    run(crm)
    crm.refuses = {}
    crm.records["501"]["message"] = before
    ring("501")
    run(crm)

    assert len(crm.writes) == 2


def test_a_call_that_fails_stores_nothing_and_the_claims_stay_due(
    run, ring, store, clock, fake_crm, record
):
    crm = fake_crm({"501": record()})
    ring("501")
    for faults in (crm.read_faults, crm.write_faults):
        faults.append(RefusedError("400"))
        with pytest.raises(RefusedError):
            run(crm)

        assert store.due.waiting("portal", clock()) == 1
        assert store.leads.states("portal", "contact", ["501"]) == {}


def test_a_score_that_changes_by_itself_is_due_again_at_that_instant(
    run, ring, store, clock, fake_crm, record
):
    crm = fake_crm({"501": record(last_visit=clock().isoformat(), last_form=clock().isoformat())})
    ring("501")
    run(crm)
    at = store.due.next_at("portal")
    assert at is not None
    assert at > clock()

    assert run(crm) == 0
    clock.now = at
    assert run(crm) == 1
    assert len(crm.reads) == 2


def test_s053_a_record_sealed_under_another_master_key_is_never_overwritten(
    run, ring, store, clock, fake_crm, record, lease, new_work, health
):
    crm = fake_crm({"501": record(), "502": record()})
    ring("501")
    run(crm)
    facts = store.leads.facts("portal", "contact", "501")
    stranger = Leads(store.databases.ledger, Vault(MasterKeys(1, {1: b"\x55" * 32})))
    assert store.leads.opens()
    assert not stranger.opens()

    crm.records["501"]["message"] = "Something else entirely"
    ring("501", "502")
    pipeline = Pipeline(
        leads=stranger,
        merging=store.merging,
        health=health,
        clock=clock,
        rng=random.Random(3),  # noqa: S311  jitter
    )
    of_type, claims = store.due.claim("portal", 9, clock())
    pipeline.run(new_work(crm), lease, of_type, claims)

    assert store.leads.facts("portal", "contact", "501") == facts
    assert set(crm.writes[-1]) == {"502"}
    assert store.due.next_at("portal") is not None
    assert any("master key" in alarm for alarm in health.alarms())


def test_s049_a_records_worn_key_is_renewed(
    store, ring, clock, fake_crm, record, lease, new_work, health, keys
):
    leads = Leads(store.databases.ledger, Vault(keys), max_uses=6)
    pipeline = Pipeline(
        leads=leads,
        merging=store.merging,
        health=health,
        clock=clock,
        rng=random.Random(3),  # noqa: S311  jitter
    )
    crm = fake_crm({"501": record()})
    wrapped = []
    for _ in range(4):
        ring("501")
        of_type, claims = store.due.claim("portal", 9, clock())
        pipeline.run(new_work(crm), lease, of_type, claims)
        state = leads.states("portal", "contact", ["501"])["501"]
        wrapped.append(state.wrapped_key)
        assert state.key_uses <= 6
        clock.advance(seconds=1)

    assert [wrapped.index(w) for w in wrapped] == [0, 0, 2, 2]
    assert leads.facts("portal", "contact", "501")
