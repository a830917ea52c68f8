"""A lead becomes a contact: it goes on where contacts are scored, past and all (issue 6, point 3)."""

import dataclasses
import random

import pytest
from sqlalchemy import select

from integrations.base import RecordRef
from store import schema
from store.due import DueMark
from store.tombstones import Record
from webhooks.pipeline import Pipeline

LEAD, CONTACT = "00Q8d0000001aBCEAY", "0038d0000001aBCAAY"


@pytest.fixture
def converted(fake_crm):
    """A CRM whose lead became a contact."""

    class Converted(fake_crm):
        is_converted = False

        def read(self, object_type, ids, properties):
            found = super().read(object_type, ids, properties)
            if object_type == "Lead" and self.is_converted:
                moved = {LEAD: RecordRef("Contact", CONTACT)}
                return dataclasses.replace(found, records={}, moved=moved)
            return found

    row = {
        "Description": "I would like to book an implant.",
        "CreatedDate": "2026-11-23T16:00:00Z",
    }
    return Converted({LEAD: row, CONTACT: row})


@pytest.fixture
def work_all(store, accounts, health, clock, new_work):
    """Return what works all that is due, with leads alone or with contacts, too."""
    lease = accounts.take("org", "one")
    pipeline = Pipeline(
        leads=store.leads,
        merging=store.merging,
        health=health,
        clock=clock,
        rng=random.Random(3),  # noqa: S311  jitter
    )

    def run(crm, *object_types):
        work = dataclasses.replace(new_work(crm, name="org"), object_types=object_types)
        served = []
        while True:
            of_type, claims = store.due.claim("org", 100, clock())
            if not claims:
                return served
            served += [(of_type, claim.record_id, claim.since_at) for claim in claims]
            pipeline.run(work, lease, of_type, claims)

    return run


def ring(store, clock):
    mark = DueMark(
        account_id="org",
        object_type="Lead",
        record_id=LEAD,
        cause="changed",
        since_at=clock(),
    )
    store.due.mark([mark], clock())


def known(store):
    with store.databases.ledger.connect() as connection:
        rows = connection.execute(select(schema.lead.c.object_type, schema.lead.c.record_id))
        past = connection.execute(
            select(schema.score_history.c.object_type, schema.score_history.c.record_id)
        )
        return sorted(map(tuple, rows)), sorted(map(tuple, past))


def test_lead_goes_on_as_its_contact_with_its_past(store, clock, converted, work_all):
    ring(store, clock)
    work_all(converted, "Lead", "Contact")
    began = clock()
    converted.is_converted = True
    clock.advance(hours=1)
    ring(store, clock)
    served = work_all(converted, "Lead", "Contact")
    assert [row[:2] for row in served] == [("Lead", LEAD), ("Contact", CONTACT)]
    assert served[1][2] == served[0][2] > began  # the wait goes on, too
    rows, past = known(store)
    assert rows == [("Contact", CONTACT)]
    assert set(past) == {("Contact", CONTACT)}
    assert converted.writes[-1].keys() == {CONTACT}


def test_lead_is_forgotten_where_contacts_are_not_scored(store, clock, converted, work_all):
    ring(store, clock)
    work_all(converted, "Lead")
    converted.is_converted = True
    clock.advance(hours=1)
    ring(store, clock)
    assert [row[:2] for row in work_all(converted, "Lead")] == [("Lead", LEAD)]
    assert known(store)[0] == []


def test_erased_contact_takes_over_nothing(store, clock, converted, work_all):
    ring(store, clock)
    work_all(converted, "Lead", "Contact")
    store.erasure.erase([Record("org", "Contact", CONTACT)], "test", clock())
    converted.is_converted = True
    clock.advance(hours=1)
    ring(store, clock)
    work_all(converted, "Lead", "Contact")
    assert known(store)[0] == []
    assert all(CONTACT not in written for written in converted.writes)
