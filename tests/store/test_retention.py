from datetime import timedelta

import pytest
from sqlalchemy import text

from store.engine import reading
from store.retention import Periods, Retention

PERIODS = Periods(
    deliveries=timedelta(days=14), facts=timedelta(days=400), history=timedelta(days=800)
)


def put(store, clock, *, unpacked=True, account="portal"):
    clock.advance(milliseconds=1)
    made = store.inbox.append(account_id=account, kind="hubspot", body=b"body", at=clock())
    if unpacked:
        with store.inbox.take(1000) as taken:
            for delivery in taken.deliveries:
                if delivery.id == made:
                    taken.unpacked(delivery)
    return made


def ids(store):
    with reading(store.databases.inbox).connect() as connection:
        return set(connection.execute(text("SELECT id FROM delivery")).scalars())


def score(store, clock, account, record):
    with store.databases.ledger.begin() as connection:
        for table, more, value in (
            (
                "lead",
                "wrapped_key, key_uses, sealed_facts, sealed_reasons",
                ":b, 1, :b, :b",
            ),
            ("score_history", "cause, sealed_reasons", "'changed', :b"),
        ):
            connection.execute(
                text(
                    f"INSERT INTO {table} (account_id, object_type, record_id, tier,"  # noqa: S608
                    f" model_version, scored_at, {more}) VALUES (:a, 'contact', :r, 'warm', 'm', :at,"
                    f" {value})"
                ),
                {
                    "a": account,
                    "r": record,
                    "at": int(clock().timestamp() * 1_000_000),
                    "b": b"\x00",
                },
            )


def rows(store, table):
    with reading(store.databases.ledger).connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608


def test_s058_an_unpacked_delivery_is_deleted_when_its_days_are_over(store, clock):
    old = put(store, clock)
    clock.advance(days=10)
    young = put(store, clock)

    assert store.retention.purge(PERIODS, clock())["deliveries"] == 0
    clock.advance(days=4, seconds=1)
    assert store.retention.purge(PERIODS, clock())["deliveries"] == 1
    assert ids(store) == {young} != {old}


def test_s058_what_waits_or_is_in_quarantine_is_kept_however_old(store, clock):
    waiting = put(store, clock, unpacked=False)
    bad = put(store, clock, unpacked=False)
    with store.inbox.take(9) as taken:
        taken.quarantine(next(d for d in taken.deliveries if d.id == bad), "unreadable")
    clock.advance(days=300)

    store.retention.purge(PERIODS, clock())

    assert ids(store) == {waiting, bad}


def test_s058_facts_and_history_have_periods_of_their_own(store, clock):
    score(store, clock, "portal", "501")
    clock.advance(days=401)
    score(store, clock, "portal", "502")

    assert store.retention.purge(PERIODS, clock()) == {"deliveries": 0, "facts": 1, "history": 0}
    clock.advance(days=400, seconds=1)
    found = store.retention.purge(PERIODS, clock())
    assert (found["facts"], found["history"]) == (1, 1)
    assert (rows(store, "lead"), rows(store, "score_history")) == (0, 1)


def test_s058_the_trail_says_how_many_of_what_were_deleted_for_each_account(store, clock):
    for account in ("org", "portal", "portal"):
        put(store, clock, account=account)
    clock.advance(days=15)
    store.retention.purge(PERIODS, clock())

    found = [
        (row.act.account_id, row.act.actor, row.act.object_type, row.act.count)
        for account in ("org", "portal")
        for row in store.audit.rows(account)
    ]
    assert found == [("org", "service", "delivery", 1), ("portal", "service", "delivery", 2)]


def test_s058_what_cannot_be_recorded_is_not_deleted(store, clock):
    kept = put(store, clock)
    clock.advance(days=15)
    with store.databases.ledger.begin() as connection:
        connection.execute(text("DROP TABLE audit"))

    with pytest.raises(Exception, match="audit"):
        store.retention.purge(PERIODS, clock())
    assert ids(store) == {kept}


def test_a_run_is_bounded_and_the_next_one_goes_on(store, clock):
    small = Retention(
        inbox=store.databases.inbox, ledger=store.databases.ledger, audit=store.audit, rows_a_run=4
    )
    for _ in range(10):
        put(store, clock)
    clock.advance(days=15)

    deleted = [small.purge(PERIODS, clock())["deliveries"] for _ in range(3)]
    assert deleted == [4, 4, 2]
    assert ids(store) == set()


def test_s058_a_run_goes_on_where_the_last_one_stopped_in_every_table(store, clock):
    """On PostgreSQL the last key was compared as another type: the second run failed."""
    for number in range(5):
        put(store, clock)
        score(store, clock, "portal", str(number))
    clock.advance(days=1_000)
    retention = Retention(
        inbox=store.databases.inbox,
        ledger=store.databases.ledger,
        audit=store.audit,
        rows_a_run=2,
    )
    for _ in range(8):
        retention.purge(PERIODS, clock())

    assert rows(store, "lead") == rows(store, "score_history") == 0
    assert ids(store) == set()
