from datetime import timedelta

import pytest
from sqlalchemy import text

from store.audit import Act
from store.erasure import Record
from store.retention import Periods

ACT = Act(account_id="portal", actor="ada", act="dead_letter.replayed", object_type="contact")


@pytest.fixture
def audit(store):
    return store.audit


@pytest.fixture
def trail(store, audit, clock):
    """A trail of twenty rows whose head was kept at row 12."""
    for place in range(1, 21):
        clock.advance(minutes=1)
        audit.record(
            Act(account_id="portal", actor="ada", act="test", record_id=str(place)), clock()
        )
        if place == 12:
            audit.keep_heads()
    return audit


def tamper(store, statement):
    with store.databases.ledger.begin() as connection:
        connection.execute(text(statement))


def test_s073_a_row_says_who_did_what_to_which_object_and_when(audit, clock):
    act = Act(
        account_id="portal",
        actor="ada",
        act="lead.shown",
        object_type="contact",
        record_id="501",
        fields="insurance_status,message",
        outcome="refused",
        count=3,
    )
    audit.record(act, clock())

    [row] = audit.rows("portal")
    assert (row.seq, row.at, row.act) == (1, clock(), act)


def test_s073_an_act_that_cannot_be_recorded_does_not_happen(store, audit, clock):
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    tamper(store, "DROP TABLE audit")

    def act():
        with store.databases.ledger.begin() as connection:
            connection.execute(text("UPDATE account SET failures = 7"))
            audit.append(connection, ACT, clock())

    with pytest.raises(Exception, match="audit"):
        act()
    with store.databases.ledger.begin() as connection:
        assert connection.execute(text("SELECT failures FROM account")).scalars().all() == [0]


def test_s074_an_honest_trail_holds(trail):
    trail.keep_heads()

    assert trail.verify("portal") == (20, None)
    assert trail.accounts() == ["portal"]


def test_s074_trails_of_accounts_are_apart(trail, audit, clock):
    audit.record(Act(account_id="org", actor="ada", act="test"), clock())

    assert audit.verify("org") == (1, None)
    assert audit.verify("portal") == (20, None)


@pytest.mark.parametrize(
    ("statement", "row", "words"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 7", 7, "changed"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", 5, "changed"),
        ("DELETE FROM audit WHERE seq = 9", 9, "missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "missing"),
        (
            "UPDATE audit SET seq = CASE seq WHEN 3 THEN -4 WHEN 4 THEN -3 END WHERE seq IN (3, 4)",
            1,
            "missing",
        ),
        ("DELETE FROM audit WHERE seq > 11", 12, "cut"),
        ("DELETE FROM audit", 1, "cut"),
    ],
    ids=["edited", "time edited", "deleted", "first deleted", "swapped", "cut", "emptied"],
)
def test_s074_tampering_is_found_at_its_row(store, trail, statement, row, words):
    tamper(store, statement)

    _, broken = trail.verify("portal")
    assert broken is not None
    assert (broken.seq, words in broken.what) == (row, True)


def test_s074_swapped_contents_are_found(store, trail):
    tamper(
        store,
        "UPDATE audit SET record_id = CASE seq WHEN 3 THEN '4' ELSE '3' END WHERE seq IN (3, 4)",
    )

    assert trail.verify("portal")[1].seq == 3


def test_s074_a_row_put_in_is_found(store, trail):
    tamper(store, "UPDATE audit SET seq = -seq WHERE seq > 6")
    tamper(store, "UPDATE audit SET seq = -seq + 1 WHERE seq < 0")
    tamper(
        store,
        "INSERT INTO audit (account_id, seq, at, actor, act, chain_hash)"
        " SELECT account_id, 7, at, actor, act, chain_hash FROM audit WHERE seq = 6",
    )

    assert trail.verify("portal")[1].seq == 7


def test_s074_a_trail_written_anew_differs_from_the_kept_head(store, trail, clock):
    """Somebody with the database and our code, but a day late: the head was kept elsewhere."""
    tamper(store, "DELETE FROM audit WHERE seq > 10")
    for _ in range(10):
        trail.record(ACT, clock())

    _, broken = trail.verify("portal")
    assert (broken.seq, "anew" in broken.what) == (12, True)


def test_s074_a_database_rolled_back_behind_a_kept_head_is_found(store, trail):
    trail.keep_heads()
    tamper(store, "DELETE FROM audit WHERE seq > 15")

    count, broken = trail.verify("portal")
    assert (count, broken.seq) == (15, 16)


def test_heads_are_kept_once_and_readable_by_the_owner_only(trail):
    trail.keep_heads()
    trail.keep_heads()

    assert len(trail._heads.read_text().splitlines()) == 2
    assert trail._heads.stat().st_mode & 0o077 == 0


def test_s075_the_trail_outlives_every_period_and_every_erasure(store, audit, clock, trail):
    """Kept for good, so for six years as well: a purge and an erasure only add rows."""
    before, _ = audit.verify("portal")
    clock.advance(days=6 * 366)
    gone = timedelta(0)
    for _ in range(3):
        store.retention.purge(Periods(deliveries=gone, facts=gone, history=gone), clock())
    store.erasure.erase([Record("portal", "contact", "501")], "ada", clock())

    rows, broken = audit.verify("portal")
    assert broken is None
    assert rows > before
