"""Set-up of an org: what doctor finds, and what provision makes, with and without the right."""

import time
from datetime import UTC, datetime

import pytest

from config.fields import DEFAULT_OUTPUTS
from integrations.base import Change
from integrations.errors import AccessError
from integrations.registry import build_client
from integrations.salesforce.checks import Wanted, check
from integrations.salesforce.setup import SalesforceSetup, advice_of
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running

WRITTEN = DEFAULT_OUTPUTS["salesforce"]
ORG = "00D8d000000HLs1EAG"


def now():
    return datetime.fromtimestamp(time.time(), UTC)


@pytest.fixture
def org(org_at):
    """Return what starts a pretend org and a client of it."""
    open_ones = []

    def start(account=None, **settings):
        simulator = SalesforceSimulator(
            SalesforceSettings(consumer_key="k", consumer_secret="s", **settings), now=now
        )
        context = running(simulator)
        client = build_client(
            org_at(context.__enter__(), **(account or {})),
            {"consumer_key": "k", "consumer_secret": "s"},
            clock=time.monotonic,
            sleep=lambda _s: None,
            now=now,
        )
        open_ones.append((context, client))
        return simulator, client

    yield start
    for context, client in open_ones:
        client.close()
        context.__exit__(None, None, None)


def looked_at(client, **changes):
    wanted = {
        "organization_id": ORG,
        "api_version": "63.0",
        "objects": ("Lead",),
        "read": ("Description", "Email"),
        "written": WRITTEN,
        "activities": ("Task", "Event"),
    }
    found = check(client, Wanted(**{**wanted, **changes}))
    return {each.check: each for each in found}


def wrong(found):
    return {name: each.detail for name, each in found.items() if not each.ok}


def test_whole_org_has_nothing_wrong(org):
    _, client = org()
    found = looked_at(client)
    assert wrong(found) == {}
    assert "a sandbox" in found["organization"].detail
    assert "99,9" in found["daily calls"].detail


@pytest.mark.parametrize(
    ("changes", "settings", "name", "advice"),
    [
        ({"api_version": "20.0"}, {}, "API version", 'set api_version = "68.0"'),
        ({"organization_id": "00D8d000000HLs2EAG"}, {}, "organization", "correct organization_id"),
        ({"record_types": ("Nobody",)}, {}, "record types", "no such record type: Nobody"),
        ({"related": {"Referral__c": "Lead__c"}}, {}, "related Referral__c", "no such object"),
        ({}, {"hidden_fields": ("CallType",)}, "activities Task", "may not see CallType"),
        ({}, {"hidden_fields": ("Email",)}, "reads Lead.Email", "counts as empty"),
        (
            {},
            {"encrypted_fields": ("Lead_Score__c",)},
            "writes Lead.Lead_Score__c",
            "cannot be sorted",
        ),
        (
            {},
            {"encrypted_fields": ("Lead_Score_Tier__c",)},
            "writes Lead.Lead_Score_Tier__c",
            "cannot be filtered",
        ),
        ({}, {"daily_calls": 10}, "daily calls", "backfills wait"),
    ],
)
def test_each_fault_is_found_alone_and_says_what_to_do(org, changes, settings, name, advice):
    _, client = org(**settings)
    if "daily_calls" in settings:
        for _ in range(8):
            client.describe("Lead")
    found = wrong(
        looked_at(client, **changes) if not settings.get("daily_calls") else _few(client)
    )
    assert set(found) == {name}
    assert advice in found[name]


def _few(client):
    """Look with two calls: more would use up the day."""
    from integrations.salesforce.checks import _limits  # noqa: PLC0415

    finding = _limits(client)
    return {finding.check: finding}


def test_professional_edition_is_told_that_it_is_swept(org):
    _, client = org(edition="Professional Edition")
    assert "only_swept = true" in looked_at(client)["edition"].detail


def test_encrypted_input_is_read_in_clear(org):
    _, client = org(encrypted_fields=("Email",))
    found = looked_at(client)
    assert wrong(found) == {}
    assert "Shield" in found["reads Lead.Email"].detail


def test_missing_fields_are_made_granted_and_can_be_written(org):
    simulator, client = org(provisioned=False)
    setup = SalesforceSetup(client)
    assert len(setup.plan(("Lead", "Contact"), WRITTEN).steps) == 2 * len(WRITTEN)
    made = setup.provision(("Lead", "Contact"), WRITTEN)
    texts = [step.text for step in made.steps]
    assert "field Lead.Lead_Score__c (number)" in texts
    assert "access to Contact.Lead_Score_Tier__c" in texts
    assert wrong(looked_at(client, objects=("Lead", "Contact"))) == {}
    (one,) = simulator.create_leads([{"LastName": "Invented", "Company": "-"}])
    values = {"Lead_Score__c": 71, "Lead_Score_Tier__c": "hot", "Lead_Score_Reasons__c": "+5 a"}
    assert client.write("Lead", [Change(record_id=one, properties=values)]).written == {one}
    before = client.calls()["provision"]
    assert not setup.provision(("Lead", "Contact"), WRITTEN).steps
    assert client.calls()["provision"] == before


def test_fields_that_are_there_and_hidden_are_granted_only(org):
    _, client = org(provisioned=True, hidden_fields=("Lead_Score__c",))
    made = SalesforceSetup(client).provision(("Lead",), WRITTEN)
    assert [step.text for step in made.steps] == ["access to Lead.Lead_Score__c"]
    assert wrong(looked_at(client)) == {}


def test_user_who_may_not_customise_is_told_what_to_do(org):
    _, client = org(provisioned=False, may_customize=False)
    with pytest.raises(AccessError) as caught:
        SalesforceSetup(client).provision(("Lead",), WRITTEN)
    assert "deploy the package" in advice_of(caught.value)


def test_field_of_another_type_is_a_problem_and_stays(org):
    _, client = org()
    plan = SalesforceSetup(client).plan(("Lead",), {"score": "Description"})
    assert not plan.steps
    assert "its type is textarea" in plan.problems[0]


def test_person_accounts_have_the_fields_of_contacts(org):
    _, client = org({"objects": ["Account"]}, provisioned=False)
    plan = SalesforceSetup(client).plan(("Account", "Contact"), {"score": "Lead_Score__c"})
    assert [step.text for step in plan.steps] == ["field Contact.Lead_Score__c (number)"]
