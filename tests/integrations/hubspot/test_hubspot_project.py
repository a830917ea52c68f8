"""The app project that a practice uploads: what `leadscore app hubspot` writes."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.load import load_models, parse_practice
from console.cli import main
from integrations.hubspot.events import Portal, read_event
from integrations.hubspot.project import APP_FILE, PRACTICE_FILE, WEBHOOKS_FILE
from integrations.payload import Payload
from integrations.setting_up import hubspot_app

ROOT = Path(__file__).parents[3]
APP = ROOT / "integrations" / "hubspot" / "app"
STARTER = (ROOT / "config" / "starter.toml").read_text("utf-8")
OAUTH = STARTER.replace(
    'access_token = { env = "HUBSPOT_ACCESS_TOKEN" }',
    'auth = "oauth"\nclient_id = "invented-client-id"',
)


def project_of(text, **more):
    practice = parse_practice(text, "practice.toml")
    return hubspot_app(practice, practice.accounts[0], load_models(practice, ROOT), **more)


def subscriptions(project):
    return json.loads(project.files[WEBHOOKS_FILE])["config"]["subscriptions"]


def changes(project):
    return [
        each["propertyName"]
        for each in subscriptions(project)["legacyCrmObjects"]
        if each["subscriptionType"] == "contact.propertyChange"
    ]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return what runs the command in an empty folder that holds practice.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "practice.toml").write_text(STARTER, "utf-8")
    return lambda *words: CliRunner().invoke(main, ["app", "hubspot", *words])


def test_the_project_in_the_tree_is_that_of_the_starter_configuration():
    project = project_of(STARTER)
    there = {
        path.relative_to(APP).as_posix(): path.read_text("utf-8")
        for path in APP.rglob("*")
        if path.is_file()
    }
    oauth = there.pop("oauth/app-hsmeta.json")

    assert there == project.files, "run: make app"
    assert oauth == project_of(OAUTH).files[APP_FILE]


def test_each_mapped_property_is_subscribed_once_and_none_that_we_write():
    practice = parse_practice(STARTER, "practice.toml")
    project = project_of(STARTER)
    mapped = {source.property for source in practice.fields["hubspot"].values()}

    assert sorted(changes(project)) == sorted(mapped)
    assert not set(changes(project)) & set(practice.outputs(practice.accounts[0]).values())
    assert project.left_out == ()


def test_a_property_is_subscribed_once_however_many_fields_it_feeds():
    text = STARTER.replace('service_line = "service_line"', 'service_line = "inquiry_type"')

    assert changes(project_of(text)).count("inquiry_type") == 1


def test_what_hubspot_sends_no_change_of_is_left_out_and_said():
    text = STARTER.replace('"num_conversion_events"', '"num_unique_conversion_events"')
    project = project_of(text)

    assert "num_unique_conversion_events" not in changes(project)
    assert project.left_out == ("num_unique_conversion_events",)


def test_no_happening_is_subscribed_in_two_forms():
    found = subscriptions(project_of(STARTER))

    assert "contact" not in {each["objectType"] for each in found["crmObjects"]}
    kinds = [json.dumps(each, sort_keys=True) for group in found.values() for each in group]
    assert len(kinds) == len(set(kinds))


def test_every_subscription_is_one_that_our_adapter_acts_on():
    portal = Portal(
        account="a", portal_id="1", app_id="2", secrets=["s"], webhook_url="https://x", written=()
    )
    ids = {"call": "0-48", "email": "0-49", "meeting": "0-47", "communication": "0-18"}
    for group in subscriptions(project_of(STARTER)).values():
        for each in group:
            event = {
                "subscriptionType": each["subscriptionType"],
                "objectId": 5,
                "primaryObjectId": 5,
                "mergedObjectIds": [6],
                "fromObjectId": 5,
                "toObjectId": 7,
                "associationType": "CONTACT_TO_DEAL",
                "objectTypeId": ids.get(each.get("objectType")),
                "propertyName": each.get("propertyName"),
            }
            event = {name: value for name, value in event.items() if value is not None}

            assert read_event(Payload.from_json(json.dumps(event).encode()), portal), each


def test_emails_are_asked_for_only_where_they_are_read():
    text = STARTER.replace(
        'crm = "hubspot"\n', 'crm = "hubspot"\nfirst_response_from = ["call"]\n', 1
    )
    practice = parse_practice(text, "practice.toml")
    model = load_models(practice, ROOT)
    silent = dataclasses.replace(model, rules=model.rules[:1])
    project = hubspot_app(practice, practice.accounts[0], silent)

    assert "sales-email-read" in project_of(STARTER).scopes
    assert "sales-email-read" not in project.scopes
    assert {each["objectType"] for each in subscriptions(project)["crmObjects"]} == {"call"}


def test_the_card_reads_the_practices_own_names():
    text = STARTER.replace(
        'crm = "hubspot"\n', 'crm = "hubspot"\noutputs = { score = "booking_score" }\n', 1
    )

    assert '"score": "booking_score"' in project_of(text).files[PRACTICE_FILE]


def test_an_app_with_a_journal_has_no_webhooks():
    text = OAUTH.replace('crm = "hubspot"\n', 'crm = "hubspot"\njournal = true\n', 1)
    project = project_of(text)

    assert WEBHOOKS_FILE not in project.files
    assert project.subscriptions == []


def test_subscriptions_of_an_older_project_are_removed_only_with_force(run, tmp_path):
    assert run("--out", "mine").exit_code == 0
    text = OAUTH.replace('crm = "hubspot"\n', 'crm = "hubspot"\njournal = true\n', 1)
    (tmp_path / "practice.toml").write_text(text, "utf-8")

    kept = run("--out", "mine")
    is_kept = (tmp_path / "mine" / WEBHOOKS_FILE).exists()
    forced = run("--out", "mine", "--force")

    assert (kept.exit_code, is_kept) == (1, True)
    assert "webhooks-hsmeta.json" in kept.output
    assert (forced.exit_code, (tmp_path / "mine" / WEBHOOKS_FILE).exists()) == (0, False)


def test_sensitive_outputs_need_the_scopes_for_them():
    text = STARTER.replace(
        'crm = "hubspot"\n', 'crm = "hubspot"\nsensitive_outputs = ["reasons"]\n', 1
    )

    assert "crm.objects.contacts.sensitive.write" in project_of(text).scopes
    assert not [scope for scope in project_of(STARTER).scopes if "sensitive" in scope]


def test_the_command_says_what_it_wrote_and_what_comes_next(run, tmp_path):
    done = run("--out", "mine")

    assert done.exit_code == 0
    assert "hs project upload" in done.output
    assert (tmp_path / "mine" / WEBHOOKS_FILE).exists()
    assert run("--out", "mine").exit_code == 0, "the same text may be written again"


def test_files_that_differ_are_kept_without_force(run, tmp_path):
    place = tmp_path / "mine" / "hsproject.json"
    place.parent.mkdir()
    place.write_text("somebody else's", "utf-8")

    done = run("--out", "mine")

    assert done.exit_code == 1
    assert "hsproject.json" in done.output
    assert place.read_text("utf-8") == "somebody else's"
    assert [path.name for path in place.parent.iterdir()] == ["hsproject.json"]
    assert run("--out", "mine", "--force").exit_code == 0
    assert "platformVersion" in place.read_text("utf-8")


def test_an_account_that_is_not_there_is_said_with_those_that_are(run):
    done = run("--account", "hubspto")

    assert done.exit_code == 2
    assert "did you mean 'hubspot'" in done.output


def test_subscriptions_are_told_as_they_are_written():
    project = project_of(STARTER)
    config = json.loads(project.files[WEBHOOKS_FILE])["config"]["subscriptions"]
    assert len(project.subscriptions) == sum(map(len, config.values()))
    told = set(project.subscriptions)
    assert {
        "contact.privacyDeletion",
        "contact.propertyChange message",
        "object.creation call",
        "object.propertyChange call hs_call_disposition",
    } <= told
