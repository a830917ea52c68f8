"""The sweep finds what no webhook told of; a backfill finds everything (S30)."""

import threading
import time
from datetime import timedelta

import pytest

from integrations.errors import TransientCrmError
from store.due import DueMark, Lane
from webhooks.backfill import Backfiller, chosen
from webhooks.sweep import FIRST, OVERLAP, Sweeper


@pytest.fixture
def sweeper(store, clock):
    return Sweeper(listings=store.listings, due=store.due, clock=clock)


@pytest.fixture
def filler(store, clock):
    return Backfiller(listings=store.listings, due=store.due, clock=clock)


def due_ids(store, clock, **how):
    return [claim.record_id for claim in store.due.claim("portal", 99, clock(), **how)[1]]


def test_s030_the_first_sweep_finds_the_last_day(
    sweeper, new_work, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 8)})
    crm.changed = {str(i): clock() - timedelta(hours=10 * i) for i in range(1, 8)}

    assert sweeper.sweep(new_work(crm)) == 2
    assert due_ids(store, clock) == ["1", "2"]
    assert store.listings.swept_until("portal", "contact") == clock() - timedelta(hours=10)


def test_s030_the_next_sweep_begins_at_the_newest_change_seen(
    sweeper, new_work, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 5)})
    crm.changed = {
        "1": clock() - timedelta(minutes=30),
        "2": clock() - timedelta(minutes=20),
    } | dict.fromkeys("34", clock() - FIRST - timedelta(hours=1))
    sweeper.sweep(new_work(crm))
    clock.advance(minutes=15)
    crm.changed["3"] = clock() - timedelta(minutes=1)
    asked = []
    listed = crm.list_ids
    crm.list_ids = lambda *a, since, **k: asked.append(since) or listed(*a, since=since, **k)

    assert sweeper.sweep(new_work(crm)) == 2  # "2" again, within the overlap
    assert asked[0] == clock() - timedelta(minutes=35) - OVERLAP


def test_s030_a_quiet_accounts_last_records_are_not_read_again_and_again(
    sweeper, new_work, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 60)})
    crm.changed = {str(i): clock() - timedelta(seconds=i) for i in range(1, 51)}
    counts = []
    for minute in range(10):
        if minute == 3:  # the index was late
            crm.changed["51"] = clock() - timedelta(minutes=4)
        counts.append(sweeper.sweep(new_work(crm)))
        clock.advance(minutes=1)
    assert counts == [50, 50, 50, 51, 51, 51, 51, 0, 0, 0]

    crm.changed["52"] = clock()
    clock.advance(minutes=1)
    assert sweeper.sweep(new_work(crm)) == 1
    crm.changed["53"] = clock() - timedelta(minutes=4)
    assert sweeper.sweep(new_work(crm)) == 2  # 52 and 53


def test_s030_a_sweep_that_breaks_off_keeps_what_it_found(
    sweeper, new_work, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 6)})
    crm.changed = {str(i): clock() - timedelta(minutes=10 - i) for i in range(1, 6)}
    crm.list_faults = [None, TransientCrmError("503")]
    with pytest.raises(TransientCrmError):
        sweeper.sweep(new_work(crm))
    assert due_ids(store, clock) == ["1", "2"]

    assert sweeper.sweep(new_work(crm)) == 5
    assert len(due_ids(store, clock)) == 5


def test_s030_after_a_receiver_was_off_for_two_hours_one_sweep_scores_everything(
    new_worker, sweeper, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 40)})
    crm.changed = {str(i): clock() - timedelta(minutes=3 * i) for i in range(1, 40)}
    new_worker(crm, sweeper=sweeper)
    ends = time.monotonic() + 10
    while len(crm.held) < 39 and time.monotonic() < ends:
        time.sleep(0.02)

    assert len(crm.held) == 39


def test_live_inquiries_go_before_swept_ones_and_those_before_a_backfill(store, clock):
    def ring(lane, *ids):
        marks = [
            DueMark(
                account_id="portal",
                object_type="contact",
                record_id=i,
                cause="changed",
                since_at=None,
                lane=lane,
            )
            for i in ids
        ]
        store.due.mark(marks, clock())
        clock.advance(seconds=1)

    ring(Lane.BACKFILL, "1", "2", "3")
    ring(Lane.LATER, "4", "2")
    ring(Lane.LIVE, "5", "3")
    ring(Lane.BACKFILL, "5")  # it stays where it is

    assert due_ids(store, clock) == ["3", "5", "2", "4", "1"]
    assert due_ids(store, clock, last=Lane.LATER) == ["3", "5", "2", "4"]
    beside = {("contact", "3"), ("contact", "2")}
    assert [c.record_id for c in store.due.claim("portal", 2, clock(), beside=beside)[1]] == [
        "5",
        "4",
    ]
    assert store.due.waiting("portal", clock()) == 5


def test_s030_a_backfill_that_is_killed_goes_on_where_it_was(
    filler, store, clock, new_work, fake_crm, record
):
    crm = fake_crm({str(i): record() for i in range(1, 8)})
    work = new_work(crm)
    assert not filler.begin(work)
    assert filler.step(work)
    assert filler.step(work)
    assert filler.progress(work).marked == 4

    other = Backfiller(listings=store.listings, due=store.due, clock=clock)
    assert other.begin(work)
    while other.step(work):
        pass
    now = other.progress(work)
    assert (now.marked, now.waiting, now.total, now.is_listed) == (7, 7, 7, True)
    assert due_ids(store, clock) == [str(i) for i in range(1, 8)]


def test_a_backfill_waits_while_much_is_due_or_the_day_is_nearly_spent(
    filler, store, clock, new_work, fake_crm, record, monkeypatch
):
    crm = fake_crm({str(i): record() for i in range(1, 20)})
    work = new_work(crm)
    filler.begin(work)
    monkeypatch.setattr("webhooks.backfill.MOST_WAITING", 3)
    assert filler.step(work)
    assert filler.step(work)
    assert not filler.step(work)
    monkeypatch.setattr("webhooks.backfill.MOST_WAITING", 30)
    crm.hurries = False
    assert not filler.step(work)
    crm.hurries = True
    assert filler.step(work)


def test_a_new_backfill_begins_at_the_first_record(filler, new_work, fake_crm, record):
    crm = fake_crm({str(i): record() for i in range(1, 4)})
    work = new_work(crm)
    filler.begin(work)
    while filler.step(work):
        pass
    assert not filler.begin(work)
    assert filler.progress(work).marked == 0


def test_an_account_of_another_name_is_refused(new_work, fake_crm):
    works = [new_work(fake_crm({})), new_work(fake_crm({}), name="org")]
    assert [work.name for work in chosen(works, "")] == ["portal", "org"]
    assert [work.name for work in chosen(works, "org")] == ["org"]
    with pytest.raises(KeyError):
        chosen(works, "nobody")


def test_several_full_batches_are_in_the_crm_at_once_and_no_record_in_two(
    new_worker, fake_crm, record, store, clock
):
    crm = fake_crm({str(i): record() for i in range(1, 41)}, batch_size=5)
    now, most = [0], [0]

    def slow():
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.05)
        now[0] -= 1

    crm.before_read = slow
    marks = [
        DueMark(
            account_id="portal",
            object_type="contact",
            record_id=str(i),
            cause="changed",
            since_at=None,
        )
        for i in range(1, 41)
    ]
    store.due.mark(marks, clock())
    new_worker(crm)
    ends = time.monotonic() + 10
    while len(crm.held) < 40 and time.monotonic() < ends:
        time.sleep(0.02)

    assert len(crm.held) == 40
    assert 2 <= most[0] <= 4
    read = [i for batch in crm.reads for i in batch]
    assert len(read) == len(set(read)) == 40


def test_s030_sweeping_twice_at_once_moves_the_mark_forward_only(store, clock):
    store.listings.set_swept("portal", "contact", clock())
    store.listings.set_swept("portal", "contact", clock() - timedelta(hours=1))

    assert store.listings.swept_until("portal", "contact") == clock()


def test_s030_a_sweep_that_finds_nothing_moves_no_mark(
    sweeper, new_work, fake_crm, record, store, clock
):
    """The mark is the CRM's time: our clock may be days ahead, and would hide what comes."""
    crm = fake_crm({"1": record()})
    crm.changed = {"1": clock() - FIRST - timedelta(hours=1)}

    assert sweeper.sweep(new_work(crm)) == 0
    assert store.listings.swept_until("portal", "contact") is None


def test_s030_sweeps_go_on_after_the_store_was_away(
    new_worker, sweeper, fake_crm, record, store, accounts, clock, monkeypatch
):
    crm = fake_crm({str(i): record() for i in range(1, 4)})
    crm.changed = {str(i): clock() - timedelta(minutes=i) for i in range(1, 4)}
    due, failed = accounts.sweeps_due, []

    def away(before):
        if len(failed) < 2:
            failed.append(before)
            raise ConnectionError("MARKER")
        return due(before)

    monkeypatch.setattr(accounts, "sweeps_due", away)
    monkeypatch.setattr("webhooks.worker.SWEEP_LOOK_S", 0.01)
    new_worker(crm, sweeper=sweeper)
    ends = time.monotonic() + 10
    while len(crm.held) < 3 and time.monotonic() < ends:
        time.sleep(0.02)

    assert len(failed) == 2
    assert len(crm.held) == 3


def test_s028_a_sweep_neither_hammers_a_crm_that_failed_nor_one_that_rests(
    new_worker, sweeper, fake_crm, record, accounts, clock, monkeypatch
):
    monkeypatch.setattr("webhooks.worker.SWEEP_LOOK_S", 0.01)
    failing, resting = fake_crm({}), fake_crm({})
    asked = {"portal": 0, "org": 0}
    for name, crm in (("portal", failing), ("org", resting)):

        def ask(*_, name=name, **__):
            asked[name] += 1
            raise TransientCrmError("503")

        crm.list_ids = ask
    accounts.pause("org", clock() + timedelta(minutes=5), "503")
    new_worker(failing, resting, sweeper=sweeper)
    time.sleep(0.6)

    assert asked == {"portal": 1, "org": 0}
    # What failed is not taken for done: another worker, or this one in a minute, sweeps it.
    assert "portal" in accounts.sweeps_due(clock())


def test_each_account_is_swept_in_its_own_time(fake_crm, clock, new_worker, sweeper, monkeypatch):
    """An account that nothing tells us of is asked every minute, others every 15."""
    monkeypatch.setattr("webhooks.worker.SWEEP_LOOK_S", 0.02)
    crms = [fake_crm({}), fake_crm({})]
    lists = {id(crm): 0 for crm in crms}
    for crm in crms:
        listed = crm.list_ids

        def counting(*given, _crm=crm, _listed=listed, **more):
            lists[id(_crm)] += 1
            return _listed(*given, **more)

        crm.list_ids = counting
    new_worker(*crms, sweeper=sweeper, portal={"sweep_every": timedelta(minutes=1)})

    def swept():
        return [lists[id(crm)] for crm in crms]

    ends = time.monotonic() + 10
    while 0 in swept() and time.monotonic() < ends:
        time.sleep(0.02)
    first = swept()
    clock.advance(minutes=2)
    ends = time.monotonic() + 10
    while swept()[0] == first[0] and time.monotonic() < ends:
        time.sleep(0.02)
    time.sleep(0.2)
    assert swept()[0] > first[0]
    assert swept()[1] == first[1]


def test_s030_a_sweep_that_takes_long_holds_up_no_other_account(
    new_worker, sweeper, fake_crm, record, clock, monkeypatch
):
    monkeypatch.setattr("webhooks.worker.SWEEP_LOOK_S", 0.02)
    slow, quick = fake_crm({}), fake_crm({})
    blocked, going = threading.Event(), threading.Event()
    listed = slow.list_ids

    def slowly(*given, **options):
        blocked.set()
        going.wait(10)
        return listed(*given, **options)

    asked = []
    quickly = quick.list_ids
    slow.list_ids = slowly
    quick.list_ids = lambda *a, **k: asked.append(1) or quickly(*a, **k)
    new_worker(slow, quick, sweeper=sweeper)
    try:
        assert blocked.wait(5)
        for count in (1, 2, 3):
            ends = time.monotonic() + 5
            while len(asked) < count and time.monotonic() < ends:
                time.sleep(0.01)
            assert len(asked) >= count
            clock.advance(minutes=16)
    finally:
        going.set()
