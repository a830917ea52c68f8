"""Two contacts become one: the past of the loser goes into the winner (issue 5, point 2)."""

import json
import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from store import schema
from store.tombstones import Record
from webhooks.pipeline import Pipeline

LOSER, WINNER = Record("portal", "contact", "501"), Record("portal", "contact", "502")


@pytest.fixture
def tell(store, new_unpacker, clock):
    def deliver(*events):
        clock.advance(milliseconds=1)
        body = json.dumps(list(events)).encode()
        store.inbox.append(account_id="portal", kind="hubspot", body=body, at=clock())
        return new_unpacker().unpack()

    return deliver


@pytest.fixture
def merge(event):
    return lambda winner=502, **more: event(
        502,
        kind="contact.merge",
        primaryObjectId=502,
        mergedObjectIds=[501],
        newObjectId=winner,
        **more,
    )


@pytest.fixture
def lease(accounts):
    return accounts.take("portal", "one")


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
def work(store, lease, pipeline, clock, new_work):
    """Return what works all that is due in a fake CRM."""

    def all_of(crm):
        while True:
            of_type, claims = store.due.claim("portal", 100, clock())
            if not claims:
                return
            pipeline.run(new_work(crm), lease, of_type, claims)

    return all_of


@pytest.fixture
def rows(store):
    """Return what shows the ids in a table, with what was asked for of each."""

    def of(table, *columns):
        with store.databases.ledger.connect() as connection:
            found = connection.execute(select(table.c.record_id, *columns)).all()
        return sorted(tuple(row) for row in found)

    return of


def opened_history(store, record_id):
    """Return the wordings of a record's history, opened as a reader of it would."""
    from store.vault import Cell  # noqa: PLC0415

    with store.databases.ledger.connect() as connection:
        wrapped = connection.execute(
            select(schema.lead.c.wrapped_key).where(schema.lead.c.record_id == record_id)
        ).scalar_one()
        history = connection.execute(
            select(schema.score_history).where(schema.score_history.c.record_id == record_id)
        ).all()
    name = f"contact:{record_id}"
    key = store.vault.unwrap(wrapped, Cell("portal", "lead", "wrapped_key", name))
    return [
        json.loads(
            key.open(
                row.sealed_reasons,
                Cell(
                    "portal",
                    "score_history",
                    "sealed_reasons",
                    f"{name}:{row.scored_at.isoformat()}",
                ),
            )
        )
        for row in history
    ]


@pytest.mark.parametrize("known", [True, False])
def test_the_losers_history_is_the_winners(
    tell, merge, work, rows, fake_crm, record, store, event, clock, known
):
    crm = fake_crm({"501": record(), "502": record(message="A cleaning, please")})
    tell(event(501), *([event(502)] if known else []))
    work(crm)
    before = opened_history(store, "501")
    clock.advance(seconds=5)
    del crm.records["501"]
    tell(merge())

    assert [row[0] for row in rows(schema.lead)] == ["502"]
    after = opened_history(store, "502")
    assert len(after) == 1 + known
    assert before[0] in after
    work(crm)
    assert [row[0] for row in rows(schema.lead)] == ["502"]
    assert rows(schema.due, schema.due.c.cause) in ([], [("502", "decay")])
    assert b"cleaning" in store.leads.facts("portal", "contact", "502")
    assert crm.held["502"]["lead_score"] is not None


def test_all_go_into_the_id_that_the_merge_made(
    tell, merge, work, rows, fake_crm, record, store, event
):
    crm = fake_crm({"501": record(), "502": record()})
    tell(event(501), event(502))
    work(crm)
    crm.records = {"503": record()}
    tell(merge(winner=503))
    work(crm)

    assert [row[0] for row in rows(schema.lead)] == ["503"]
    assert len(opened_history(store, "503")) >= 1
    assert crm.held["503"]["lead_score"] is not None


def test_a_merge_told_twice_changes_nothing_more(
    tell, merge, work, rows, fake_crm, record, event, clock
):
    crm = fake_crm({"501": record(), "502": record()})
    tell(event(501), event(502))
    work(crm)
    del crm.records["501"]
    for _ in range(2):
        tell(merge())
    history = rows(schema.score_history, schema.score_history.c.scored_at)
    work(crm)
    clock.advance(hours=1)
    tell(merge(attemptNumber=1))
    work(crm)

    assert [row for row in rows(schema.score_history) if row[0] == "501"] == []
    assert rows(schema.score_history, schema.score_history.c.scored_at)[: len(history)] == history


def test_the_winner_waits_for_what_the_loser_waited_for(tell, merge, event, store, clock):
    tell(event(501))
    arrived = clock()
    clock.advance(seconds=40)
    tell(merge())

    _, claims = store.due.claim("portal", 100, clock())
    assert {c.record_id: c.since_at for c in claims}["502"] == arrived


@pytest.mark.parametrize("erased", [501, 502])
def test_s056_a_merge_brings_nothing_of_an_erased_contact_back(
    tell, merge, work, rows, fake_crm, record, event, erased
):
    crm = fake_crm({"501": record(), "502": record()})
    tell(event(501), event(502))
    work(crm)
    tell(event(erased, kind="contact.privacyDeletion"))
    del crm.records["501"]
    tell(merge())
    work(crm)

    assert (str(erased),) not in rows(schema.lead)
    assert (str(erased),) not in rows(schema.score_history)
    assert ("501",) not in rows(schema.lead)


def test_a_batch_that_scored_the_winner_meanwhile_does_not_lock_the_history_away(
    tell, merge, pipeline, lease, fake_crm, record, store, event, clock, new_work
):
    crm = fake_crm({"501": record(), "502": record()})
    tell(event(501))
    of_type, claims = store.due.claim("portal", 100, clock())
    pipeline.run(new_work(crm), lease, of_type, claims)
    tell(event(502))
    of_type, claims = store.due.claim("portal", 100, clock())
    write = crm.write

    def late(*arguments):
        store.merging.fold(LOSER, WINNER, clock())
        return write(*arguments)

    crm.write = late
    clock.advance(seconds=1)
    pipeline.run(new_work(crm), lease, of_type, [c for c in claims if c.record_id == "502"])

    assert len(opened_history(store, "502")) == 1
    assert "502" in [c.record_id for c in store.due.claim("portal", 100, clock())[1]]
    crm.write = write
    clock.advance(seconds=1)
    pipeline.run(new_work(crm), lease, *store.due.claim("portal", 100, clock()))
    assert len(crm.writes) == 3
    assert store.leads.states("portal", "contact", ["502"])["502"].written_hash is not None


def test_a_merge_of_contacts_nobody_knows_only_makes_them_due(tell, merge, store, clock, rows):
    tell(merge())

    assert rows(schema.lead) == []
    assert [row[0] for row in rows(schema.due)] == ["501", "502"]
    assert store.merging.fold(LOSER, WINNER, clock() + timedelta(1)) is False
