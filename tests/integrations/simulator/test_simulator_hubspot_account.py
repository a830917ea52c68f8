"""Properties, tokens, scopes and rate limits of the HubSpot simulator."""

import pytest

READ = "/crm/objects/2026-09/contacts/batch/read"
PROPERTIES = "/crm/properties/2026-09/contacts"
SCORE = {
    "groupName": "lead_score",
    "name": "lead_score",
    "label": "Lead score",
    "type": "number",
    "fieldType": "number",
}
FORM = {"client_id": "simulator-client", "client_secret": "simulator-client-secret"}


@pytest.fixture
def bare(make_hubspot):
    return make_hubspot(provisioned=False)


def same(body, sample, *changing):
    return all(body[name] == sample[name] for name in sample if name not in changing) and list(
        body
    ) == list(sample)


@pytest.mark.parametrize("path", [PROPERTIES, "/crm/v3/properties/contacts"])
def test_group_and_property_are_made_once(bare, api, recorded, path):
    call = api(bare)
    too_early = call("POST", path, SCORE)[0]
    group = call("POST", f"{path}/groups", {"name": "lead_score", "label": "Lead score"})
    made = call("POST", path, SCORE)
    again = call("POST", path, SCORE)

    sample = recorded("api.error.409.property.json")
    assert (too_early, group[0], made[0], again[0]) == (400, 201, 201, 409)
    assert again[1]["subCategory"] == sample["subCategory"]
    assert list(again[1]) == list(sample)
    assert call("POST", f"{path}/groups", {"name": "lead_score", "label": "x"})[0] == 409
    assert call("GET", f"{path}/lead_score")[1]["type"] == "number"


def test_provisioned_account_has_exactly_the_score_properties(hubspot_api):
    listed = hubspot_api("GET", PROPERTIES)[1]["results"]

    names = {each["name"] for each in listed if each["groupName"] == "lead_score"}
    assert len(names) == 16
    assert {"lead_score", "lead_score_tier", "lead_score_override_until"} <= names


def test_patch_keeps_options_unless_it_gives_them(hubspot_api):
    path = f"{PROPERTIES}/lead_score_trend"
    before = hubspot_api("GET", path)[1]["options"]

    kept = hubspot_api("PATCH", path, {"label": "Trend"})[1]
    replaced = hubspot_api("PATCH", path, {"options": [{"label": "Up", "value": "up"}]})[1]

    assert kept["label"] == "Trend"
    assert kept["options"] == before
    assert [each["value"] for each in replaced["options"]] == ["up"]


def test_archived_property_can_be_made_again(hubspot_api):
    path = f"{PROPERTIES}/lead_score"
    archived = hubspot_api("DELETE", path)[0]
    gone = hubspot_api("GET", path)[0]

    restored = hubspot_api("POST", PROPERTIES, SCORE)[0]

    assert (archived, gone, restored) == (204, 404, 201)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "text"},
        {"fieldType": "checkbox"},
        {"name": "Lead Score"},
        {"name": "hs_lead_score"},
        {"groupName": "nonsense"},
        {"options": [{"label": "A", "value": "a"}]},
        {"label": None},
    ],
)
def test_bad_definition_is_refused(bare, api, change):
    call = api(bare)
    call("POST", f"{PROPERTIES}/groups", {"name": "lead_score", "label": "Lead score"})

    assert call("POST", PROPERTIES, {**SCORE, **change})[0] == 400


def test_missing_and_wrong_tokens_get_the_sampled_401(hubspot, api, recorded):
    sample = recorded("api.error.401.json")

    for token in ("", "wrong"):
        status, body, _ = api(hubspot, token)("POST", READ, {"inputs": []})
        assert status == 401
        assert same(body, sample, "correlationId")


def test_missing_scope_gets_the_sampled_403(make_hubspot, api, recorded):
    reader = make_hubspot(scopes=("oauth", "crm.objects.contacts.read"))
    update = READ.replace("read", "update")

    status, body, _ = api(reader)("POST", update, {"inputs": []})

    assert status == 403
    assert same(body, recorded("api.error.403.json"), "correlationId")


def test_account_details_name_the_portal(hubspot_api):
    status, body, _ = hubspot_api("GET", "/account-info/2026-09/details")

    assert (status, body["portalId"]) == (200, 4_000_001)


@pytest.mark.parametrize("version", ["v1", "v3", "2026-03", "2026-09"])
def test_refreshed_token_works_for_half_an_hour(hubspot, api, recorded, clock, version):
    form = {**FORM, "grant_type": "refresh_token", "refresh_token": "na1-simulator-refresh"}
    answer = hubspot.app.test_client().post(f"/oauth/{version}/token", data=form).get_json()
    call = api(hubspot, answer["access_token"])

    first = call("POST", READ, {"inputs": []})[0]
    clock.forward(seconds=1800)
    later, body, _ = call("POST", READ, {"inputs": []})

    keys = set(recorded("api.oauth.refresh.200.json"))
    assert set(answer) - {"token_use"} == keys
    assert (first, later, body["category"]) == (200, 401, "EXPIRED_AUTHENTICATION")


def test_code_is_good_once_and_client_credentials_bring_no_refresh_token(make_hubspot):
    client = make_hubspot(redirect_urls=("https://practice.example/cb",)).app.test_client()
    code = {
        **FORM,
        "grant_type": "authorization_code",
        "code": "simulator-code",
        "redirect_uri": "https://practice.example/cb",
    }

    first, second = (client.post("/oauth/v3/token", data=code) for _ in range(2))
    own = client.post("/oauth/2026-03/token", data={**FORM, "grant_type": "client_credentials"})

    assert (first.status_code, second.status_code) == (200, 400)
    assert own.get_json()["token_use"] == "client_credentials"
    assert "refresh_token" not in own.get_json()


def test_bad_refresh_token_gets_the_sampled_400(hubspot, recorded):
    hubspot.revoke_refresh_tokens()
    form = {**FORM, "grant_type": "refresh_token", "refresh_token": "na1-simulator-refresh"}

    answer = hubspot.app.test_client().post("/oauth/v3/token", data=form)

    assert answer.status_code == 400
    assert answer.get_json() == recorded("api.oauth.bad-refresh.400.json")


def test_wrong_client_secret_is_refused(hubspot):
    form = {**FORM, "client_secret": "guess", "grant_type": "client_credentials"}

    assert hubspot.app.test_client().post("/oauth/v3/token", data=form).status_code == 400


def test_window_slides_over_ten_seconds(make_hubspot, api, recorded, clock):
    limited = make_hubspot(rate_per_10s=3)
    call = api(limited)
    statuses = []
    for _ in range(4):
        statuses.append(call("POST", READ, {"inputs": []})[0])
        clock.forward(seconds=3)

    refused = call("POST", READ, {"inputs": []})
    clock.forward(seconds=1)
    freed = call("POST", READ, {"inputs": []})

    # Calls at 0, 3, 6 pass, 9 is refused, 12 passes, 13 is free again once 3 has gone.
    assert statuses == [200, 200, 200, 429]
    assert refused[0] == 200
    assert freed[0] == 200
    assert limited.counters["rate_limited"] == 1
    assert limited.counters["worst_10s"] == 4


def test_refusal_carries_the_sampled_body_and_headers(make_hubspot, api, recorded):
    limited = make_hubspot(rate_per_10s=1)
    call = api(limited)
    _, _, first = call("POST", READ, {"inputs": []})

    status, body, headers = call("POST", READ, {"inputs": []})

    assert status == 429
    assert same(body, recorded("api.error.429.ten-secondly.json"), "correlationId")
    assert first["X-HubSpot-RateLimit-Max"] == "1"
    assert first["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert first["X-HubSpot-RateLimit-Daily"] == "625000"
    assert first["X-HubSpot-RateLimit-Daily-Remaining"] == "624999"
    assert headers["X-HubSpot-RateLimit-Remaining"] == "0"


def test_daily_limit_ends_at_midnight(make_hubspot, api, recorded, clock):
    limited = make_hubspot(daily_limit=1)
    call = api(limited)
    call("POST", READ, {"inputs": []})

    status, body, _ = call("POST", READ, {"inputs": []})
    clock.forward(hours=10)
    next_day = call("POST", READ, {"inputs": []})[0]

    assert status == 429
    assert same(body, recorded("api.error.429.daily.json"), "correlationId", "requestId")
    assert next_day == 200


def test_no_limit_means_no_refusal_but_still_a_count(make_hubspot, api):
    free = make_hubspot(rate_per_10s=None, daily_limit=None)
    call = api(free)

    statuses = {call("POST", READ, {"inputs": []})[0] for _ in range(300)}

    assert statuses == {200}
    assert free.counters["worst_10s"] == free.counters["batch_read"] == 300
