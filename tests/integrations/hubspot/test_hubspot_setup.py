"""`provision` and `doctor` on a pretend portal; all that passes is held against HubSpot's files."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from integrations.errors import AccessError
from integrations.hubspot import checks
from integrations.hubspot.setup import HubSpotSetup
from integrations.hubspot.vendor import VendorClient
from integrations.simulator.hubspot.settings import SCOPES

WRITTEN = {
    "score": "lead_score",
    "tier": "lead_score_tier",
    "reasons": "lead_score_reasons",
    "respond_by": "respond_by",
}
SENSITIVE = tuple(f"crm.objects.contacts.sensitive.{act}" for act in ("read", "write"))
PROPERTIES = "/crm/properties/2026-09/contacts"


@pytest.fixture
def portal(serve):
    """Return what starts a pretend portal and its set-up."""

    def start(**settings):
        simulator, _ = serve(**settings)
        client = VendorClient(simulator.url, access_token="pat-invented")

        def ask(method, path, body=None):
            headers = {"Authorization": "Bearer pat-invented"}
            url = simulator.url + PROPERTIES + path
            answer = requests.request(method, url, json=body, headers=headers, timeout=5)
            assert answer.ok, answer.text
            return answer.json()

        return simulator, client, HubSpotSetup(client), ask

    return start


def texts(plan):
    return [step.text for step in plan.steps]


def test_provision_makes_the_group_and_the_properties_once(portal):
    _, _, setup, ask = portal()
    planned = texts(setup.plan(WRITTEN))

    made = setup.provision(WRITTEN)

    tiers = "clinical, hot, warm, nurture, low, not_a_lead, unscored"
    assert texts(made) == planned
    assert planned == [
        'group lead_score ("Lead score")',
        'property lead_score "Lead score" (number)',
        f'property lead_score_tier "Lead score tier" (enumeration: {tiers})',
        'property lead_score_reasons "Lead score reasons" (string)',
        'property respond_by "Respond by" (datetime)',
    ]
    assert ask("GET", "/lead_score_tier")["groupName"] == "lead_score"
    assert setup.provision(WRITTEN).steps == []
    assert setup.plan(WRITTEN).problems == []


def test_plan_alone_makes_nothing(portal):
    simulator, _, setup, _ = portal()

    setup.plan(WRITTEN)

    methods = {each.method for each in simulator.app.wsgi_app._application.exchanges}
    assert methods == {"GET"}


def test_missing_options_are_added_and_the_others_keep_their_labels_and_places(portal):
    _, _, setup, ask = portal()
    setup.provision(WRITTEN)
    own = [
        {"value": "hot", "label": "Call now!", "displayOrder": 0, "hidden": False},
        {"value": "vip", "label": "VIP", "displayOrder": 7, "hidden": True},
        {"value": "warm", "label": "Soon", "displayOrder": 3, "hidden": False},
    ]
    ask("PATCH", "/lead_score_tier", {"options": own})

    plan = setup.provision(WRITTEN)

    assert texts(plan) == [
        "options clinical, nurture, low, not_a_lead, unscored of lead_score_tier"
    ]
    options = ask("GET", "/lead_score_tier")["options"]
    assert options[:3] == own
    added = {each["value"]: each["displayOrder"] for each in options[3:]}
    assert added == {"clinical": 8, "nurture": 9, "low": 10, "not_a_lead": 11, "unscored": 12}
    assert setup.plan(WRITTEN).steps == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jobtitle", "its type is string, must be number; a type cannot be changed"),
        ("num_notes", "nobody can write it"),
    ],
)
def test_what_cannot_be_changed_is_said_with_the_remedy(portal, name, words):
    _, _, setup, _ = portal()

    plan = setup.provision({"score": name})

    assert plan.steps == []
    [problem] = plan.problems
    assert words in problem
    assert "choose another name in `outputs`" in problem


def test_two_that_provision_at_once_do_each_other_no_harm(portal, monkeypatch):
    _, client, setup, _ = portal()
    other = HubSpotSetup(client)
    plan = setup.plan(WRITTEN)
    other.provision(WRITTEN)
    setup.plan = lambda *_: plan  # as it was before the other

    assert setup.provision(WRITTEN).steps == []


def test_sensitive_property_is_made_and_seen_where_it_is_asked_for(portal):
    _, _, setup, _ = portal(sensitive_data=True, scopes=(*SCOPES, *SENSITIVE))

    plan = setup.provision(WRITTEN, ["reasons"])

    assert 'property lead_score_reasons "Lead score reasons" (string, sensitive)' in texts(plan)
    found = setup.definitions()
    assert found["lead_score_reasons"]["dataSensitivity"] == "sensitive"
    assert found["lead_score"]["dataSensitivity"] == "non_sensitive"
    assert setup.provision(WRITTEN, ["reasons"]).steps == []
    [problem] = setup.plan(WRITTEN).problems
    assert "set only when a property is made" in problem


def test_sensitive_property_without_its_scope_is_refused_by_name(portal):
    _, _, setup, _ = portal(sensitive_data=True)

    with pytest.raises(AccessError, match="MISSING_SCOPES"):
        setup.provision({"reasons": "lead_score_reasons"}, ["reasons"])


def wanted(**changes):
    given = {
        "portal_id": "4000001",
        "webhook_url": "https://scores.example.com/webhooks/hubspot",
        "calls_per_10s": 90,
        "read": ["message", "insurance_status"],
        "written": WRITTEN,
        "sensitive": (),
        "reads_email": True,
    }
    return checks.Wanted(**{**given, **changes})


def wrong(client, wall, granted=None, **changes):
    """Return what is wrong, by check."""
    found = checks.check(client, wanted(**changes), granted=granted, now=wall)
    for finding in found:
        assert finding.ok or finding.detail, finding
    return {finding.check: finding.detail for finding in found if not finding.ok}


def test_doctor_finds_nothing_wrong_with_a_portal_that_is_set_up(portal, wall):
    _, client, setup, _ = portal()
    setup.provision(WRITTEN)

    assert wrong(client, wall) == {}


def test_doctor_finds_another_portal(portal, wall):
    _, client, setup, _ = portal()
    setup.provision(WRITTEN)

    told = wrong(client, wall, portal_id="4000002")
    assert "the token is of portal 4000001, the account says 4000002" in told["portal id"]


@pytest.mark.parametrize(("seconds", "side"), [(90, "ahead of"), (-90, "behind")])
def test_doctor_finds_a_clock_that_is_off(portal, wall, seconds, side):
    _, client, setup, _ = portal()
    setup.provision(WRITTEN)

    told = wrong(client, lambda: wall() + timedelta(seconds=seconds))
    assert side in told["clock"]
    assert "set the clock by NTP" in told["clock"]


def test_doctor_finds_a_budget_beyond_the_tier(portal, wall):
    _, client, setup, _ = portal(rate_per_10s=100)
    setup.provision(WRITTEN)

    assert (
        "set calls_per_10s to 90 or less"
        in wrong(client, wall, calls_per_10s=150)["tier and limits"]
    )


@pytest.mark.parametrize("scope", ["crm.objects.contacts.write", "sales-email-read"])
def test_doctor_tries_each_scope_of_a_static_token_without_changing_anything(portal, wall, scope):
    simulator, client, _, _ = portal(
        provisioned=True, scopes=tuple(each for each in SCOPES if each != scope)
    )
    written = {"score": "lead_score", "tier": "lead_score_tier"}
    simulator.create_contacts([{"message": "hello"}])
    before = simulator.contacts()

    assert list(wrong(client, wall, written=written)) == [f"scope {scope}"]
    assert simulator.contacts() == before


def test_doctor_needs_the_schema_scope_only_while_something_is_to_be_made(portal, wall):
    scopes = tuple(each for each in SCOPES if "schemas.contacts.write" not in each)
    _, client, _, _ = portal(scopes=scopes, provisioned=True)
    there = {"score": "lead_score", "tier": "lead_score_tier"}

    assert wrong(client, wall, written=there) == {}
    told = wrong(client, wall, written={**there, "model": "no_such"})
    assert set(told) == {"scope crm.schemas.contacts.write", "writes no_such"}
    assert "leadscore provision" in told["writes no_such"]


def test_doctor_compares_the_scopes_of_an_installed_app(portal, wall):
    _, client, setup, _ = portal()
    setup.provision(WRITTEN)
    granted = ("oauth", "crm.objects.contacts.read", "crm.objects.contacts.write")

    assert list(wrong(client, wall, granted)) == ["scope sales-email-read"]
    assert wrong(client, wall, granted, reads_email=False) == {}
    assert {f"scope {scope}" for scope in SENSITIVE} <= set(
        wrong(client, wall, granted, sensitive=["reasons"])
    )


def test_doctor_finds_a_score_that_does_not_sort(portal, wall):
    _, client, setup, ask = portal()
    setup.provision(WRITTEN)
    ask("PATCH", "/lead_score", {"hidden": True})

    assert list(wrong(client, wall)) == ["sorts by lead_score"]
    told = wrong(client, wall, written={**WRITTEN, "score": "jobtitle"})
    assert "would sort 9 above 10" in told["sorts by jobtitle"]


def test_doctor_finds_properties_that_are_not_there_or_lack_options(portal, wall):
    _, client, setup, ask = portal()
    setup.provision(WRITTEN)
    ask("PATCH", "/lead_score_tier", {"options": []})

    told = wrong(client, wall, read=["no_such"])
    assert "correct the field map" in told["reads no_such"]
    assert "run `leadscore provision`" in told["writes lead_score_tier"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:8000/webhooks/hubspot", "https addresses only"),
        ("https://scores.example.com/hooks", "we listen at /webhooks/hubspot"),
    ],
)
def test_doctor_finds_a_webhook_address_that_cannot_be_right(portal, wall, url, words):
    _, client, setup, _ = portal()
    setup.provision(WRITTEN)

    assert words in wrong(client, wall, webhook_url=url)["webhook_url"]


@pytest.mark.parametrize(
    ("answer", "more", "words"),
    [
        ((405, b""), {}, "our receiver answers"),
        ((404, b""), {}, "404, expected 405"),
        ((200, b"hello"), {}, "200, expected 405"),
        ((301, b""), {"Location": "https://scores.example.com/"}, "a redirect"),
    ],
)
def test_doctor_calls_our_own_address_when_asked(answering, answer, more, words):
    found = checks.reach(answering(*answer, **more) + "/webhooks/hubspot")

    assert words in found.detail
    assert found.ok == (answer[0] == 405)


def test_doctor_says_when_nobody_listens():
    assert "no answer (network)" in checks.reach("http://127.0.0.1:1/webhooks/hubspot").detail


def test_date_of_the_answer_is_the_clock_that_is_compared(portal):
    _, client, _, _ = portal()
    answer = client.call("GET", "/account-info/2026-09/details")

    assert "Date" in answer.headers
    assert checks._clock(answer, datetime(2020, 1, 1, tzinfo=UTC)).ok is False
