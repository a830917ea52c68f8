import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from integrations.base import Parsed
from store.inbox import KEY_MISSING


@pytest.fixture
def put(store, clock):
    def store_it(body, *, kind="hubspot", account="portal"):
        clock.advance(milliseconds=1)
        return store.inbox.append(account_id=account, kind=kind, body=body, at=clock())

    return store_it


@pytest.fixture
def unpacker(new_unpacker):
    return new_unpacker()


def due(store, clock, account="portal"):
    return [claim.record_id for claim in store.due.claim(account, 1000, clock())[1]]


def test_deliveries_become_due_records(unpacker, put, store, clock, events, outbound):
    put(events(501, 502, 501))
    put(events(501))
    put(outbound("00Q8d0000001aBC"), kind="salesforce", account="org")

    taken, records = unpacker.unpack()

    assert (taken, records) == (3, {"portal": 2, "org": 1})
    assert sorted(due(store, clock)) == ["501", "502"]
    assert due(store, clock, "org") == ["00Q8d0000001aBCEAY"]
    assert unpacker.unpack() == (0, {})


def test_s016_signed_garbage_is_kept_sealed_with_an_alarm(
    unpacker, put, store, clock, health, events, caplog
):
    bad = [b"{", b"MARKER-garbage", b"\xff", b"[" * 99, b'{"a": 1}', b"", b"[NaN]"]
    for body in bad:
        put(body)
    put(events(501))

    unpacker.unpack()

    assert store.inbox.counts() == {"waiting": 0, "quarantined": len(bad)}
    assert due(store, clock) == ["501"]
    assert health.alarms() == ["hubspot: a delivery that cannot be read is in quarantine"]
    assert "MARKER" not in caplog.text


def test_s017_one_bad_event_of_a_hundred_is_a_dead_letter(
    unpacker, put, store, clock, event, health
):
    rows = [event(1000 + n) for n in range(100)]
    rows[57]["objectId"] = "no id"
    put(json.dumps(rows).encode())

    unpacker.unpack()

    assert len(due(store, clock)) == 99
    assert store.dead_letters.counts() == {"unreadable": 1}
    assert health.alarms()


def test_s017_a_reader_that_breaks_holds_up_no_other_delivery(
    new_unpacker, put, store, clock, caplog
):
    class Reader:
        def parse(self, body, *, account):
            if body == b"poison":
                raise KeyError("MARKER-value")
            return Parsed(events=[])

    put(b"poison")
    put(b"fine")
    unpacker = new_unpacker(adapters={"hubspot": Reader()})

    assert unpacker.unpack()[0] == 2
    assert unpacker.unpack()[0] == 0
    assert store.inbox.counts() == {"waiting": 0, "quarantined": 1}


def test_an_org_that_left_the_configuration_holds_up_no_other(unpacker, put, store, outbound):
    put(
        outbound("00Q8d0000001aBC", organization="00D8d000000Gon1EAG"),
        kind="salesforce",
        account="gone",
    )
    put(outbound("00Q8d0000001aBC"), kind="salesforce", account="org")
    put(b"x", kind="pipedrive", account="gone")

    unpacker.unpack()
    assert store.inbox.counts() == {"waiting": 0, "quarantined": 2}


def test_a_crash_before_deliveries_are_marked_loses_and_doubles_nothing(
    new_unpacker, put, store, clock, events
):
    class CrashError(Exception):
        pass

    class Inbox:
        @contextmanager
        def take(self, limit):
            with store.inbox.take(limit) as taken:
                yield taken
                raise CrashError

    put(events(501, 502))
    with pytest.raises(CrashError):
        new_unpacker(inbox=Inbox()).unpack()
    new_unpacker().unpack()

    assert sorted(due(store, clock)) == ["501", "502"]
    assert store.inbox.counts()["waiting"] == 0


def test_s053_what_no_key_opens_waits_in_quarantine_and_comes_back(
    new_unpacker, put, store, clock, events
):
    put(events(501))

    class Locked:
        def __getattr__(self, name):
            return getattr(store.inbox, name)

        @contextmanager
        def take(self, limit):
            with store.inbox.take(limit) as taken:
                taken.deliveries = [
                    replace(item, body=None, fault=KEY_MISSING) for item in taken.deliveries
                ]
                yield taken

    new_unpacker(inbox=Locked()).unpack()
    assert store.inbox.counts() == {"waiting": 0, "quarantined": 1}

    again = new_unpacker()
    again.start()
    again.unpack()
    assert due(store, clock) == ["501"]
    assert store.inbox.counts() == {"waiting": 0, "quarantined": 0}
