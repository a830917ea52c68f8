"""One inventory lists each key, its algorithm, purpose and age, and never a key (S55, S52)."""

import json
from datetime import date

import pytest
from click.testing import CliRunner

from config.load import parse_practice
from config.settings import Settings
from console.cli import main
from console.doctor import _places
from console.key_inventory import inventory
from store.keys import KeyFile, MasterKeys, new_key_file
from store.rooms import open_store

DAY = date(2026, 11, 20)


def test_s055_the_inventory_of_a_clinic(database_url, tmp_path, clock, practice):
    keys = MasterKeys(2, {1: b"\x5a" * 32, 2: b"\xa5" * 32}, made_on={2: DAY})
    store = open_store(database_url, keys, tmp_path / "apart" / "heads")
    store.inbox.append(account_id="portal", kind="hubspot", body=b"body", at=clock())
    clock.advance(days=3)
    rows = inventory(store, keys, practice, clock())
    store.close()

    told = [
        (row["name"], row["algorithm"], row["state"], row["age_days"], row["uses"]) for row in rows
    ]
    assert told == [
        ("master key 1", "AES-256-GCM", "decrypt-only", None, 0),
        ("master key 2", "AES-256-GCM", "primary", 6, 1),
        ("hash key", "HMAC-SHA256", "derived from master key 1", None, None),
        ("delivery keys", "AES-256-GCM", "in use", 3, 2**14),
        ("lead keys", "AES-256-GCM", "in use", None, 0),
        ("portal: client_secret", "HMAC-SHA256", "in use", None, None),
        ("portal: client_secret_next", "HMAC-SHA256", "in use", None, None),
        ("portal: access_token", "none", "in use", None, None),
        ("org: path_token", "none", "in use", None, None),
        ("org: consumer_key", "none", "in use", None, None),
        ("org: consumer_secret", "none", "in use", None, None),
    ]
    assert all(row["purpose"] for row in rows)
    assert "5a5a" not in json.dumps(rows)
    assert "a5a5" not in json.dumps(rows)


@pytest.fixture
def clinic(tmp_path, practice_text, environment, monkeypatch):
    nowhere = practice_text.replace("https://clinic-demo.my.salesforce.com", "http://127.0.0.1:1")
    nowhere = nowhere.replace('portal_id = "', 'base_url = "http://127.0.0.1:1"\nportal_id = "')
    (tmp_path / "practice.toml").write_text(nowhere, encoding="utf-8")
    new_key_file(tmp_path / "keys" / "master.key", DAY)
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_s055_doctor_prints_it_as_json_without_a_key(clinic):
    found = CliRunner().invoke(main, ["doctor", "--json"])
    told = json.loads(found.output)

    assert [row["name"] for row in told["keys"]][:2] == ["master key 1", "hash key"]
    key = KeyFile(clinic / "keys" / "master.key").read()
    for secret in (key.keys[1].hex(), key.hash_key().hex(), "invented-client-secret"):
        assert secret not in found.output


@pytest.mark.parametrize(
    ("folder", "is_apart"), [("data", False), ("data/deeper", False), ("keys", True)]
)
def test_s052_what_lies_beside_the_database_is_a_finding(tmp_path, folder, is_apart):
    path = tmp_path / folder / "master.key"
    new_key_file(path)
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/data/leadscore.db",
        master_key_file=path,
        audit_heads_file=tmp_path / folder / "heads",
    )
    found = _places(settings, KeyFile(path).read())

    assert [finding.ok for finding in found] == [is_apart] * 3


def test_s055_the_secret_of_the_workflows_is_in_the_inventory(
    database_url, tmp_path, clock, practice_text
):
    line = 'client_secret = { env = "HS_SECRET" }'
    text = practice_text.replace(line, line + '\nworkflow_secret = { env = "HS_FLOW" }')
    keys = MasterKeys(1, {1: b"\x5a" * 32})
    store = open_store(database_url, keys, tmp_path / "apart" / "heads")
    rows = inventory(store, keys, parse_practice(text, "practice.toml"), clock())
    store.close()

    [row] = [row for row in rows if row["name"] == "portal: workflow_secret"]
    assert (row["algorithm"], row["purpose"]) == (
        "SHA-256",
        "proves what HubSpot's workflows send",
    )
