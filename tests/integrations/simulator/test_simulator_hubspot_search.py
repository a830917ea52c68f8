"""Search over the HubSpot simulator."""

import pytest

SEARCH = "/crm/objects/2026-09/contacts/search"


def find(hubspot_api, *filters, **more):
    groups = [{"filters": list(filters)}] if filters else []
    return hubspot_api("POST", SEARCH, {"filterGroups": groups, **more})


def where(name, operator, value=None, **more):
    given = {"propertyName": name, "operator": operator, **more}
    return given if value is None else {**given, "value": value}


@pytest.fixture
def people(hubspot, clock):
    ids = []
    for number, title in enumerate(("Nurse", "Clinic Manager", None, "nurse")):
        clock.forward(minutes=1)
        values = {"lastname": f"L{number}", "lead_score": str(number * 30)}
        if title:
            values["jobtitle"] = title
        ids += hubspot.create_contacts([values])
    return ids


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (where("jobtitle", "EQ", "Nurse"), [0, 3]),
        (where("jobtitle", "NEQ", "nurse"), [1]),
        (where("lead_score", "GT", "30"), [2, 3]),
        (where("lead_score", "GTE", "30"), [1, 2, 3]),
        (where("lead_score", "LT", "30"), [0]),
        (where("lead_score", "LTE", "30"), [0, 1]),
        (where("lead_score", "BETWEEN", "10", highValue="60"), [1, 2]),
        (where("lead_score", "IN", values=["0", "90"]), [0, 3]),
        (where("lead_score", "NOT_IN", values=["0", "90"]), [1, 2]),
        (where("jobtitle", "HAS_PROPERTY"), [0, 1, 3]),
        (where("jobtitle", "NOT_HAS_PROPERTY"), [2]),
        (where("jobtitle", "CONTAINS_TOKEN", "clin*"), [1]),
        (where("lastmodifieddate", "GTE", "2026-09-21T14:16:20.000Z"), [2, 3]),
        (where("lastmodifieddate", "GTE", "1790000180000"), [2, 3]),
    ],
)
def test_filter_finds(people, hubspot_api, condition, found):
    status, body, _ = find(hubspot_api, condition)

    assert status == 200
    assert [each["id"] for each in body["results"]] == [people[place] for place in found]
    assert body["total"] == len(found)


def test_groups_are_alternatives_and_filters_add_up(people, hubspot_api):
    body = {
        "filterGroups": [
            {"filters": [where("jobtitle", "EQ", "nurse"), where("lead_score", "GT", "30")]},
            {"filters": [where("lastname", "EQ", "L1")]},
        ]
    }

    _, answer, _ = hubspot_api("POST", SEARCH, body)

    assert [each["id"] for each in answer["results"]] == [people[1], people[3]]


def test_sort_and_pages(people, hubspot_api):
    more = {"sorts": [{"propertyName": "lead_score", "direction": "DESCENDING"}], "limit": 3}

    first = find(hubspot_api, **more)[1]
    second = find(hubspot_api, **more, after=first["paging"]["next"]["after"])[1]

    assert [each["id"] for each in first["results"] + second["results"]] == people[::-1]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 200, "after": "9801"},
        {"sorts": ["a", "b"]},
        {"filterGroups": [{"filters": [where("lastname", "EQ", "x")]}] * 6},
        {"filterGroups": [{"filters": [where("lastname", "EQ", "x")] * 7}]},
        {"filterGroups": [{"filters": [where("lastname", "EQ", "x")] * 5}] * 4},
        {"filterGroups": [{"filters": [where("nonsense", "EQ", "x")]}]},
        {"filterGroups": [{"filters": [where("lastname", "LIKE", "x")]}]},
        {"query": "x" * 3001},
    ],
)
def test_search_past_a_limit_is_refused(people, hubspot_api, body):
    status, answer, _ = hubspot_api("POST", SEARCH, body)

    assert status == 400
    assert answer["category"] == "VALIDATION_ERROR"


def test_sixth_search_in_a_second_is_refused_without_rate_headers(hubspot_api, recorded, clock):
    for _ in range(5):
        assert find(hubspot_api)[0] == 200

    status, body, headers = find(hubspot_api)
    clock.forward(seconds=1)
    later = find(hubspot_api)[0]

    sample = recorded("api.error.429.search.json")
    assert status == 429
    assert {**body, "correlationId": ""} == {**sample, "correlationId": ""}
    assert not any(name.startswith("X-HubSpot-RateLimit") for name, _ in headers)
    assert later == 200
