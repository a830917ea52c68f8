"""Contacts over the HubSpot simulator's API, held against the vendor's shapes."""

import json

import pytest

READ = "/crm/objects/2026-09/contacts/batch/read"
READ_V3 = "/crm/v3/objects/contacts/batch/read"
UPDATE = "/crm/objects/2026-09/contacts/batch/update"
UPDATE_V3 = "/crm/v3/objects/contacts/batch/update"


def inputs(ids, **properties):
    entries = [
        {"id": each, "properties": properties} if properties else {"id": each} for each in ids
    ]
    return {"inputs": entries, "properties": ["email", "jobtitle", "lifecyclestage", "nonsense"]}


def test_batch_read_answers_as_the_sample(hubspot, hubspot_api, recorded, shape):
    ids = hubspot.create_contacts(
        [{"email": "p1@example.test", "jobtitle": "Clinic Manager"}, {"email": "p2@example.test"}]
    )

    status, body, _ = hubspot_api("POST", READ, inputs(ids))

    sample = recorded("api.contacts.batch-read.200.json")
    assert status == 200
    assert shape(body) == shape(sample)
    assert body["results"][0]["createdAt"] == sample["results"][0]["createdAt"]
    assert body["results"][0]["properties"]["hs_object_id"] == ids[0]


def test_unset_property_is_null_and_unknown_one_is_absent(hubspot, hubspot_api):
    [contact] = hubspot.create_contacts([{"email": "p@example.test"}])

    _, body, _ = hubspot_api("POST", READ, inputs([contact]))

    properties = body["results"][0]["properties"]
    assert properties["jobtitle"] is None
    assert "nonsense" not in properties


def test_missing_id_gives_207_on_v3_and_200_on_dated_paths(hubspot, hubspot_api, recorded, shape):
    [contact] = hubspot.create_contacts([{"email": "p1@example.test"}])
    wanted = {"inputs": [{"id": contact}, {"id": "501000000099"}], "properties": ["email"]}

    old, old_body, _ = hubspot_api("POST", READ_V3, wanted)
    new, new_body, _ = hubspot_api("POST", READ, wanted)

    sample = recorded("api.contacts.batch-read.207.json")
    assert (old, new) == (207, 200)
    assert old_body["errors"] == new_body["errors"] == sample["errors"]
    assert shape(old_body) == shape(sample)
    assert new_body["numErrors"] == 1


def test_object_type_id_names_contacts_on_dated_paths(hubspot, hubspot_api):
    [contact] = hubspot.create_contacts([{"email": "p1@example.test"}])

    status, body, _ = hubspot_api("POST", "/crm/objects/2026-09/0-1/batch/read", inputs([contact]))

    assert status == 200
    assert body["results"][0]["id"] == contact


@pytest.mark.parametrize(("history", "limit"), [([], 100), (["email"], 50)])
def test_batch_is_limited(hubspot, hubspot_api, history, limit):
    ids = hubspot.create_contacts([{"lastname": f"L{number}"} for number in range(limit + 1)])
    body = {**inputs(ids), "propertiesWithHistory": history}

    too_many = hubspot_api("POST", READ, body)
    enough = hubspot_api("POST", READ, {**body, "inputs": body["inputs"][:limit]})

    assert too_many[0] == 400
    assert too_many[1]["category"] == "VALIDATION_ERROR"
    assert f"is {limit}." in too_many[1]["message"]
    assert enough[0] == 200


def test_history_shows_older_values(hubspot, hubspot_api, clock):
    [contact] = hubspot.create_contacts([{"jobtitle": "Nurse"}])
    clock.forward(minutes=5)
    hubspot.update_contact(contact, {"jobtitle": "Manager"})

    body = {**inputs([contact]), "propertiesWithHistory": ["jobtitle"]}
    _, answer, _ = hubspot_api("POST", READ, body)

    versions = answer["results"][0]["propertiesWithHistory"]["jobtitle"]
    assert [each["value"] for each in versions] == ["Manager", "Nurse"]


def test_batch_update_answers_as_the_sample_and_bumps_the_stamp(
    hubspot, hubspot_api, recorded, shape, clock
):
    [contact] = hubspot.create_contacts([{"email": "p1@example.test"}])
    clock.forward(seconds=2)

    status, body, _ = hubspot_api("POST", UPDATE, inputs([contact], lead_score="72"))

    sample = recorded("api.contacts.batch-update.200.json")
    sample["results"][0]["properties"]["lead_score"] = sample["results"][0]["properties"].pop(
        "example_lead_score"
    )
    assert status == 200
    assert shape(body) == shape(sample)
    assert hubspot.contact(contact)["lead_score"] == "72"
    assert hubspot.contact(contact)["lastmodifieddate"] == "2026-09-21T14:13:22.000Z"


def test_writing_the_same_value_bumps_the_stamp_too(hubspot, hubspot_api, clock):
    [contact] = hubspot.create_contacts([{"jobtitle": "Nurse"}])
    clock.forward(seconds=9)

    hubspot_api("POST", UPDATE, inputs([contact], jobtitle="Nurse"))

    assert hubspot.contact(contact)["lastmodifieddate"] == "2026-09-21T14:13:29.000Z"


def test_unknown_property_is_refused_with_the_sampled_body(hubspot, hubspot_api, recorded):
    [contact] = hubspot.create_contacts([{"jobtitle": "Nurse"}])

    status, body, _ = hubspot_api("POST", UPDATE, inputs([contact], missing="1"))

    sample = recorded("api.error.400.validation.json")
    assert status == 400
    assert {**body, "correlationId": ""} == {**sample, "correlationId": ""}
    assert list(body) == list(sample)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("lead_score", "high", "INVALID_DOUBLE"),
        ("lead_score_tier", "Hot", "INVALID_OPTION"),
        ("lead_score_respond_by", "tomorrow", "INVALID_LONG"),
        ("procedure_interest", "lasik;nonsense", "INVALID_OPTION"),
        ("email", "no address", "INVALID_EMAIL"),
        ("lead_score_reasons", "x" * 65_537, "PROPERTY_VALUE_TOO_LONG"),
        ("hs_analytics_num_visits", "3", "READ_ONLY_VALUE"),
    ],
)
def test_bad_value_fails_the_whole_batch(hubspot, hubspot_api, name, value, code):
    good, bad = hubspot.create_contacts([{"lastname": "Good"}, {"lastname": "Bad"}])
    body = {
        "inputs": [
            {"id": good, "properties": {"jobtitle": "Nurse"}},
            {"id": bad, "properties": {name: value}},
        ]
    }

    status, answer, _ = hubspot_api("POST", UPDATE, body)

    problems = json.loads(answer["message"].removeprefix("Property values were not valid: "))
    assert status == 400
    assert [(each["name"], each["error"]) for each in problems] == [(name, code)]
    assert "jobtitle" not in hubspot.contact(good)


def test_values_come_back_in_the_form_hubspot_keeps(hubspot, hubspot_api):
    [contact] = hubspot.create_contacts([{"lastname": "One"}])
    values = {"lead_score_respond_by": "1790000000000", "procedure_interest": ";lasik;cataract"}

    status, _, _ = hubspot_api("POST", UPDATE, inputs([contact], **values))

    assert status == 200
    assert hubspot.contact(contact)["lead_score_respond_by"] == "2026-09-21T14:13:20.000Z"
    assert hubspot.contact(contact)["procedure_interest"] == "lasik;cataract"


def test_empty_text_clears_a_property(hubspot, hubspot_api):
    [contact] = hubspot.create_contacts([{"jobtitle": "Nurse"}])

    hubspot_api("POST", UPDATE, inputs([contact], jobtitle=""))

    assert "jobtitle" not in hubspot.contact(contact)


def test_score_properties_are_unknown_until_provisioned(make_hubspot, api):
    bare = make_hubspot(provisioned=False)
    [contact] = bare.create_contacts([{"lastname": "One"}])

    status, body, _ = api(bare)("POST", UPDATE, inputs([contact], lead_score="1"))

    assert status == 400
    assert "PROPERTY_DOESNT_EXIST" in body["message"]


def test_same_id_twice_is_refused_on_update_and_answered_once_on_read(hubspot, hubspot_api):
    [contact] = hubspot.create_contacts([{"lastname": "One"}])

    refused = hubspot_api("POST", UPDATE, inputs([contact, contact], jobtitle="Nurse"))
    read = hubspot_api("POST", READ, inputs([contact, contact]))

    assert refused[0] == 400
    assert refused[1]["message"] == (
        f"Duplicate IDs found in batch input: [{contact}]. IDs must be unique"
    )
    assert refused[1]["context"] == {"ids": [contact]}
    assert len(read[1]["results"]) == 1


def test_admin_rule_holds_on_2026_09_only(make_hubspot, api):
    ruled = make_hubspot(required_on_write=("jobtitle",))
    [contact] = ruled.create_contacts([{"lastname": "One"}])
    body = inputs([contact], lead_score="5")

    new = api(ruled)("POST", UPDATE, body)
    earlier = api(ruled)("POST", UPDATE.replace("2026-09", "2026-03"), body)
    old = api(ruled)("POST", UPDATE_V3, body)

    assert (new[0], new[1]["category"]) == (400, "VALIDATION_ERROR")
    assert (earlier[0], old[0]) == (200, 200)


def test_taken_email_conflicts_as_sampled(hubspot, hubspot_api, recorded):
    [contact] = hubspot.create_contacts([{"email": "p1@example.test"}])

    status, body, _ = hubspot_api(
        "POST", "/crm/v3/objects/contacts", {"properties": {"email": "P1@example.test"}}
    )

    sample = recorded("api.error.409.contact.json")
    assert status == 409
    assert body["message"] == f"Contact already exists. Existing ID: {contact}"
    assert list(body) == list(sample)


def test_upsert_by_email_tells_new_from_known(hubspot, hubspot_api, recorded, shape):
    hubspot.create_contacts([{"email": "p1@example.test"}])
    body = {
        "inputs": [
            {"id": each, "idProperty": "email", "properties": {}}
            for each in ("p1@example.test", "p40@example.test")
        ]
    }

    status, answer, _ = hubspot_api("POST", "/crm/v3/objects/contacts/batch/upsert", body)

    assert status == 200
    assert [each["new"] for each in answer["results"]] == [False, True]
    assert shape(answer) == shape(recorded("api.contacts.batch-upsert.200.json"))


def test_single_contact_is_made_read_changed_and_deleted(hubspot, hubspot_api):
    path = "/crm/objects/2026-09/contacts"
    made = hubspot_api("POST", path, {"properties": {"email": "p1@example.test"}})
    one = f"{path}/{made[1]['id']}"

    changed = hubspot_api("PATCH", one, {"properties": {"jobtitle": "Nurse"}})
    read = hubspot_api("GET", f"{one}?properties=jobtitle,email")
    deleted = hubspot_api("DELETE", one)
    gone = hubspot_api("GET", one)

    assert [made[0], changed[0], read[0], deleted[0], gone[0]] == [201, 200, 200, 204, 404]
    assert read[1]["properties"]["jobtitle"] == "Nurse"
    assert gone[1]["category"] == "OBJECT_NOT_FOUND"


def test_list_pages_through_all_contacts(hubspot, hubspot_api):
    ids = hubspot.create_contacts([{"lastname": f"L{number}"} for number in range(5)])
    path = "/crm/v3/objects/contacts?limit=3"

    first = hubspot_api("GET", path)[1]
    second = hubspot_api("GET", f"{path}&after={first['paging']['next']['after']}")[1]

    assert [each["id"] for each in first["results"] + second["results"]] == ids
    assert "paging" not in second


def test_activities_are_found_through_associations(hubspot, hubspot_api, recorded, shape):
    [contact] = hubspot.create_contacts([{"lastname": "One"}])
    call = hubspot.create_activity(
        "calls", {"hs_timestamp": "2026-09-21T14:00:00.000Z"}, contact_ids=[contact]
    )

    links = hubspot_api(
        "POST", "/crm/v4/associations/contacts/calls/batch/read", {"inputs": [{"id": contact}]}
    )
    dated = hubspot_api(
        "POST", "/crm/associations/2026-09/0-1/0-48/batch/read", {"inputs": [{"id": contact}]}
    )
    read = hubspot_api(
        "POST",
        "/crm/objects/2026-09/calls/batch/read",
        {"inputs": [{"id": call}], "properties": ["hs_timestamp"]},
    )

    assert links[0] == dated[0] == 200
    assert shape(links[1]) == shape(recorded("api.associations.batch-read.200.json"))
    assert links[1]["results"][0]["to"][0]["toObjectId"] == int(call)
    assert read[1]["results"][0]["properties"]["hs_timestamp"] == "2026-09-21T14:00:00.000Z"


def test_unknown_path_and_method_are_refused_as_json(hubspot_api):
    assert hubspot_api("GET", "/crm/objects/2027-03/contacts/1")[1]["status"] == "error"
    assert hubspot_api("PUT", READ)[0] == 405
    assert hubspot_api("PUT", READ)[1]["status"] == "error"


def test_body_that_is_not_json_is_refused(hubspot):
    answer = hubspot.app.test_client().post(
        READ, data=b"{", headers={"Authorization": "Bearer pat-na1-simulator"}
    )

    assert answer.status_code == 400
    assert answer.get_json()["category"] == "VALIDATION_ERROR"
