from datetime import timedelta

import pytest

from store.accounts import LEASE_S, LeaseLostError
from store.due import DueMark
from store.leads import Batch, ScoredLead


@pytest.fixture
def accounts(store):
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    return store.accounts


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


def test_s026_an_account_is_leased_to_one_worker(accounts, clock):
    assert accounts.take("portal", "one", clock()).fence == 1
    assert accounts.take("portal", "two", clock()) is None
    assert accounts.take("nobody", "two", clock()) is None


def test_s026_a_dead_workers_account_is_taken_over_when_its_lease_ends(accounts, clock):
    accounts.take("portal", "one", clock())
    clock.advance(seconds=LEASE_S - 0.001)
    assert accounts.take("portal", "two", clock()) is None
    clock.advance(seconds=0.001)

    assert accounts.take("portal", "two", clock()).fence == 2


def test_s026_a_renewed_lease_is_not_taken_over(accounts, clock):
    lease = accounts.take("portal", "one", clock())
    for _ in range(5):
        clock.advance(seconds=LEASE_S - 1)
        assert accounts.renew(lease, clock())

    assert accounts.take("portal", "two", clock()) is None


def test_s026_a_lost_lease_can_neither_be_renewed_nor_released(accounts, clock):
    late = accounts.take("portal", "one", clock())
    clock.advance(seconds=LEASE_S)
    accounts.take("portal", "two", clock())

    assert not accounts.renew(late, clock())
    accounts.release(late)
    assert accounts.take("portal", "three", clock()) is None


def test_a_released_account_is_free_at_once(accounts, clock):
    accounts.release(accounts.take("portal", "one", clock()))

    assert accounts.take("portal", "two", clock()).fence == 2


def test_s026_a_late_worker_cannot_store_what_it_scored(store, accounts, claim, clock):
    late = accounts.take("portal", "one", clock())
    clock.advance(seconds=LEASE_S)
    newer = accounts.take("portal", "two", clock())
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


def test_s026_a_refused_commit_leaves_the_record_due(store, accounts, claim, clock):
    late = accounts.take("portal", "one", clock())
    clock.advance(seconds=LEASE_S)
    accounts.take("portal", "two", clock())

    for batch in (
        Batch(object_type="contact", scored=[scored(claim)]),
        Batch(object_type="contact", gone=[claim]),
        Batch(object_type="contact", dead=[(claim, "x")]),
    ):
        with pytest.raises(LeaseLostError):
            store.leads.save(late, batch, {}, clock())
    assert store.due.waiting("portal", clock()) == 1
    assert store.dead_letters.counts() == {}


def test_a_pause_is_kept_until_a_call_works_again(accounts, clock):
    assert accounts.paused("portal") is None
    until = clock() + timedelta(seconds=30)
    accounts.pause("portal", until, "503")
    accounts.pause("portal", until, "503")

    assert accounts.paused("portal").failures == 2
    accounts.resume("portal")
    assert accounts.paused("portal") is None


def test_accounts_made_again_keep_what_they_had(accounts, clock):
    accounts.take("portal", "one", clock())
    accounts.ensure([("portal", "hubspot", "4000001"), ("org", "salesforce", "00D")])

    assert accounts.take("portal", "two", clock()) is None
    assert accounts.take("org", "two", clock())
