import threading
import time
from datetime import UTC, datetime

import pytest

from integrations.errors import (
    AccessError,
    PermanentCrmError,
    RateLimitedError,
    RefusedError,
    TransientCrmError,
)
from store.accounts import Lease
from store.due import DueMark
from webhooks import bell as bells
from webhooks.bell import CountingBell


class Running:
    """A clock that runs, and can be moved."""

    def __init__(self):
        self.ahead_s = 0.0

    def __call__(self):
        return datetime.fromtimestamp(time.time() + self.ahead_s, UTC)


@pytest.fixture
def now():
    return Running()


@pytest.fixture
def until():
    def wait(is_so, timeout_s=8.0):
        ends = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < ends, "it did not happen in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def put(store, now):
    return lambda body: store.inbox.append(
        account_id="portal", kind="hubspot", body=body, at=now()
    )


@pytest.fixture
def mark(store, now):
    def ring(*ids):
        store.due.mark(
            [
                DueMark(
                    account_id="portal",
                    object_type="contact",
                    record_id=i,
                    cause="changed",
                    since_at=None,
                )
                for i in ids
            ],
            now(),
        )

    return ring


def due_now(store, now):
    return store.due.waiting("portal", now())


def test_many_events_of_a_record_are_one_read_and_one_write(
    new_worker, fake_crm, record, put, events, until, now
):
    crm = fake_crm({"501": record()})
    for _ in range(50):
        put(events(*[501] * 20))
    new_worker(crm, clock=now)
    until(lambda: crm.held)
    time.sleep(0.1)

    assert len(crm.reads) <= 2
    assert len(crm.writes) == 1


def test_a_burst_of_1000_records_costs_three_calls_a_hundred(
    new_worker, fake_crm, record, put, events, until, now
):
    ids = list(range(1001, 2001))
    crm = fake_crm({str(i): record() for i in ids})
    for start in range(0, 1000, 50):
        put(events(*ids[start : start + 50]))
    new_worker(crm, clock=now)
    until(lambda: len(crm.held) == 1000, 20)

    assert sum(crm.calls().values()) / 1000 <= 0.03


def test_s087_nothing_is_lost_while_the_crm_is_away(
    new_worker, fake_crm, record, put, events, until, now, store
):
    crm = fake_crm({str(i): record() for i in range(501, 521)})
    crm.read_faults = [TransientCrmError("503")] * 3
    put(events(*range(501, 521)))
    new_worker(crm, clock=now)
    until(lambda: store.accounts.paused("portal"))
    assert due_now(store, now) == 20
    for failures in (1, 2, 3):
        until(lambda n=failures: store.accounts.paused("portal").failures == n)
        now.ahead_s += 400

    until(lambda: len(crm.held) == 20)
    until(lambda: store.accounts.paused("portal") is None)
    assert store.dead_letters.counts() == {}


def test_a_rate_limit_pauses_the_account_for_as_long_as_the_crm_asks(
    new_worker, fake_crm, record, put, events, until, now, store
):
    crm = fake_crm({"501": record()})
    crm.read_faults = [RateLimitedError("rate_daily", retry_after_s=900.0)]
    put(events(501))
    new_worker(crm, clock=now)
    until(lambda: store.accounts.paused("portal"))
    pause = store.accounts.paused("portal")
    assert 890 < (pause.until - now()).total_seconds() <= 900
    now.ahead_s += 850
    time.sleep(0.15)
    assert len(crm.reads) == 1

    now.ahead_s += 60
    until(lambda: crm.held)


def test_s039_a_refused_token_stops_the_account_with_an_alarm_and_no_loop(
    new_worker, fake_crm, record, put, events, until, now, store, health
):
    crm = fake_crm({"501": record()})
    crm.read_faults = [AccessError("401", "MARKER")]
    put(events(501))
    new_worker(crm, clock=now)
    until(lambda: store.accounts.paused("portal"))
    time.sleep(0.2)
    assert len(crm.reads) == 1
    assert due_now(store, now) == 1
    assert not any("MARKER" in alarm for alarm in health.alarms())

    now.ahead_s += 301
    until(lambda: crm.held)


@pytest.mark.parametrize("error", [RefusedError("400"), PermanentCrmError("object_type")])
def test_s088_a_record_that_spoils_its_batch_is_found_and_put_aside(
    new_worker, fake_crm, record, put, events, until, now, store, error
):
    crm = fake_crm({str(i): record() for i in range(501, 533)})
    crm.cannot_read = {"517": error}
    put(events(*range(501, 533)))
    new_worker(crm, clock=now)
    until(lambda: len(crm.held) == 31)
    for _ in range(6):
        now.ahead_s += 600
        time.sleep(0.08)
    until(store.dead_letters.counts)

    assert list(store.dead_letters.counts()) == [f"refused_{error.code}"]
    assert "517" not in crm.held


def test_an_account_that_is_away_does_not_hold_up_another(
    new_worker, fake_crm, record, put, events, until, now, store, outbound
):
    away, there = fake_crm({"501": record()}), fake_crm({"00Q8d0000001aBCEAY": {}})
    answer = threading.Event()
    away.before_read = lambda: answer.wait(30)
    there.records["00Q8d0000001aBCEAY"] = {
        "Description": "I want to book a cleaning",
        "CreatedDate": "2026-11-23T16:00:00.000+0000",
    }
    put(events(501))
    store.inbox.append(
        account_id="org", kind="salesforce", body=outbound("00Q8d0000001aBC"), at=now()
    )
    new_worker(away, there, clock=now)
    until(lambda: there.held)

    assert not away.held
    answer.set()
    until(lambda: away.held)


def test_an_event_that_arrives_while_its_record_is_read_is_served(
    new_worker, fake_crm, record, until, now, mark
):
    crm = fake_crm({"501": record()})
    reading, go = threading.Event(), threading.Event()

    def hold():
        reading.set()
        go.wait(5)

    crm.before_read = hold
    mark("501")
    new_worker(crm, clock=now)
    assert reading.wait(5)
    mark("501")
    go.set()

    until(lambda: len(crm.reads) == 2)


def test_a_score_that_changes_by_itself_is_served_without_an_event(
    new_worker, fake_crm, record, until, now, mark, store
):
    crm = fake_crm({"501": record(last_visit=now().isoformat(), last_form=now().isoformat())})
    mark("501")
    new_worker(crm, clock=now)
    until(lambda: crm.held)
    until(lambda: store.due.next_at("portal") is not None and not due_now(store, now))
    reads = len(crm.reads)

    now.ahead_s += (store.due.next_at("portal") - now()).total_seconds() + 1
    until(lambda: len(crm.reads) > reads)


def test_s026_two_workers_share_no_account_and_the_second_takes_over(
    new_worker, fake_crm, record, until, now, mark, store
):
    first, second = fake_crm({"501": record()}), fake_crm({"501": record()})
    one = new_worker(first, owner="one", clock=now)
    mark("501")
    until(lambda: first.held)
    new_worker(second, owner="two", clock=now)
    mark("501")
    until(lambda: len(first.reads) >= 2)
    assert not second.reads

    one.stop(5)
    mark("501")
    until(lambda: second.reads)


def test_s026_a_worker_that_slept_past_its_lease_stores_nothing(
    new_worker, fake_crm, record, until, now, mark, store, accounts, ticks
):
    slow, other = fake_crm({"501": record()}), fake_crm({"501": record(visits="9")})
    reading, go = threading.Event(), threading.Event()
    slow.before_read = lambda: (reading.set(), go.wait(10))
    mark("501")
    new_worker(slow, owner="slow", clock=now)
    assert reading.wait(5)
    # Its process sleeps: no beat comes, while another worker watches.
    accounts.renew = lambda owner: {Lease("portal", owner, 1)} if owner == "slow" else set()
    new_worker(other, owner="other", clock=now)
    time.sleep(0.1)
    assert not other.reads
    ticks.ahead_s += 16
    until(lambda: other.held)
    scored_at = [fence_of(store)]
    go.set()
    time.sleep(0.3)

    # The late worker neither wrote nor stored: its fence is not the newest.
    assert not slow.writes
    assert fence_of(store) == scored_at[0]


def fence_of(store):
    with store.databases.ledger.connect() as connection:
        return connection.exec_driver_sql(
            "SELECT fence FROM account WHERE account_id = 'portal'"
        ).scalar_one()


@pytest.mark.parametrize("is_busy", [False, True])
def test_stop_is_clean_and_quick_and_gives_the_leases_back(
    new_worker, fake_crm, record, now, mark, store, accounts, until, is_busy
):
    crm = fake_crm({str(i): record() for i in range(501, 900)}, batch_size=20)
    crm.before_read = lambda: time.sleep(0.02)
    mark(*crm.records)
    if not is_busy:
        crm.before_read = lambda: None
    worker = new_worker(crm, clock=now)
    until(lambda: fence_of(store) == 1 and (is_busy or len(crm.held) == 399))
    time.sleep(0.1)
    began = time.monotonic()
    worker.stop()

    assert time.monotonic() - began < 2.0
    assert crm.is_closed
    assert accounts.take("portal", "two")
    assert not [t for t in threading.enumerate() if t.name in {"unpack", "account-portal"}]
    # What was not worked stays due: it is not lost.
    assert len(crm.held) + due_now(store, now) == 399


def test_a_store_that_fails_for_a_while_does_not_end_the_worker(
    new_worker, fake_crm, record, until, now, put, events, store
):
    crm = fake_crm({"501": record()})
    with store.databases.ledger.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE due RENAME TO elsewhere")
    new_worker(crm, clock=now)
    put(events(501))
    time.sleep(0.3)
    assert not crm.reads
    with store.databases.ledger.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO due")

    until(lambda: crm.held)


def test_a_bell_counts_what_rang_before_anyone_waited():
    bell = CountingBell()
    bell.ring(3)
    bell.ring()

    assert bell.wait(0) == 4
    assert bell.wait(0.001) == 0


def test_a_full_batch_is_not_waited_for(monkeypatch):
    bell = CountingBell()
    waits = []
    monkeypatch.setattr(bells, "LONGEST_GATHER_S", 60.0)
    monkeypatch.setattr(bells, "QUIET_S", 60.0)
    monkeypatch.setattr(bell._condition, "wait", lambda s: waits.append(s) or bell.ring())
    bell.ring(99)
    bell.gather(full=100, not_before=0.0)
    assert len(waits) == 1  # for the hundredth

    bell.gather(full=100, not_before=0.0)
    assert len(waits) == 1


def test_s028_a_crm_that_is_away_for_a_day_is_probed_once_a_minute_by_one_record(
    new_worker, fake_crm, record, put, events, until, now, store
):
    crm = fake_crm({str(i): record() for i in range(501, 531)})
    crm.read_faults = [TransientCrmError("503")] * 59
    put(events(*range(501, 531)))
    new_worker(crm, clock=now)
    until(lambda: store.accounts.paused("portal"))
    for failures in range(1, 60):
        until(lambda n=failures: store.accounts.paused("portal").failures >= n)
        pause = store.accounts.paused("portal")
        wait = (pause.until - now()).total_seconds()
        if failures > 6:
            assert 40 < wait <= 72  # a minute, give or take 20 %
        # Half an hour at a time: the day passes in 48 probes.
        now.ahead_s += 1_830 if failures > 6 else wait + 1

    until(lambda: len(crm.held) == 30, 20)
    assert {len(ids) for ids in crm.reads[1:60]} == {1}
    assert now.ahead_s > 24 * 3600
    assert store.dead_letters.counts() == {}
    until(lambda: store.accounts.paused("portal") is None)


def test_accounts_that_wait_for_room_are_worked_as_soon_as_others_are_quiet(
    new_worker, fake_crm, record, until, now, put, events, store, outbound, monkeypatch
):
    monkeypatch.setattr("webhooks.worker.MOST_ACCOUNTS", 1)
    first, other = fake_crm({"501": record()}), fake_crm({})
    other.records["00Q8d0000001aBCEAY"] = {
        "Description": "I want to book a cleaning",
        "CreatedDate": "2026-11-23T16:00:00.000+0000",
    }
    put(events(501))
    new_worker(first, other, clock=now)
    until(lambda: first.held)
    store.inbox.append(
        account_id="org", kind="salesforce", body=outbound("00Q8d0000001aBC"), at=now()
    )

    until(lambda: other.held, 5.0)  # the first one lingers for ten seconds unless it is asked


def test_s026_a_lease_that_is_taken_during_a_heartbeat_is_not_taken_for_lost(
    new_worker, fake_crm, record, until, now, mark, accounts, monkeypatch
):
    """The answer of a heartbeat that began before does not name it."""
    monkeypatch.setattr("webhooks.worker.HEARTBEAT_S", 0.01)
    crm = fake_crm({str(i): record() for i in range(501, 600)}, batch_size=5)
    crm.before_read = lambda: time.sleep(0.02)
    renew, taken = accounts.renew, threading.Event()

    def slow(owner):
        held = renew(owner)
        taken.wait(2)
        return held

    monkeypatch.setattr(accounts, "renew", slow)
    new_worker(crm, clock=now)
    time.sleep(0.05)  # a heartbeat is under way
    mark(*crm.records)
    until(lambda: len(crm.reads) >= 1)
    taken.set()
    until(lambda: len(crm.held) == 99)

    read = [i for batch in crm.reads for i in batch]
    assert len(read) == len(set(read)) == 99
