import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from store.accounts import LEASE_S, Accounts, LeaseLostError, require
from store.due import WRITTEN_LATE, DueMark
from store.leads import Batch, ScoredLead


class Ticks:
    """A monotonic clock that stands until it is moved."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def accounts(store, ticks):
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    return Accounts(store.databases.ledger, ticks)


@pytest.fixture
def take_over(accounts, ticks):
    """Return what takes an account whose holder gives no sign of life any more."""

    def take(owner):
        assert accounts.take("portal", owner) is None
        ticks.now += LEASE_S
        return accounts.take("portal", owner)

    return take


def scored(claim, *, score=50, facts=b"{}"):
    return ScoredLead(
        claim=claim,
        score=score,
        tier="warm",
        model_version="m",
        valid_until=None,
        respond_by=None,
        first_response_at=None,
        facts=facts,
        reasons=b"[]",
        written_hash=b"h" * 32,
    )


@pytest.fixture
def claim(store, accounts, clock):
    store.due.mark(
        [
            DueMark(
                account_id="portal",
                object_type="contact",
                record_id="501",
                cause="created",
                since_at=None,
            )
        ],
        clock(),
    )
    return store.due.claim("portal", 9, clock())[1][0]


def test_s026_an_account_is_leased_to_one_worker(accounts):
    assert accounts.take("portal", "one").fence == 1
    assert accounts.take("portal", "two") is None
    assert accounts.take("nobody", "two") is None


def test_s026_a_dead_workers_account_is_taken_over_after_a_lease_without_a_beat(accounts, ticks):
    accounts.take("portal", "one")
    assert accounts.take("portal", "two") is None
    ticks.now += LEASE_S - 0.001
    assert accounts.take("portal", "two") is None
    ticks.now += 0.001

    assert accounts.take("portal", "two").fence == 2


def test_s026_a_renewed_lease_is_not_taken_over(accounts, ticks):
    lease = accounts.take("portal", "one")
    for _ in range(5):
        assert accounts.take("portal", "two") is None
        ticks.now += LEASE_S - 1
        assert lease in accounts.renew(lease.owner)

    assert accounts.take("portal", "two") is None


def test_s026_a_lost_lease_can_neither_be_renewed_nor_released(accounts, take_over):
    late = accounts.take("portal", "one")
    take_over("two")

    assert late not in accounts.renew(late.owner)
    accounts.release(late)
    assert accounts.take("portal", "three") is None


def test_a_released_account_is_free_at_once(accounts):
    accounts.release(accounts.take("portal", "one"))

    assert accounts.take("portal", "two").fence == 2


def test_s026_of_many_that_would_take_over_one_does(store, accounts, ticks):
    accounts.take("portal", "dead")
    others = [Accounts(store.databases.ledger, ticks) for _ in range(12)]
    assert [each.take("portal", str(n)) for n, each in enumerate(others)] == [None] * 12
    ticks.now += LEASE_S
    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(lambda n: others[n].take("portal", str(n)), range(12)))

    assert [lease.fence for lease in taken if lease] == [2]


@pytest.mark.parametrize("jump", [timedelta(days=10), timedelta(days=-10)])
def test_s031_a_jump_of_the_wall_clock_neither_frees_a_lease_nor_blocks_it(
    store, accounts, ticks, clock, claim, jump
):
    lease = accounts.take("portal", "one")
    assert accounts.take("portal", "two") is None
    clock.now += jump
    assert accounts.take("portal", "two") is None
    store.leads.save(lease, Batch(object_type="contact", gone=[claim]), {}, clock())

    clock.now -= 2 * jump
    ticks.now += LEASE_S
    assert accounts.take("portal", "two").fence == 2


def test_s026_a_late_worker_cannot_store_what_it_scored(store, accounts, claim, clock, take_over):
    late = accounts.take("portal", "one")
    newer = take_over("two")
    batch = Batch(object_type="contact", scored=[scored(claim)])
    store.leads.save(
        newer, Batch(object_type="contact", scored=[scored(claim, score=70)]), {}, clock()
    )

    with pytest.raises(LeaseLostError):
        store.leads.save(late, batch, {}, clock() + timedelta(seconds=1))
    with pytest.raises(LeaseLostError):
        store.leads.expect_write(late, "contact", ["501"])
    state = store.leads.states("portal", "contact", ["501"])["501"]
    assert (state.score, state.written_hash) == (70, b"h" * 32)


def test_s026_nobody_takes_the_account_over_between_the_check_and_the_commit(
    store, accounts, claim, clock, take_over
):
    late = accounts.take("portal", "one")
    order = []
    with store.databases.ledger.begin() as connection:
        require(connection, late)
        other = threading.Thread(target=lambda: (take_over("two"), order.append("taken")))
        other.start()
        other.join(0.3)
        order.append("committed")
    other.join(6)

    assert order == ["committed", "taken"]


def test_s026_a_refused_commit_leaves_the_record_due(store, accounts, claim, clock, take_over):
    late = accounts.take("portal", "one")
    take_over("two")

    for batch in (
        Batch(object_type="contact", scored=[scored(claim)]),
        Batch(object_type="contact", gone=[claim]),
        Batch(object_type="contact", dead=[(claim, "x")]),
    ):
        with pytest.raises(LeaseLostError):
            store.leads.save(late, batch, {}, clock())
    assert store.due.waiting("portal", clock()) == 1
    assert store.dead_letters.counts() == {}


def test_i007_what_a_late_worker_wrote_is_written_again_whatever_comes_in_between(
    store, accounts, claim, clock, take_over
):
    late = accounts.take("portal", "one")
    assert not store.leads.written_late(late, "contact", ["501"], clock())
    newer = take_over("two")
    store.leads.save(newer, Batch(object_type="contact", scored=[scored(claim)]), {}, clock())

    assert store.leads.written_late(late, "contact", ["501"], clock())
    mark = DueMark(
        account_id="portal",
        object_type="contact",
        record_id="501",
        cause="changed",
        since_at=clock(),
    )
    store.due.mark([mark], clock())
    [again] = store.due.claim("portal", 9, clock())[1]
    assert (again.cause, again.since_at) == (WRITTEN_LATE, clock())


def test_a_pause_is_kept_until_a_call_works_again(accounts, clock):
    assert accounts.paused("portal") is None
    until = clock() + timedelta(seconds=30)
    accounts.pause("portal", until, "503")
    accounts.pause("portal", until, "503")

    assert accounts.paused("portal").failures == 2
    accounts.resume("portal")
    assert accounts.paused("portal") is None


def test_accounts_made_again_keep_what_they_had(accounts):
    accounts.take("portal", "one")
    accounts.ensure([("portal", "hubspot", "4000001"), ("org", "salesforce", "00D")])

    assert accounts.take("portal", "two") is None
    assert accounts.take("org", "two")


def test_s026_all_leases_of_a_worker_are_renewed_at_once_and_no_others(accounts, ticks):
    accounts.ensure([("org", "salesforce", "00D8d000000HLs1")])
    mine = {accounts.take("portal", "one"), accounts.take("org", "one")}
    assert accounts.renew("one") == mine
    assert accounts.renew("two") == set()


def test_s030_of_several_workers_one_sweeps_an_account_in_its_turn(accounts, clock):
    before = clock() - timedelta(minutes=15)
    assert accounts.begin_sweep("portal", before, clock())
    assert not accounts.begin_sweep("portal", before, clock())
    assert not accounts.begin_sweep("nobody", before, clock())
    clock.advance(minutes=16)
    assert accounts.begin_sweep("portal", clock() - timedelta(minutes=15), clock())
    accounts.set_swept("portal", clock() - timedelta(hours=1))
    assert accounts.begin_sweep("portal", clock() - timedelta(minutes=15), clock())
