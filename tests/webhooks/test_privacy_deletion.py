"""HubSpot's privacy deletion erases the contact by itself (S56)."""

import json

import pytest

from store.due import DueMark


@pytest.fixture
def put(store, clock):
    def store_it(*events):
        clock.advance(milliseconds=1)
        body = json.dumps(list(events)).encode()
        store.inbox.append(account_id="portal", kind="hubspot", body=body, at=clock())

    return store_it


@pytest.fixture
def unpacker(new_unpacker, store):
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    return new_unpacker()


def due(store, clock):
    return [claim.record_id for claim in store.due.claim("portal", 100, clock())[1]]


def test_s056_a_privacy_deletion_erases_also_what_came_with_it(
    unpacker, put, store, clock, event, health
):
    put(event(501), event(502))
    unpacker.unpack()
    put(event(501), event(501, kind="contact.privacyDeletion"), event(503))
    unpacker.unpack()

    assert sorted(due(store, clock)) == ["502", "503"]
    assert [row.act.actor for row in store.audit.rows("portal")] == ["service"]
    assert health.alarms() == []


def test_s056_a_late_or_replayed_delivery_does_not_bring_it_back(
    unpacker, put, store, clock, event
):
    put(event(501))
    with store.inbox.take(9) as taken:
        kept = taken.deliveries[0].id
    unpacker.unpack()
    put(event(501, kind="contact.privacyDeletion"))
    unpacker.unpack()
    put(event(501, kind="contact.propertyChange", propertyName="message"))
    assert store.inbox.wait_again("portal", kept)
    assert unpacker.unpack()[0] == 2

    assert due(store, clock) == []


def test_s056_a_mere_deletion_leaves_no_tombstone(unpacker, put, store, clock, event):
    put(event(501, kind="contact.deletion"))
    unpacker.unpack()

    assert due(store, clock) == ["501"]


def test_s057_a_tombstone_file_that_cannot_be_written_is_an_alarm(
    unpacker, put, store, event, health
):
    store.erasure._file.path.mkdir(parents=True)
    put(event(501, kind="contact.privacyDeletion"))
    unpacker.unpack()

    assert "tombstone file" in health.alarms()[0]
    store.erasure._file.path.rmdir()


def test_s056_a_record_that_is_due_all_the_same_is_neither_read_nor_written(
    store, unpacker, new_worker, fake_crm, record, put, event, clock
):
    put(event(501, kind="contact.privacyDeletion"))
    unpacker.unpack()
    with store.databases.ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO due (account_id, object_type, record_id, due_at, cause)"
            " VALUES ('portal', 'contact', '501', 1, 'changed')"
        )
    crm = fake_crm({"501": record(), "502": record()})
    mark = DueMark(
        account_id="portal", object_type="contact", record_id="502", cause="x", since_at=None
    )
    store.due.mark([mark], clock())
    worker = new_worker(crm, fake_crm({}))
    for _ in range(500):
        if "502" in crm.held and not due(store, clock):
            break
        worker._stopping.wait(0.01)

    assert set(crm.held) == {"502"}
    assert all("501" not in ids for ids in crm.reads)
    assert due(store, clock) == []
