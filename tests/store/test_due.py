import dataclasses
import threading
from datetime import timedelta

import pytest

from store.due import DueMark, Lane, Retry, finish


@pytest.fixture
def due(store):
    return store.due


@pytest.fixture
def ends(store):
    """Return what ends claims in a transaction of their own."""

    def end(done=(), retries=(), of_type="contact"):
        with store.databases.ledger.begin() as connection:
            finish(connection, "portal", of_type, done=list(done), retries=list(retries))

    return end


def mark(record_id="501", *, cause="changed", since=None, of_type="contact", account="portal"):
    return DueMark(
        account_id=account, object_type=of_type, record_id=record_id, cause=cause, since_at=since
    )


def test_s022_32_threads_that_mark_one_record_make_one_row(due, clock):
    def send():
        for _ in range(3):
            due.mark([mark(), mark(), mark()], clock())

    threads = [threading.Thread(target=send) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    _, claims = due.claim("portal", 100, clock())
    assert [claim.record_id for claim in claims] == ["501"]
    assert claims[0].version == 32 * 3


def test_s022_repeats_after_an_hour_make_one_row_again(due, ends, clock):
    due.mark([mark()], clock())
    _, [claim] = due.claim("portal", 9, clock())
    ends(done=[(claim, None)])
    assert due.waiting("portal", clock()) == 0

    clock.advance(hours=1)
    due.mark([mark(), mark()], clock())
    due.mark([mark()], clock())
    assert due.waiting("portal", clock()) == 1


def test_s022_an_event_between_claim_and_finish_keeps_the_record_due(due, ends, clock):
    due.mark([mark()], clock())
    _, [claim] = due.claim("portal", 9, clock())
    due.mark([mark(cause="merged")], clock())
    ends(done=[(claim, None)])

    _, [again] = due.claim("portal", 9, clock())
    assert (again.cause, again.version) == ("merged", claim.version + 1)


def test_s022_an_event_in_between_is_not_put_off_by_decay_or_retry(due, ends, clock):
    later = clock() + timedelta(days=3)
    for how in ("decay", "retry"):
        due.mark([mark()], clock())
        _, [claim] = due.claim("portal", 9, clock())
        due.mark([mark()], clock())
        if how == "decay":
            ends(done=[(claim, later)])
        else:
            retry = Retry(claim=claim, due_at=later, error_code="x", first_failed_at=clock())
            ends(retries=[retry])

        _, [again] = due.claim("portal", 9, clock())
        assert (again.version, again.attempts) == (claim.version + 1, 0)
        ends(done=[(again, None)])


def test_an_event_brings_a_waiting_retry_forward_and_starts_its_tries_anew(due, ends, clock):
    due.mark([mark(since=clock())], clock())
    _, [claim] = due.claim("portal", 9, clock())
    at = clock() + timedelta(hours=5)
    ends(retries=[Retry(claim=claim, due_at=at, error_code="busy", first_failed_at=clock())])
    assert due.claim("portal", 9, clock()) == ("", [])
    assert due.next_at("portal") == at

    arrived = clock()
    clock.advance(minutes=1)
    due.mark([mark(since=clock())], clock())
    _, [again] = due.claim("portal", 9, clock())
    assert (again.attempts, again.first_failed_at) == (0, None)
    assert again.since_at == arrived  # the oldest event not yet answered


def test_a_retry_keeps_its_count_and_its_first_failure(due, ends, clock):
    due.mark([mark()], clock())
    first = clock()
    for tried in range(1, 4):
        _, [claim] = due.claim("portal", 9, clock())
        assert claim.attempts == tried - 1
        clock.advance(seconds=10)
        ends(retries=[Retry(claim=claim, due_at=clock(), error_code="x", first_failed_at=first)])
    _, [claim] = due.claim("portal", 9, clock())

    assert (claim.attempts, claim.first_failed_at) == (3, first)


def test_a_late_mark_does_not_put_an_earlier_due_time_off(due, clock):
    due.mark([mark()], clock())
    due.mark([mark()], clock() + timedelta(hours=1))

    assert due.next_at("portal") == clock()


def test_a_claim_is_of_one_type_one_account_and_the_longest_due_first(due, clock):
    due.mark([mark("3", of_type="Lead"), mark("4", account="other")], clock())
    for record_id in ("9", "5", "7"):
        clock.advance(seconds=1)
        due.mark([mark(record_id), mark("L" + record_id, of_type="Contact")], clock())
    clock.advance(seconds=1)

    of_type, claims = due.claim("portal", 2, clock())
    assert of_type == "Lead"
    assert [claim.record_id for claim in claims] == ["3"]


def test_what_is_not_due_yet_is_not_claimed(due, ends, clock):
    due.mark([mark()], clock())
    _, [claim] = due.claim("portal", 9, clock())
    ends(done=[(claim, clock() + timedelta(seconds=10))])

    assert due.claim("portal", 9, clock()) == ("", [])
    clock.advance(seconds=10)
    _, [again] = due.claim("portal", 9, clock())
    assert (again.cause, again.since_at) == ("decay", None)


def test_accounts_with_something_due_are_named_those_with_live_inquiries_first(
    due, store, practice, clock
):
    store.accounts.ensure((a.name, a.crm, a.external_id) for a in practice.accounts)

    def ring(account, lane, at):
        mark = DueMark(
            account_id=account,
            object_type="contact",
            record_id="1",
            cause="changed",
            since_at=None,
            lane=lane,
        )
        due.mark([mark], at)

    assert due.accounts(clock()) == []
    ring("org", Lane.BACKFILL, clock())
    ring("portal", Lane.LATER, clock() + timedelta(minutes=1))
    assert due.accounts(clock()) == ["org"]
    clock.advance(minutes=1)
    assert due.accounts(clock()) == ["portal", "org"]
    ring("org", Lane.LIVE, clock())
    assert due.accounts(clock()) == ["org", "portal"]


@pytest.mark.parametrize(
    ("causes", "stays"),
    [
        ("created changed", "created"),
        ("changed created", "created"),
        ("activity changed created", "activity"),
        ("changed activity", "activity"),
        ("created changed activity", "activity"),
        ("decay changed", "changed"),
        ("written_late created changed", "written_late"),
        ("swept changed", "swept"),
        ("created swept changed", "created"),
        ("activity swept", "activity"),
        ("decay swept", "swept"),
        ("changed deleted", "deleted"),
    ],
)
def test_a_plain_change_hides_no_other_cause_in_one_mark_or_in_several(due, clock, causes, stays):
    marks = [mark(cause=cause) for cause in causes.split()]
    due.mark(marks, clock())
    for one in marks:
        due.mark([dataclasses.replace(one, record_id="502")], clock())
    _, claims = due.claim("portal", 9, clock())

    assert [claim.cause for claim in claims] == [stays, stays]


def test_a_sweep_that_finds_a_failing_record_leaves_its_tries_and_their_time_alone(
    due, clock, ends
):
    due.mark([mark(cause="changed")], clock())
    _, [claim] = due.claim("portal", 9, clock())
    later = clock() + timedelta(minutes=10)
    again = Retry(claim=claim, due_at=later, error_code="not_written", first_failed_at=clock())
    ends(retries=[again])

    due.mark([mark(cause="swept")], clock())
    assert due.claim("portal", 9, clock())[1] == []
    [claim] = due.claim("portal", 9, later)[1]
    assert (claim.attempts, claim.first_failed_at) == (1, clock())

    due.mark([mark(cause="changed")], clock())  # a person may have mended it: at once
    [claim] = due.claim("portal", 9, clock())[1]
    assert (claim.attempts, claim.first_failed_at) == (0, None)
