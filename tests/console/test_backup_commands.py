"""`leadscore backup` and `restore` as a person types them."""

import json

import pytest
from click.testing import CliRunner

from console.cli import main
from store.keys import keys_from_file, new_key_file
from store.rooms import open_store
from webhooks.wiring import utc_now


@pytest.fixture
def folder(tmp_path, monkeypatch):
    key = tmp_path / "keys" / "master.key"
    new_key_file(key)
    url = f"sqlite:///{tmp_path}/data/leadscore.db"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("LEADSCORE_MASTER_KEY_FILE", str(key))
    monkeypatch.setenv("LEADSCORE_AUDIT_HEADS", str(tmp_path / "keys" / "heads"))
    store = open_store(url, keys_from_file(key), tmp_path / "keys" / "heads")
    store.inbox.append(account_id="portal", kind="hubspot", body=b"body", at=utc_now())
    store.close()
    return tmp_path


def run(*args, expect=0):
    found = CliRunner().invoke(main, list(args))
    assert found.exit_code == expect, found.output
    return found.output


def test_s033_backup_then_restore_elsewhere_and_in_place(folder):
    copy = str(folder / "copy")
    assert "it needs master key: 1" in run("backup", copy)
    assert "exists" in run("backup", copy, expect=1)
    assert "not empty" in run("restore", copy, expect=1)
    elsewhere = f"sqlite:///{folder}/second/leadscore.db"
    told = json.loads(run("restore", copy, "--into", elsewhere, "--json"))
    assert (told["keys_opened"], told["erased"]) == (1, 0)
    assert "moved away" in run("restore", copy, "--force")

    assert "hold" in run("audit", "verify")
    store = open_store(
        f"sqlite:///{folder}/data/leadscore.db",
        keys_from_file(folder / "keys" / "master.key"),
        folder / "keys" / "heads",
    )
    assert [item.body for item in store.inbox.waiting(9)] == [b"body"]
    store.close()


def test_s052_a_copy_beside_the_keys_is_a_finding(folder):
    assert "master.key" in run("backup", str(folder / "keys" / "copy"), expect=1)


def test_s033_what_is_no_backup_is_refused(folder):
    assert "no backup of ours" in run("restore", str(folder), expect=1)
    assert "kind" not in run("restore", str(folder), "--into", "mysql://x", expect=2)
