"""The commands as a person types them, over a database made by the store."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from console.cli import main
from console.remedies import in_words
from store.dead_letters import UnreadableEvent, add_record
from store.due import Claim
from store.keys import keys_from_file, new_key_file
from store.rooms import open_store
from webhooks.wiring import utc_now

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


@pytest.fixture
def env(tmp_path, monkeypatch):
    key = tmp_path / "keys" / "master.key"
    new_key_file(key)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/data/leadscore.db")
    monkeypatch.setenv("LEADSCORE_MASTER_KEY_FILE", str(key))
    monkeypatch.setenv("LEADSCORE_AUDIT_HEADS", str(tmp_path / "elsewhere" / "heads"))
    return tmp_path


@pytest.fixture
def opened(env):
    """Return what opens the store of the commands."""

    def open_():
        return open_store(
            f"sqlite:///{env}/data/leadscore.db",
            keys_from_file(env / "keys" / "master.key"),
            env / "elsewhere" / "heads",
        )

    return open_


@pytest.fixture
def letters(opened):
    """A record, an event of a kept delivery, and a delivery in quarantine."""
    store = opened()
    claim = Claim(
        record_id="501",
        cause="changed",
        version=1,
        attempts=4,
        first_failed_at=None,
        since_at=None,
    )
    with store.databases.ledger.begin() as connection:
        add_record(
            connection, "portal", "contact", claim, error_code="refused_validation", now=NOON
        )
    kept = store.inbox.append(account_id="portal", kind="hubspot", body=b"MARKER kept", at=NOON)
    bad = store.inbox.append(account_id="portal", kind="hubspot", body=b"MARKER bad", at=NOON)
    with store.inbox.take(10) as taken:
        waiting = {item.id: item for item in taken.deliveries}
        taken.unpacked(waiting[kept])
        taken.quarantine(waiting[bad], "body: not JSON")
    event = UnreadableEvent(
        account_id="portal", delivery_id=kept, place="body[3]", received_at=NOON
    )
    store.dead_letters.add_events([event])
    store.close()
    return {
        "record": "portal/contact:501",
        "event": f"portal/{kept}:body[3]",
        "bad": f"portal/delivery:{bad}",
    }


def run(*args, expect=0):
    found = CliRunner().invoke(main, ["dead-letters", *args])
    assert found.exit_code == expect, found.output
    return found.output


def test_s032_all_kinds_are_listed_with_reason_and_remedy(letters):
    found = json.loads(run("list", "--json", expect=1))

    assert {letter["id"] for letter in found} == set(letters.values())
    assert all(letter["meaning"] and letter["remedy"] for letter in found)


def test_a_person_sees_a_table(letters, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    output = run("list", expect=1)

    assert "portal/contact:501" in output
    assert "What to do" in output
    assert "3 dead letters" in output


def test_without_dead_letters_the_exit_code_is_0(env):
    assert run("list") == "no dead letters\n"


def test_s032_one_is_explained(letters):
    assert "refused to read or write" in run("show", letters["record"])
    assert "no such dead letter" in run("show", "portal/contact:999", expect=1)


def test_s032_replay_of_a_record_an_event_and_a_delivery(letters, opened):
    run("replay", *letters.values())

    store = opened()
    assert store.due.waiting("portal", utc_now()) == 1
    assert {item.body for item in store.inbox.waiting(10)} == {b"MARKER kept", b"MARKER bad"}
    assert [row.act.act for row in store.audit.rows("portal")] == [
        "dead_letter.replayed",
        "dead_letter.replayed",
        "delivery.replayed",
    ]
    assert store.audit.verify("portal") == (3, None)
    store.close()
    assert run("list") == "no dead letters\n"


def test_s032_purge_asks_first_and_leaves_the_kept_delivery(letters, opened):
    found = CliRunner().invoke(main, ["dead-letters", "purge", "--all"], input="n\n")
    assert found.exit_code == 1
    run("purge", "--all", "--yes")

    store = opened()
    assert store.inbox.waiting(10) == []
    assert store.inbox.counts()["quarantined"] == 0
    store.close()
    assert run("list") == "no dead letters\n"


def test_a_filter_chooses_what_is_replayed(letters):
    assert "replayed 1;" in run("replay", "--code", "refused_validation")
    assert len(json.loads(run("list", "--json", expect=1))) == 2


def test_nothing_is_replayed_without_saying_what(letters):
    run("replay", expect=2)


def test_s074_the_trail_of_the_commands_is_verified_and_exported(letters):
    run("replay", "--all")

    verified = CliRunner().invoke(main, ["audit", "verify", "--json"])
    assert (verified.exit_code, json.loads(verified.output)["ok"]) == (0, True)
    exported = CliRunner().invoke(main, ["audit", "export"])
    rows = [json.loads(line) for line in exported.output.splitlines()]
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert all(row["actor"] for row in rows)


def test_every_code_has_words_and_a_remedy():
    for code in ("unreadable", "not_scored", "key_missing", "refused_x", "anything", "changed"):
        assert all(in_words(code))
