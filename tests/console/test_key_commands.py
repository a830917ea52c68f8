"""`leadscore keys` as a person types it."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from console.cli import main
from store.audit import SYSTEM
from store.keys import keys_from_file, new_key_file
from store.rooms import open_store
from webhooks.wiring import utc_now


@pytest.fixture
def key_file(tmp_path, database_url, monkeypatch):
    path = tmp_path / "keys" / "master.key"
    new_key_file(path, utc_now().date() - timedelta(days=3))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LEADSCORE_MASTER_KEY_FILE", str(path))
    monkeypatch.setenv("LEADSCORE_AUDIT_HEADS", str(tmp_path / "elsewhere" / "heads"))
    store = open_store(database_url, keys_from_file(path), tmp_path / "elsewhere" / "heads")
    store.inbox.append(account_id="portal", kind="hubspot", body=b"body", at=utc_now())
    store.close()
    return path


@pytest.fixture
def run(key_file):
    def run_it(*args, expect=0):
        found = CliRunner().invoke(main, ["keys", *args])
        assert found.exit_code == expect, found.output
        assert keys_from_file(key_file).keys[keys_from_file(key_file).primary].hex() not in (
            found.output
        )
        return found.output

    return run_it


def states(run):
    return {row["number"]: row["state"] for row in json.loads(run("list", "--json"))}


def test_s050_list_shows_number_state_age_and_who_needs_it(run):
    [row] = json.loads(run("list", "--json"))

    assert (row["number"], row["state"], row["age_days"]) == (1, "primary", 3)
    assert row["wraps"] == {"leads": 0, "deliveries": 1}
    assert "3 days" in run("list")


def test_s050_rotate_then_retire_and_each_act_is_audited(run, key_file, database_url, tmp_path):
    assert "1 data keys wrapped anew, 0 left" in run("rotate")
    assert states(run) == {1: "decrypt-only", 2: "primary"}
    run("retire", "1", "--yes")
    assert states(run) == {1: "retired", 2: "primary"}

    store = open_store(database_url, keys_from_file(key_file), tmp_path / "elsewhere" / "heads")
    acts = [(row.act.act, row.act.fields) for row in store.audit.rows(SYSTEM)]
    assert acts == [
        ("keys.primary", "key 2"),
        ("keys.rewrapped", "key 2"),
        ("keys.retired", "key 1"),
    ]
    assert store.audit.verify(SYSTEM) == (3, None)
    assert [item.body for item in store.inbox.waiting(9)] == [b"body"]
    store.close()


def test_s050_a_rotation_that_was_killed_goes_on_with_the_same_key(run, key_file):
    keys_from_file(key_file).source.change(
        lambda keys: keys.with_pending(utc_now().date()).with_pending_as_primary()
    )

    assert "going on with key 2" in run("rotate")
    assert states(run) == {1: "decrypt-only", 2: "primary"}


def test_s050_a_prepared_key_is_the_next_one(run):
    assert "key 2 is pending" in run("prepare")
    assert "key 2 is pending" in run("prepare")
    assert states(run) == {1: "primary", 2: "pending"}
    run("rotate")
    assert states(run) == {1: "decrypt-only", 2: "primary"}


def test_s050_a_needed_or_primary_key_is_not_retired(run, key_file):
    run("retire", "1", "--yes", expect=2)
    keys_from_file(key_file).source.change(
        lambda keys: keys.with_pending(utc_now().date()).with_pending_as_primary()
    )

    assert "still wraps 1 keys" in run("retire", "1", "--yes", expect=1)
    assert states(run) == {1: "decrypt-only", 2: "primary"}


def test_s050_a_needed_key_that_is_not_here_is_named(run, key_file):
    key_file.write_text(key_file.read_text("ascii").replace("1 primary", "7 primary"), "ascii")

    assert {
        row["number"]: row["state"] for row in json.loads(run("list", "--json", expect=1))
    } == {1: "missing", 7: "primary"}


def test_s051_keys_of_the_environment_are_turned_by_hand(run, key_file, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADSCORE_MASTER_KEY", key_file.read_text("ascii"))
    assert "--to FILE" in run("rotate", expect=2)
    new = tmp_path / "new.key"
    assert "then run again" in run("rotate", "--to", str(new))
    assert new.stat().st_mode & 0o777 == 0o600

    monkeypatch.setenv("LEADSCORE_MASTER_KEY", new.read_text("ascii"))
    assert "going on with key 2" in run("rotate")
    assert states(run) == {1: "decrypt-only", 2: "primary"}


def test_s051_two_sources_at_once_are_a_wrong_configuration(run, monkeypatch):
    monkeypatch.setenv("LEADSCORE_MASTER_KEY", "5a" * 32)
    monkeypatch.setenv("LEADSCORE_MASTER_KEY_KEYRING", "clinic")

    assert "set one of" in run("list", expect=2)
