"""The CRM page of both simulators."""

import re
from datetime import timedelta

import pytest

FORM = {
    "first_name": "Ana",
    "last_name": "Yarrow",
    "email": "ana@example.com",
    "message": "Do you do implants?",
    "inquiry_type": "price_question",
    "insurance_status": "",
    "procedure": "dental_implant",
}


@pytest.fixture(params=["hubspot", "salesforce"])
def crm(request, hubspot, salesforce, clock):
    people = [
        ("Low", "10", "low"),
        ("None", "", ""),
        ("High", "92", "hot"),
        ("Urgent", "", "clinical"),
    ]
    for name, score, tier in people:
        clock.forward(minutes=1)
        if request.param == "hubspot":
            hubspot.create_contacts(
                [
                    {
                        "lastname": name,
                        "lead_score": score,
                        "lead_score_tier": tier,
                        "message": "<b>x</b>",
                    }
                ]
            )
        else:
            salesforce.create_leads(
                [
                    {
                        "LastName": name,
                        "Company": "Self",
                        "Lead_Score__c": int(score) if score else None,
                        "Lead_Score_Tier__c": tier,
                        "Description": "<b>x</b>",
                    }
                ]
            )
    return hubspot if request.param == "hubspot" else salesforce


def names(html):
    table = html.split("All ", 1)[1]
    return re.findall(r'<td class="name">(\w+)</td>', table)


def test_highest_score_comes_first_and_blanks_last(crm):
    html = crm.app.test_client().get("/").text

    assert names(html) == ["High", "Low", "Urgent", "None"]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort=score&order=asc", ["Low", "High", "Urgent", "None"]),
        ("sort=name", ["High", "Low", "None", "Urgent"]),
        ("sort=created&order=desc", ["Urgent", "High", "None", "Low"]),
        ("sort=nonsense", ["High", "Low", "Urgent", "None"]),
    ],
)
def test_columns_can_be_sorted(crm, query, order):
    assert names(crm.app.test_client().get(f"/?{query}").text) == order


def test_clinical_records_stand_above_all_others(crm):
    html = crm.app.test_client().get("/").text

    attention = html.split("Clinical attention", 1)[1].split("All ", 1)[0]
    assert re.findall(r'<td class="name">(\w+)</td>', attention) == ["Urgent"]


def test_everything_is_escaped(crm):
    html = crm.app.test_client().get("/").text

    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<b>x</b>" not in html


def test_page_loads_nothing_from_elsewhere(crm):
    client = crm.app.test_client()
    html = client.get("/").text

    assert "//" not in html
    with client.get("/static/crm.css") as style:
        assert style.status_code == 200


def test_form_makes_a_record_that_fires_the_webhook(crm):
    crm.set_target("http://127.0.0.1:9/")
    client = crm.app.test_client()
    before = crm.counters["events_queued"]

    shown = client.get("/inquiries/new")
    answer = client.post("/inquiries", data=FORM)

    assert shown.status_code == 200
    assert answer.status_code == 303
    assert "Yarrow" in client.get("/").text
    assert crm.counters["events_queued"] > before


@pytest.mark.parametrize("change", [{"message": " "}, {"inquiry_type": "nonsense"}])
def test_form_that_is_not_taken_says_so_and_keeps_the_words(crm, change):
    answer = crm.app.test_client().post("/inquiries", data={**FORM, **change})

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'value="Yarrow"' in answer.text


@pytest.mark.parametrize(
    ("view", "order"),
    [
        ("call-now", ["Late", "Soon"]),  # the earliest first
        ("emergencies", ["Danger"]),
        ("overdue", ["Danger", "Late"]),
        ("nonsense", ["Soon", "Late", "Danger", "Answered"]),  # all, by score, then the newest
    ],
)
def test_a_saved_view_filters_and_sorts(hubspot, clock, view, order):
    now = clock()
    for name, score, tier, minutes in (
        ("Soon", "91", "hot", 4),
        ("Late", "55", "warm", -7),
        ("Answered", "", "hot", None),
        ("Danger", "", "clinical", -9),
    ):
        at = "" if minutes is None else f"{now + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
        row = {"lastname": name, "lead_score": score, "lead_score_tier": tier}
        hubspot.create_contacts([{**row, "lead_score_respond_by": at}])
        clock.forward(seconds=1)

    html = hubspot.app.test_client().get(f"/?view={view}").text

    table = html.rsplit("<table>", 1)[1]
    assert re.findall(r'<td class="name">(\w+)</td>', table) == order
    assert html.count('aria-current="page"') == 1


def test_a_column_is_sorted_within_its_view(hubspot):
    hubspot.create_contacts([{"lastname": "A", "lead_score_tier": "clinical"}])

    html = hubspot.app.test_client().get("/?view=emergencies&sort=name").text

    assert "/?view=emergencies&amp;sort=score" in html
    assert "Clinical attention" not in html
