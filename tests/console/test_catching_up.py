"""`leadscore sweep`, `backfill` and `rescore` as a person types them, against a pretend HubSpot."""

import json
import threading
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from console.cli import main
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.server import running
from store.keys import keys_from_file, new_key_file
from store.rooms import open_store
from webhooks.backfill import Backfiller

PRACTICE = """
[practice]
name = "Maple Street Clinic"

[[accounts]]
name = "portal"
crm = "hubspot"
portal_id = "4000001"
app_id = "7100001"
webhook_url = "https://scores.example.com/webhooks/hubspot"
base_url = "{url}"
access_token = {{ env = "HS_TOKEN" }}
client_secret = {{ env = "HS_SECRET" }}

[fields.hubspot]
message = "message"
created_at = "createdate"
"""


def now():
    return datetime.fromtimestamp(time.time(), UTC)


@pytest.fixture
def simulator(tmp_path, monkeypatch):
    settings = HubSpotSettings(provisioned=True, access_token="pat-cli", rate_per_10s=None)
    found = HubSpotSimulator(settings, now=now)
    with running(found) as url:
        (tmp_path / "practice.toml").write_text(PRACTICE.format(url=url))
        key = tmp_path / "keys" / "master.key"
        new_key_file(key)
        monkeypatch.setenv("LEADSCORE_PRACTICE", str(tmp_path / "practice.toml"))
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/data/leadscore.db")
        monkeypatch.setenv("LEADSCORE_MASTER_KEY_FILE", str(key))
        monkeypatch.setenv("LEADSCORE_AUDIT_HEADS", str(tmp_path / "elsewhere" / "heads"))
        monkeypatch.setenv("HS_TOKEN", "pat-cli")
        monkeypatch.setenv("HS_SECRET", "invented-client-secret-0001")
        yield found


def run(*words):
    return CliRunner().invoke(main, list(words))


def scored(simulator):
    return [c for c in simulator.contacts().values() if c.get("lead_score_tier")]


def test_s030_backfill_scores_the_whole_account_and_says_so(simulator):
    simulator.create_contacts([{"message": f"May I book a cleaning? {i}"} for i in range(450)])

    result = run("backfill")

    assert result.exit_code == 0, result.output
    assert len(scored(simulator)) == 450
    assert "portal: 450 records in" in result.output
    again = run("backfill")
    assert again.exit_code == 0, again.output
    assert simulator.counters["contacts_written"] == 450  # nothing changed: nothing is written


def test_s030_a_backfill_stopped_in_the_middle_goes_on(simulator, monkeypatch):
    simulator.create_contacts([{"message": f"May I book a cleaning? {i}"} for i in range(450)])
    steps = iter(range(2))
    real_step = Backfiller.step

    def step(self, work):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return real_step(self, work)

    with monkeypatch.context() as patch:
        patch.setattr(Backfiller, "step", step)
        stopped = run("backfill")
    assert stopped.exit_code == 1
    assert "goes on from here" in stopped.output

    result = run("backfill")
    assert result.exit_code == 0, result.output
    assert "goes on where it was stopped" in result.output
    assert len(scored(simulator)) == 450


def test_sweep_finds_what_no_webhook_told_of(simulator, tmp_path):
    simulator.create_contacts([{"message": "May I book a cleaning?"}] * 3)

    result = run("sweep")

    assert result.exit_code == 0, result.output
    assert "portal: 3 records changed" in result.output


def test_sweep_says_when_the_crm_is_away(simulator):
    simulator.faults.answer("search", 503, times=100)

    result = run("sweep")

    assert result.exit_code == 3
    assert "503" in result.output


def test_an_account_that_is_not_there_is_named(simulator):
    for command in ("sweep", "backfill", "rescore"):
        result = run(command, "--account", "nobody")
        assert result.exit_code == 2
        assert "nobody" in result.output


def test_rescore_marks_every_known_record_behind_all_others(simulator, tmp_path):
    simulator.create_contacts([{"message": "May I book a cleaning?"}] * 5)
    run("backfill")

    result = run("rescore")

    assert result.exit_code == 0, result.output
    assert "portal: 5 records" in result.output
    store = open_store(
        f"sqlite:///{tmp_path}/data/leadscore.db",
        keys_from_file(tmp_path / "keys" / "master.key"),
        tmp_path / "elsewhere" / "heads",
    )
    assert store.due.waiting("portal", now()) == 5
    store.close()


def test_a_backfill_rests_while_the_crm_is_away_and_says_why(simulator):
    simulator.create_contacts([{"message": "May I book a cleaning?"}] * 5)
    simulator.faults.answer("batch/read", 429, {"policyName": "SECONDLY"}, times=8)
    done = []
    thread = threading.Thread(target=lambda: done.append(run("backfill")))
    thread.start()
    thread.join(60)

    assert done[0].exit_code == 0, done[0].output
    assert len(scored(simulator)) == 5


def test_a_backfill_that_the_crm_refuses_ends_and_says_so(simulator, monkeypatch):
    """A wrong token: nothing is due, so no worker would ever meet it and tell."""
    monkeypatch.setenv("HS_TOKEN", "pat-wrong")

    result = run("backfill")

    assert result.exit_code == 3, result.output
    assert "the CRM refuses the list" in result.output


def test_s073_backfill_and_rescore_are_in_the_audit_trail(simulator):
    simulator.create_contacts([{"message": "May I book a cleaning?"}])
    run("backfill")
    run("rescore")

    rows = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert [row["act"] for row in rows] == ["backfill.begun", "rescore.begun"]
    assert run("audit", "verify").exit_code == 0
