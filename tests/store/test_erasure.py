"""A record that is erased is gone with its key, and does not come back (S56, S57)."""

import pytest
from sqlalchemy import text

from store.due import Claim, DueMark, Lane
from store.engine import reading
from store.leads import Batch, ScoredLead
from store.tombstones import Record, Tombstone, TombstoneFile

MARIA = Record("portal", "contact", "501")
TABLES = ("lead", "score_history", "outcome", "due", "dead_letter")


@pytest.fixture
def lease(store):
    store.accounts.ensure([("portal", "hubspot", "1"), ("other", "hubspot", "2")])
    return store.accounts.take("portal", "one")


def claim(record_id="501"):
    return Claim(
        record_id=record_id,
        cause="changed",
        version=1,
        attempts=0,
        first_failed_at=None,
        since_at=None,
    )


def scored(record_id="501"):
    return ScoredLead(
        claim=claim(record_id),
        score=50,
        tier="warm",
        model_version="m",
        valid_until=None,
        respond_by=None,
        first_response_at=None,
        facts=b"invented facts",
        reasons=b"reasons",
        written_hash=None,
    )


def mark(record_id="501", account="portal", lane=Lane.LIVE):
    return DueMark(
        account_id=account,
        object_type="contact",
        record_id=record_id,
        cause="changed",
        since_at=None,
        lane=lane,
    )


def rows(store, table, record_id="501"):
    with reading(store.databases.ledger).connect() as connection:
        return connection.execute(
            text(f"SELECT count(*) FROM {table} WHERE record_id = :r"),  # noqa: S608
            {"r": record_id},
        ).scalar_one()


def fill(store, lease, clock, *ids):
    for record_id in ids:
        batch = Batch(object_type="contact", scored=[scored(record_id)])
        store.leads.save(lease, batch, {}, clock())
        batch = Batch(object_type="contact", dead=[(claim(record_id), "not_scored")])
        store.leads.save(lease, batch, {}, clock())
        with store.databases.ledger.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO outcome (account_id, object_type, record_id, happened_at, kind,"
                    " source) VALUES ('portal', 'contact', :r, 1, 'booked', 'crm')"
                ),
                {"r": record_id},
            )
    store.due.mark([mark(i) for i in ids], clock())


def test_s056_everything_of_the_record_goes_and_nothing_of_another(store, lease, clock):
    fill(store, lease, clock, "501", "502")
    done = store.erasure.erase([MARIA], "ada", clock())

    assert (done.records, done.rows, done.is_filed) == (1, 5, True)
    assert [rows(store, table) for table in TABLES] == [0] * 5
    assert [rows(store, table, "502") for table in TABLES] == [1] * 5
    assert store.erasure.clear()


def test_s056_an_erasure_is_all_or_nothing(store, lease, clock):
    fill(store, lease, clock, "501")
    with store.databases.ledger.begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO hidden"))

    with pytest.raises(Exception, match="audit"):
        store.erasure.erase([MARIA], "ada", clock())
    assert [rows(store, table) for table in TABLES] == [1] * 5


def test_s056_it_can_be_repeated_and_is_audited_once_without_the_id(store, lease, clock):
    fill(store, lease, clock, "501")
    store.erasure.erase([MARIA, MARIA], "ada", clock())
    again = store.erasure.erase([MARIA], "ada", clock())

    assert (again.records, again.rows) == (0, 0)
    [row] = store.audit.rows("portal")
    assert (row.act.act, row.act.record_id, row.act.count) == ("record.erased", "", 5)
    assert store.audit.verify("portal") == (1, None)
    assert len(TombstoneFile(store.erasure._file.path).read()) == 1


def test_s056_no_later_event_sweep_backfill_or_replay_marks_it_due(store, lease, clock):
    fill(store, lease, clock, "501")
    letters = store.dead_letters.find(_everything(), 9)
    store.erasure.erase([MARIA], "ada", clock())

    store.due.mark([mark(), mark("502"), mark(account="other")], clock())
    store.due.mark([mark(lane=Lane.LATER)], clock())
    store.listings.begin("portal", "contact", clock())
    store.listings.advance("portal", "contact", ["501"], cursor=None, total=1, now=clock())
    store.dead_letters.replay(letters, "ada", clock())
    store.due.mark_known("portal", "rescored", clock())

    assert [c.record_id for c in store.due.claim("portal", 9, clock())[1]] == ["502"]
    assert [c.record_id for c in store.due.claim("other", 9, clock())[1]] == ["501"]


def _everything():
    from store.dead_letters import Filter  # noqa: PLC0415

    return Filter()


def test_s056_a_worker_that_held_it_stores_nothing_of_it(store, lease, clock):
    fill(store, lease, clock, "501", "502")
    states = store.leads.states("portal", "contact", ["501", "502", "503"])
    store.erasure.erase([MARIA, Record("portal", "contact", "503")], "ada", clock())

    batch = Batch(
        object_type="contact",
        scored=[scored("501"), scored("502")],
        dead=[(claim("503"), "not_scored")],
    )
    store.leads.save(lease, batch, states, clock())

    assert [rows(store, table) for table in TABLES] == [0] * 5
    assert [rows(store, table, "503") for table in TABLES] == [0] * 5
    assert rows(store, "lead", "502") == 1


def test_s056_old_ciphertext_is_unreadable_and_its_key_is_in_no_file(
    store, lease, clock, database_url, tmp_path
):
    fill(store, lease, clock, "501", "502")
    with reading(store.databases.ledger).connect() as connection:
        wrapped, facts = connection.execute(
            text("SELECT wrapped_key, sealed_facts FROM lead WHERE record_id = '501'")
        ).one()
    store.erasure.erase([MARIA], "ada", clock())
    assert store.erasure.clear()

    assert store.leads.facts("portal", "contact", "501") is None
    if database_url.startswith("sqlite"):
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert (tmp_path / "data" / "leadscore.db-wal").stat().st_size == 0
        for content in (path.read_bytes() for path in files):
            for residue in (wrapped, wrapped[6:40], wrapped[-48:], facts, facts[22:60]):
                assert bytes(residue) not in content
    else:
        with store.databases.ledger.connect() as connection:
            dead = connection.execute(
                text("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'lead'")
            ).scalar_one()
        assert dead == 0


def test_s057_an_unwritable_file_is_told_and_made_up_for(store, lease, clock):
    file = store.erasure._file
    file.path.parent.mkdir(exist_ok=True)
    file.path.mkdir()
    assert not store.erasure.erase([MARIA], "ada", clock()).is_filed

    file.path.rmdir()
    assert store.erasure.file_all() == 1
    assert store.erasure.file_all() == 0
    assert len(file.read()) == 1


def test_s057_a_line_that_was_cut_off_spoils_no_other(tmp_path, clock):
    file = TombstoneFile(tmp_path / "keys" / "tombstones")
    stones = [Tombstone("portal", bytes([n]) * 32, clock()) for n in range(3)]
    file.append(stones[:1])
    with file.path.open("ab") as cut:
        cut.write(b'{"account": "portal", "rec')
    file.append(stones[1:])

    assert file.read() == stones
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_s057_what_is_in_the_file_is_erased_from_an_older_copy(store, lease, clock):
    fill(store, lease, clock, "501", "502")
    store.erasure.erase([MARIA], "ada", clock())
    # The copy is from before: the record is there, the tombstone is not.
    with store.databases.ledger.begin() as connection:
        connection.execute(text("DELETE FROM tombstone"))
    fill(store, lease, clock, "501")

    assert store.erasure.apply_file("ada", clock()) == 1
    assert [rows(store, table) for table in TABLES] == [0] * 5
    assert [rows(store, table, "502") for table in TABLES] == [1] * 5
    store.due.mark([mark()], clock())
    assert rows(store, "due") == 0
