"""Reading and writing records of the Salesforce simulator."""

import pytest

from integrations.simulator.salesforce.ids import full_id, numbered_id, short_id

LEAD = {"LastName": "Alder", "Company": "Self", "Email": "a@example.com"}
OFF = {"Sforce-Auto-Assign": "FALSE"}


@pytest.fixture
def call(salesforce, salesforce_api):
    return salesforce_api(salesforce, **OFF)


def lead(record_id, **values):
    return {"attributes": {"type": "Lead"}, "id": record_id, **values}


def patch(call, *records, all_or_none=False, **more):
    body = {"allOrNone": all_or_none, "records": list(records)}
    return call("PATCH", "composite/sobjects", body, **more)


def test_ids_carry_the_check_suffix(recorded):
    for value in recorded("ids.json").values():
        for each in value if isinstance(value, list) else [value]:
            if len(each) == 18:
                assert full_id(each[:15]) == each
    assert short_id("00Q8d0000001aBCEAY") == "00Q8d0000001aBC"
    assert short_id("00Q8d0000001aBCEAZ") is None
    assert short_id("../../secret") is None
    assert len({numbered_id("00Q", number) for number in range(5000)}) == 5000


def test_collections_read_answers_in_order_with_null_for_what_is_gone(
    salesforce, call, recorded, shape
):
    first, second, third = salesforce.create_leads([{**LEAD, "LeadSource": "Web"}, LEAD, LEAD])
    salesforce.delete_lead(second)
    body = {
        "ids": [first, second, third[:15]],
        "fields": ["Id", "LeadSource", "Status", "IsConverted", "LastModifiedDate"],
    }

    status, found = call("POST", "composite/sobjects/Lead", body)

    assert status == 200
    assert shape(found[0]) == shape(recorded("collections_read_response.json")[0])
    assert found[1] is None
    assert found[2]["Id"] == third
    assert found[2]["LeadSource"] is None


def test_one_unreadable_field_fails_the_whole_read(make_salesforce, salesforce_api):
    simulator = make_salesforce(hidden_fields=("Email",))
    [one] = simulator.create_leads([LEAD])
    call = salesforce_api(simulator)

    for name in ("Nonsense__c", "Email"):
        status, body = call(
            "POST", "composite/sobjects/Lead", {"ids": [one], "fields": ["Id", name]}
        )
        assert (status, body[0]["errorCode"]) == (400, "INVALID_FIELD")


def test_read_by_url_and_too_many_ids(salesforce, call):
    ids = salesforce.create_leads([LEAD] * 3)

    found = call("GET", "composite/sobjects/Lead", query={"ids": ",".join(ids), "fields": "Id"})
    refused = call("POST", "composite/sobjects/Lead", {"ids": [ids[0]] * 2001, "fields": ["Id"]})

    assert [each["Id"] for each in found[1]] == ids
    assert refused[0] == 400


def test_results_stand_in_order_each_with_its_own_code(make_salesforce, salesforce_api, recorded):
    simulator = make_salesforce(validation_rule=("Phone", "A phone number is needed."))
    known = {**LEAD, "Phone": "+1 555-0100"}
    good, gone, converted, tier, ruled, long, big, last = simulator.create_leads(
        [known, known, known, known, LEAD, known, known, known]
    )
    simulator.delete_lead(gone)
    simulator.convert_lead(converted)
    call = salesforce_api(simulator, **OFF)

    status, results = patch(
        call,
        lead(good, Lead_Score__c=91),
        lead(gone, Lead_Score__c=91),
        lead(converted, Lead_Score__c=91),
        lead(tier, Lead_Score_Tier__c="Hot"),
        lead(ruled, Lead_Score__c=91),
        lead(long, Lead_Score_Model__c="x" * 121),
        lead(big, Lead_Score__c=1000),
        lead(full_id("00Q8d0000000zzz"), Lead_Score__c=1),
        lead("nonsense", Lead_Score__c=1),
        lead(last, Nonsense__c=1),
        lead(last, CreatedDate="2026-01-01T00:00:00Z"),
        {"attributes": {"type": "Nonsense__c"}, "id": last},
        lead(last, Lead_Score__c=5),
        lead(last, Lead_Score__c=6),
    )

    codes = [each["errors"][0]["statusCode"] if each["errors"] else None for each in results]
    assert status == 200
    assert codes == [
        None,
        "ENTITY_IS_DELETED",
        "CANNOT_UPDATE_CONVERTED_LEAD",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "STRING_TOO_LONG",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "INVALID_FIELD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_TYPE",
        None,
        "DUPLICATE_VALUE",
    ]
    sample = recorded("collections_response_mixed.json")
    assert list(results[0]) == list(sample[0])
    assert list(results[3]) == list(sample[3])
    assert results[2] == sample[2]
    assert results[3]["errors"][0]["message"].endswith(
        ": bad value for restricted picklist field: Hot"
    )
    assert simulator.record("Lead", good)["Lead_Score__c"] == 91.0
    assert simulator.record("Lead", last)["Lead_Score__c"] == 5.0


def test_all_or_none_rolls_good_records_back(salesforce, call, recorded):
    good, gone = salesforce.create_leads([LEAD, LEAD])
    salesforce.delete_lead(gone)

    _, results = patch(
        call, lead(good, Lead_Score__c=1), lead(gone, Lead_Score__c=1), all_or_none=True
    )

    assert results == recorded("collections_response_all_or_none.json")
    assert "Lead_Score__c" not in salesforce.record("Lead", good)


def test_more_than_200_records_or_10_chunks_are_refused(salesforce, call):
    [one] = salesforce.create_leads([LEAD])
    [contact] = salesforce.create_contacts([{"LastName": "Brook"}])
    mixed = [lead(one), {"attributes": {"type": "Contact"}, "id": contact}] * 6

    assert patch(call, *[lead(one)] * 201)[0] == 400
    assert patch(call, *mixed)[0] == 400


def test_wrong_json_type_fails_the_whole_call(salesforce, call):
    good, bad = salesforce.create_leads([LEAD, LEAD])

    status, body = patch(call, lead(good, Lead_Score__c=1), lead(bad, Lead_Score__c="high"))

    assert (status, body[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert "Lead_Score__c" not in salesforce.record("Lead", good)


def test_assignment_rules_run_unless_the_header_forbids_it(salesforce, call):
    [one] = salesforce.create_leads([LEAD])
    owner = salesforce.record("Lead", one)["OwnerId"]
    patch(call, lead(one, Lead_Score__c=1))
    kept = salesforce.record("Lead", one)["OwnerId"]

    patch(call, lead(one, Lead_Score__c=2), headers={"Sforce-Auto-Assign": "TRUE"})

    assert kept == owner
    assert salesforce.record("Lead", one)["OwnerId"] == salesforce.settings.assigned_owner_id
    assert salesforce.counters["auto_assigned"] == 1


def test_null_and_empty_text_clear_a_field(salesforce, call):
    [one] = salesforce.create_leads([{**LEAD, "Phone": "1", "Lead_Score__c": 5}])

    patch(call, lead(one, Phone="", Lead_Score__c=None))

    assert salesforce.record("Lead", one)["Phone"] is None
    assert salesforce.record("Lead", one)["Lead_Score__c"] is None


def test_single_record_is_made_read_changed_and_deleted(salesforce, call):
    made = call("POST", "sobjects/Lead", LEAD)
    path = f"sobjects/Lead/{made[1]['id']}"

    changed = call("PATCH", path, {"Lead_Score__c": 40})
    read = call("GET", path)
    refused = call("PATCH", path, {"Lead_Score_Tier__c": "nope"})
    missing = call("POST", "sobjects/Lead", {"FirstName": "A"})
    deleted = call("DELETE", path)
    gone = call("GET", path)

    assert [made[0], changed[0], read[0], deleted[0], gone[0]] == [201, 204, 200, 204, 404]
    assert read[1]["Lead_Score__c"] == 40.0
    assert refused[1][0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert missing[1][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert gone[1][0]["errorCode"] == "NOT_FOUND"


def test_describe_tells_what_can_be_sorted_and_written(call):
    status, body = call("GET", "sobjects/Lead/describe")

    fields = {each["name"]: each for each in body["fields"]}
    reasons, score = fields["Lead_Score_Reasons__c"], fields["Lead_Score__c"]
    assert status == 200
    assert (reasons["length"], reasons["sortable"], reasons["filterable"]) == (32768, False, False)
    assert (score["type"], score["sortable"], score["updateable"]) == ("double", True, True)
    assert fields["Id"]["updateable"] is False
    assert fields["Lead_Score_Tier__c"]["picklistValues"][0]["value"] == "clinical"


def test_fields_are_absent_until_provisioned(make_salesforce, salesforce_api):
    call = salesforce_api(make_salesforce(provisioned=False))

    names = {each["name"] for each in call("GET", "sobjects/Lead/describe")[1]["fields"]}

    assert "Inquiry_Type__c" in names
    assert not {name for name in names if name.startswith("Lead_Score")}


def test_ended_session_and_spent_calls_answer_as_sampled(salesforce, call, recorded):
    salesforce.expire_sessions()
    ended = call("GET", "limits")
    call.login()
    salesforce.exhaust_calls()
    spent = call("GET", "limits")

    assert ended == (401, recorded("error_401_invalid_session.json"))
    assert spent == (403, recorded("error_403_request_limit.json"))


def test_each_answer_tells_the_usage(call):
    path = "/services/data/v63.0/limits"
    headers = {"Authorization": f"Bearer {call.token}"}

    answers = [call.client.get(path, headers=headers) for _ in range(2)]

    assert [each.headers["Sforce-Limit-Info"] for each in answers] == [
        "api-usage=1/100000",
        "api-usage=2/100000",
    ]


def test_session_ends_after_its_time(salesforce, call, clock):
    clock.forward(hours=2)

    assert call("GET", "limits")[0] == 401


def test_unknown_method_is_refused_as_json(call):
    assert call("PUT", "composite/sobjects")[1][0]["errorCode"] == "METHOD_NOT_ALLOWED"


def test_retired_version_is_not_found(call):
    answer = call.client.get("/services/data/v40.0/limits")

    assert answer.status_code == 404
