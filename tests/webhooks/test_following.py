"""From an activity's event to the score of the contact it is with."""

import dataclasses
import json
import random
from datetime import timedelta

import pytest

from config.register import activity_kinds
from integrations.base import Happening, RecordRef
from integrations.errors import TransientCrmError
from webhooks.following import LOOK_AGAIN
from webhooks.pipeline import Pipeline


@pytest.fixture
def active(fake_crm, record):
    """A CRM that keeps activities, too."""

    class Active(fake_crm):
        activity_types = ("call", "email")

        def __init__(self, records):
            super().__init__(records)
            self.links = {}
            self.happened = {}
            self.asked = []

        def people(self, activity_type, ids):
            self.asked.append((activity_type, tuple(ids)))
            if self.read_faults:
                raise self.read_faults.pop(0)
            return {
                i: [RecordRef("contact", one) for one in self.links[i]]
                for i in ids
                if i in self.links
            }

        def activities(self, object_type, ids, types):
            self.asked.append((object_type, tuple(ids), tuple(types)))
            return {i: self.happened[i] for i in ids if i in self.happened}

    return Active({"501": record(), "502": record()})


@pytest.fixture
def tell(store, new_unpacker, event, clock):
    """Return what takes in one delivery of events and unpacks it."""

    def deliver(*events):
        clock.advance(milliseconds=1)
        body = json.dumps(list(events)).encode()
        store.inbox.append(account_id="portal", kind="hubspot", body=body, at=clock())
        return new_unpacker().unpack()

    return deliver


@pytest.fixture
def changed(event):
    return lambda i: event(i, kind="contact.propertyChange", propertyName="message")


@pytest.fixture
def call(event):
    return lambda i, happening="creation", **more: event(
        i, kind=f"object.{happening}", objectTypeId="0-48", **more
    )


@pytest.fixture
def step(store, accounts, health, clock, new_work, active):
    """Return what works one batch of what is due, and returns its type and ids."""
    pipeline = Pipeline(
        leads=store.leads,
        merging=store.merging,
        health=health,
        clock=clock,
        rng=random.Random(3),  # noqa: S311  jitter
    )
    lease = accounts.take("portal", "one")
    work = dataclasses.replace(new_work(active), activities=active, activity_types=("call",))

    def once():
        of_type, claims = store.due.claim("portal", 100, clock())
        if claims:
            pipeline.run(work, lease, of_type, claims)
        return of_type, sorted(claim.record_id for claim in claims)

    return once


def test_an_activitys_event_makes_its_contacts_due(tell, call, step, active):
    active.links = {"701": ["501", "502"]}
    tell(call(701))

    assert step() == ("call", ["701"])
    assert step() == ("contact", ["501", "502"])
    assert step() == ("", [])
    assert set(active.held) == {"501", "502"}


def test_events_of_many_activities_are_one_question_and_one_read(tell, call, step, active):
    active.links = {str(i): ["501"] for i in range(700, 760)}
    for i in range(700, 760):
        tell(call(i), call(i, "propertyChange", propertyName="hs_call_status"))

    step()
    step()
    assert len(active.asked) == 2
    assert active.reads == [("501",)]


def test_an_activity_that_is_not_linked_yet_is_looked_at_once_more(
    tell, call, step, active, clock
):
    tell(call(701))
    step()
    assert step() == ("", [])

    clock.advance(seconds=29)
    assert step() == ("", [])
    active.links = {"701": ["501"]}
    clock.advance(seconds=2)
    assert step() == ("call", ["701"])
    assert step() == ("contact", ["501"])
    assert timedelta(seconds=30) == LOOK_AGAIN


def test_an_activity_with_nobody_is_done_after_its_second_look(tell, call, step, store, clock):
    tell(call(701))
    for _ in range(2):
        step()
        clock.advance(seconds=31)

    assert store.due.next_at("portal") is None
    assert store.dead_letters.counts() == {}


def test_a_failed_look_leaves_the_activity_due(tell, call, step, active):
    active.links = {"701": ["501"]}
    active.read_faults = [TransientCrmError("503")]
    tell(call(701))
    with pytest.raises(TransientCrmError):
        step()

    assert step() == ("call", ["701"])
    assert step() == ("contact", ["501"])


def test_the_wait_is_counted_from_the_activitys_event(tell, call, step, active, health, clock):
    active.links = {"701": ["501"]}
    tell(call(701))
    clock.advance(seconds=20)
    step()
    step()

    assert max(health.lags("portal").values()) >= 20


def test_s056_an_activity_does_not_bring_an_erased_contact_back(tell, event, call, step, active):
    active.links = {"701": ["501"]}
    tell(event(501, kind="contact.privacyDeletion"))
    tell(call(701))

    assert step() == ("call", ["701"])
    assert step() == ("", [])
    assert active.reads == []


def test_activities_earn_points_and_the_first_answer_is_stored(
    tell, changed, step, active, store, clock
):
    tell(changed(501), changed(502))
    answered = clock() - timedelta(minutes=30)
    active.happened = {
        "501": [
            Happening(medium="call", kind="call", at=answered, answered_at=answered),
            Happening(medium="call", kind=None, at=clock(), answered_at=clock()),
        ]
    }
    step()

    state = store.leads.states("portal", "contact", ["501", "502"])
    assert state["501"].score > state["502"].score
    assert active.held["501"]["lead_score_respond_by"] is None
    assert active.held["502"]["lead_score_respond_by"] is not None
    facts = json.loads(store.leads.facts("portal", "contact", "501"))
    assert facts["activities"] == [{"kind": "call", "at": answered.isoformat()}]
    assert facts["fields"]["first_response_at"] == answered.isoformat()


def test_nobody_is_asked_what_happened_around_a_contact_that_was_just_created(
    tell, event, changed, step, active
):
    """HubSpot tells of a creation and of each property, in any order and in several deliveries."""
    tell(changed(501), event(501))
    tell(changed(501))
    step()
    assert active.asked == []

    tell(changed(501))
    step()
    assert [asked[:2] for asked in active.asked] == [("contact", ("501",))]


def test_a_creation_that_waited_or_that_an_activity_followed_is_asked_about(
    tell, event, call, step, active, clock
):
    tell(event(501))
    clock.advance(seconds=61)
    step()
    assert ("contact", ("501",)) in [asked[:2] for asked in active.asked]

    active.asked.clear()
    active.links = {"701": ["502"]}
    tell(call(701))
    step()
    tell(event(502))
    step()
    assert ("contact", ("502",)) in [asked[:2] for asked in active.asked]


def test_what_we_did_before_the_inquiry_is_no_answer(tell, changed, step, active, clock):
    tell(changed(501))
    before = clock() - timedelta(days=3)
    active.happened = {
        "501": [Happening(medium="email", kind=None, at=before, answered_at=before)]
    }
    step()

    assert active.held["501"]["lead_score_respond_by"] is not None


def test_a_deletion_removes_what_is_known_and_a_restore_brings_it_back(
    tell, event, step, active, store, record
):
    tell(event(501))
    step()
    kept = active.records.pop("501")
    tell(event(501, kind="contact.deletion"))
    step()
    assert store.leads.facts("portal", "contact", "501") is None

    active.records["501"] = kept
    tell(event(501, kind="contact.restore"))
    step()
    assert store.leads.facts("portal", "contact", "501") is not None


def test_s056_a_restore_does_not_lift_the_tombstone_of_a_privacy_deletion(
    tell, event, step, active
):
    tell(event(501, kind="contact.privacyDeletion"), event(501, kind="contact.deletion"))
    tell(event(501, kind="contact.restore"))

    assert step() == ("", [])
    assert active.reads == []


def test_the_general_model_tells_which_activities_it_reads(model):
    assert activity_kinds(model) == {
        "form_submission",
        "email_reply",
        "email_click",
        "email_open",
        "web_visit",
        "call",
        "chat",
        "sms",
        "meeting",
    }
