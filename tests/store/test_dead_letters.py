import pytest
from sqlalchemy import text

from store.dead_letters import Filter, UnreadableEvent, add_record
from store.due import Claim


@pytest.fixture
def letters(store, clock):
    """Three records of two accounts and one event."""
    with store.databases.ledger.begin() as connection:
        for account, record, code in (
            ("portal", "501", "refused_validation_error"),
            ("portal", "502", "not_scored"),
            ("org", "00Q8d0000001aBC", "not_scored"),
        ):
            claim = Claim(
                record_id=record,
                cause="changed",
                version=1,
                attempts=4,
                first_failed_at=None,
                since_at=None,
            )
            add_record(connection, account, "contact", claim, error_code=code, now=clock())
    store.dead_letters.add_events(
        [
            UnreadableEvent(
                account_id="portal", delivery_id="0192", place="body[3]", received_at=clock()
            )
        ]
    )
    return store.dead_letters


def waiting(store, account, clock):
    return store.due.waiting(account, clock())


def test_s032_dead_letters_are_found_by_account_and_code(letters):
    assert len(letters.find(Filter(), 10)) == 4
    assert {x.record_id for x in letters.find(Filter(account_id="portal"), 10)} == {
        "501",
        "502",
        "",
    }
    assert len(letters.find(Filter(error_code="not_scored"), 10)) == 2
    assert len(letters.find(Filter(), 2)) == 2


def test_s032_a_replayed_record_is_due_again_with_new_tries_and_the_act_is_recorded(
    letters, store, clock
):
    [letter] = letters.find(Filter(id="contact:501"), 1)
    letters.replay([letter], "ada", clock())

    _, [claim] = store.due.claim("portal", 10, clock())
    assert (claim.record_id, claim.cause, claim.attempts) == ("501", "replayed", 0)
    assert letters.find(Filter(id="contact:501"), 1) == []
    [row] = store.audit.rows("portal")
    assert (row.act.actor, row.act.act, row.act.record_id) == (
        "ada",
        "dead_letter.replayed",
        "501",
    )


def test_s032_a_purged_record_is_forgotten_and_the_act_is_recorded(letters, store, clock):
    letters.purge(letters.find(Filter(account_id="org"), 10), "ada", clock())

    assert letters.find(Filter(account_id="org"), 10) == []
    assert waiting(store, "org", clock) == 0
    assert [row.act.act for row in store.audit.rows("org")] == ["dead_letter.purged"]


def test_s073_without_a_trail_nothing_is_replayed_or_purged(letters, store, clock):
    with store.databases.ledger.begin() as connection:
        connection.execute(text("DROP TABLE audit"))
    found = letters.find(Filter(), 10)

    for act in (letters.replay, letters.purge):
        with pytest.raises(Exception, match="audit"):
            act(found, "ada", clock())

    assert letters.find(Filter(), 10) == found
    assert waiting(store, "portal", clock) == 0


def test_a_record_that_failed_again_after_the_look_is_not_forgotten(letters, store, clock):
    [letter] = letters.find(Filter(id="contact:502"), 1)
    clock.advance(seconds=1)
    claim = Claim(
        record_id="502",
        cause="changed",
        version=2,
        attempts=0,
        first_failed_at=None,
        since_at=None,
    )
    with store.databases.ledger.begin() as connection:
        add_record(connection, "portal", "contact", claim, error_code="not_scored", now=clock())
    letters.purge([letter], "ada", clock())

    assert len(letters.find(Filter(id="contact:502"), 1)) == 1
