import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from store.engine import reading
from store.inbox import KEY_MISSING, Inbox, InboxError, new_delivery_id
from store.keys import MasterKeys
from store.vault import Vault


@pytest.fixture
def inbox(store):
    return store.inbox


@pytest.fixture
def new_inbox(store, keys):
    """Return what opens the inbox once more, as another process or after a restart."""
    opened = []

    def make(vault=None, **bounds):
        opened.append(Inbox(store.databases.inbox, vault or Vault(keys), **bounds))
        return opened[-1]

    yield make
    for inbox in opened:
        inbox.close()


def bodies(inbox):
    return [item.body for item in inbox.waiting(1000)]


def put(inbox, clock, body=b"body", account="portal"):
    clock.advance(milliseconds=1)
    return inbox.append(account_id=account, kind="hubspot", body=body, at=clock())


def rows(store, query, part="inbox"):
    with reading(getattr(store.databases, part)).connect() as connection:
        return connection.execute(text(query)).all()


def test_deliveries_are_taken_oldest_first(inbox, clock):
    for n in range(20):
        put(inbox, clock, b"%d" % n)

    assert bodies(inbox) == [b"%d" % n for n in range(20)]


def test_ids_sort_by_time_and_differ_in_one_moment(clock):
    same = {new_delivery_id(clock()) for _ in range(1000)}

    assert len(same) == 1000
    assert max(same) < new_delivery_id(clock() + timedelta(milliseconds=1))


def test_s044_no_body_stands_in_clear(store, inbox, clock):
    put(inbox, clock, b"MARKER jane")

    [(sealed,)] = rows(store, "SELECT sealed_body FROM delivery")
    assert b"MARKER" not in sealed


def test_s021_32_threads_are_stored_each_once(store, inbox, clock):
    def send(n):
        for m in range(10):
            inbox.append(account_id="portal", kind="hubspot", body=b"%d.%d" % (n, m), at=clock())

    threads = [threading.Thread(target=send, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(bodies(inbox)) == sorted(b"%d.%d" % (n, m) for n in range(32) for m in range(10))
    assert rows(store, "SELECT count(*), max(uses) FROM delivery_key") == [(1, 2**14)]


@pytest.mark.parametrize("account", ["portal", "org"])
def test_s046_a_body_moved_to_another_row_or_account_does_not_open(store, inbox, clock, account):
    one, other = put(inbox, clock, b"one"), put(inbox, clock, b"other", account)
    with store.databases.inbox.begin() as connection:
        connection.execute(
            text(
                "UPDATE delivery SET sealed_body = (SELECT sealed_body FROM delivery d"
                " WHERE d.id = :a) WHERE id = :b"
            ),
            {"a": one, "b": other},
        )

    [kept, moved] = inbox.waiting(9)
    assert kept.body == b"one"
    assert moved.body is None
    assert moved.fault == ("changed" if account == "portal" else KEY_MISSING)


def test_s049_uses_are_counted_and_a_worn_key_is_renewed(store, clock, new_inbox):
    inbox = new_inbox(max_uses=12, count_ahead=4)
    for n in range(30):
        put(inbox, clock, b"%d" % n)

    counted = rows(store, "SELECT number, uses FROM delivery_key ORDER BY number")
    assert counted == [(1, 12), (2, 12), (3, 8)]
    per_key = rows(store, "SELECT count(*) FROM delivery GROUP BY substr(sealed_body, 3, 8)")
    assert sorted(count for (count,) in per_key) == [6, 12, 12]
    assert bodies(inbox) == [b"%d" % n for n in range(30)]


def test_s049_uses_counted_ahead_are_not_used_twice_after_a_restart(store, clock, new_inbox):
    for _ in range(5):
        put(new_inbox(max_uses=12, count_ahead=4), clock)

    assert rows(store, "SELECT number, uses FROM delivery_key ORDER BY number") == [
        (1, 12),
        (2, 8),
    ]


def test_s049_receivers_that_begin_at_once_count_no_use_twice(store, clock, new_inbox):
    inboxes = [new_inbox(max_uses=40, count_ahead=4) for _ in range(8)]

    def send(inbox):
        for _ in range(12):
            inbox.append(account_id="portal", kind="hubspot", body=b"x", at=clock())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, inboxes))

    counted = rows(store, "SELECT sum(uses), max(uses) FROM delivery_key")
    assert [(int(total), most) for total, most in counted] == [(96, 40)]
    per_key = rows(store, "SELECT count(*) FROM delivery GROUP BY substr(sealed_body, 3, 8)")
    assert sum(count for (count,) in per_key) == 96
    assert max(count for (count,) in per_key) <= 40


def test_s049_the_shipped_bound_is_2_to_the_20(store, inbox, clock, new_inbox):
    put(inbox, clock)
    with store.databases.inbox.begin() as connection:
        connection.execute(text("UPDATE delivery_key SET uses = 1048576 - 16383"))
    put(new_inbox(inbox._vault), clock)

    assert rows(store, "SELECT count(*) FROM delivery_key") == [(2,)]


def other_keys():
    return Vault(MasterKeys(1, {1: b"\x55" * 32}))


def test_s053_under_another_master_key_deliveries_are_stored_and_none_is_lost(
    inbox, clock, new_inbox
):
    put(inbox, clock, b"before")
    wrong = new_inbox(other_keys())
    put(wrong, clock, b"meanwhile")

    [before, meanwhile] = wrong.waiting(9)
    assert (before.body, before.fault) == (None, KEY_MISSING)
    assert meanwhile.body == b"meanwhile"
    # The unpacker puts aside what does not open; nothing is overwritten or deleted.
    with wrong.take(9) as taken:
        taken.quarantine(before, before.fault)
        taken.unpacked(meanwhile)

    right = new_inbox()
    assert right.look_again() == 1
    assert bodies(right) == [b"before"]
    put(right, clock, b"after")
    assert bodies(right) == [b"before", b"after"]


def test_s016_what_is_unreadable_for_another_reason_stays_in_quarantine(inbox, clock):
    put(inbox, clock)
    with inbox.take(1) as taken:
        taken.quarantine(taken.deliveries[0], "body: not JSON")

    assert inbox.look_again() == 0
    assert inbox.counts() == {"waiting": 0, "quarantined": 1}


def test_a_changed_body_is_told_from_a_missing_key(store, inbox, clock):
    put(inbox, clock)
    with store.databases.inbox.begin() as connection:
        sealed = connection.execute(text("SELECT sealed_body FROM delivery")).scalar_one()
        connection.execute(
            text("UPDATE delivery SET sealed_body = :changed"), {"changed": sealed + b"\x00"}
        )

    assert inbox.waiting(1)[0].fault == "changed"


def test_s021_a_locked_inbox_fails_in_its_time_and_then_works(clock, new_inbox, locked_inbox):
    inbox = new_inbox(timeout_s=0.5)
    put(inbox, clock)
    with locked_inbox():
        with pytest.raises(InboxError):
            put(inbox, clock)
        with pytest.raises(InboxError):
            inbox.check_writable()

    put(inbox, clock)
    assert len(bodies(inbox)) == 2


def test_s021_a_table_that_is_not_there_is_an_inbox_error_without_a_value(store, inbox, clock):
    put(inbox, clock)
    with store.databases.inbox.begin() as connection:
        connection.execute(text("ALTER TABLE delivery RENAME TO elsewhere"))
    with pytest.raises(InboxError) as failed:
        put(inbox, clock, b"MARKER")
    assert "MARKER" not in str(failed.value)
    with store.databases.inbox.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO delivery"))

    put(inbox, clock)
    assert len(bodies(inbox)) == 2


def test_what_is_taken_waits_again_when_its_worker_fails(inbox, clock):
    def fail():
        with inbox.take(9) as taken:
            taken.unpacked(taken.deliveries[0])
            raise OSError("disk")

    put(inbox, clock)
    with pytest.raises(OSError, match="disk"):
        fail()

    assert inbox.counts()["waiting"] == 1
