"""`leadscore erase` as a person types it."""

import pytest
from click.testing import CliRunner

from console.cli import main
from store.due import DueMark
from store.keys import keys_from_file, new_key_file
from store.rooms import open_store
from store.tombstones import TombstoneFile
from webhooks.wiring import utc_now


@pytest.fixture
def open_(tmp_path, database_url, monkeypatch):
    key, heads = tmp_path / "keys" / "master.key", tmp_path / "elsewhere" / "heads"
    new_key_file(key)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LEADSCORE_MASTER_KEY_FILE", str(key))
    monkeypatch.setenv("LEADSCORE_AUDIT_HEADS", str(heads))
    store = open_store(database_url, keys_from_file(key), heads)
    store.accounts.ensure([("portal", "hubspot", "1"), ("org", "salesforce", "2")])
    store.due.mark([mark("portal", "contact", "501")], utc_now())
    store.close()
    return lambda: open_store(database_url, keys_from_file(key), heads)


def mark(account, object_type, record_id):
    return DueMark(
        account_id=account,
        object_type=object_type,
        record_id=record_id,
        cause="created",
        since_at=None,
    )


def erase(*args, expect=0, answer=None):
    found = CliRunner().invoke(main, ["erase", *args], input=answer)
    assert found.exit_code == expect, found.output
    return found.output


def test_s056_erase_asks_and_then_forgets(open_, tmp_path):
    erase("portal", "contact", "501", expect=1, answer="n\n")
    assert "erased portal contact 501: 1 rows" in erase("portal", "Contact", "501", "--yes")
    assert "erased before" in erase("portal", "contact", "501", "--yes")

    store = open_()
    store.due.mark([mark("portal", "contact", "501")], utc_now())
    assert store.due.waiting("portal", utc_now()) == 0
    assert [row.act.act for row in store.audit.rows("portal")] == ["record.erased"]
    store.close()
    assert len(TombstoneFile(tmp_path / "elsewhere" / "tombstones").read()) == 1
    assert "501" not in (tmp_path / "elsewhere" / "tombstones").read_text("utf-8")


def test_s056_a_salesforce_id_of_15_letters_is_the_one_of_18(open_):
    erase("org", "lead", "00Q8d0000001aBC", "--yes")

    store = open_()
    store.due.mark([mark("org", "Lead", "00Q8d0000001aBCEAY")], utc_now())
    assert store.due.waiting("org", utc_now()) == 0
    store.close()


@pytest.mark.parametrize(
    "args",
    [
        ("nobody", "contact", "501"),
        ("portal", "deal", "501"),
        ("portal", "contact", "0501"),
        ("portal", "contact", "x"),
        ("org", "Lead", "501"),
    ],
)
def test_s056_what_names_no_record_is_refused(open_, args):
    erase(*args, "--yes", expect=2)


def test_s057_a_tombstone_file_that_cannot_be_written_is_a_finding(open_, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADSCORE_TOMBSTONES", str(tmp_path))

    assert "cannot be written" in erase("portal", "contact", "501", "--yes", expect=1)
