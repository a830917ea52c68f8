"""Activities around records, converted leads, hidden fields: what one call brings."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from integrations.base import Change, Happening, RecordRef
from integrations.errors import AccessError, PermanentCrmError
from integrations.refusals import KEPT_S
from integrations.registry import build_client
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
READ = ["Description", "Email"]
ALL = ("Task", "Event", "CampaignMember")


def at(**ago):
    return (NOW - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def org(org_at):
    """Return what starts a pretend org and a client of it."""
    open_ones = []

    def start(account=None, **settings):
        simulator = SalesforceSimulator(
            SalesforceSettings(consumer_key="k", consumer_secret="s", **settings),
            now=lambda: NOW,
        )
        context = running(simulator)
        client = build_client(
            org_at(context.__enter__(), **(account or {})),
            {"consumer_key": "k", "consumer_secret": "s"},
            clock=time.monotonic,
            sleep=lambda _s: None,
            now=lambda: NOW,
        )
        open_ones.append((context, client))
        return simulator, client

    yield start
    for context, client in open_ones:
        client.close()
        context.__exit__(None, None, None)


def lead(**more):
    return {"LastName": "Invented", "Company": "-", "Description": "implant", **more}


def task(who, **more):
    return {"WhoId": who, "Status": "Completed", "TaskSubtype": "Call", **more}


def test_calls_and_mails_count_by_day_and_only_when_done(org):
    simulator, client = org()
    one, other = simulator.create_leads([lead(), lead()])
    simulator.create_tasks(
        [
            task(one, CallType="Inbound", CompletedDateTime=at(hours=5)),
            task(one, CallType="Inbound", CompletedDateTime=at(hours=3)),
            task(one, CallType="Inbound", CompletedDateTime=at(days=2)),
            task(one, CallType="Outbound", CompletedDateTime=at(hours=2)),
            task(one, TaskSubtype="Email", CompletedDateTime=at(hours=1)),
            task(one, Status="Not Started"),
            task(one, TaskSubtype="Task", CompletedDateTime=at(hours=1)),
            task(one, CallType="Internal", CompletedDateTime=at(hours=1)) | {"CallType": None},
        ]
    )

    found = client.activities("Lead", [one, other], ALL)

    assert set(found) == {one}
    calls = sorted(each.at for each in found[one] if each.kind == "call")
    assert calls == [NOW - timedelta(days=2), NOW - timedelta(hours=5), NOW - timedelta(hours=3)]
    answers = {(each.medium, each.answered_at) for each in found[one] if each.answered_at}
    assert answers == {
        ("call", NOW - timedelta(hours=2)),
        ("call", NOW - timedelta(hours=1)),
        ("email", NOW - timedelta(hours=1)),
    }


def test_meetings_and_campaigns_count(org):
    simulator, client = org()
    (one,) = simulator.create_leads([lead()])
    simulator.create("Event", [{"WhoId": one, "StartDateTime": at(days=-3)}])
    simulator.create(
        "CampaignMember",
        [
            {"LeadId": one, "HasResponded": True, "FirstRespondedDate": "2026-11-20"},
            {"LeadId": one, "HasResponded": False},
        ],
    )
    assert sorted(client.activities("Lead", [one], ALL)[one], key=lambda each: each.medium) == [
        Happening(medium="meeting", kind="meeting", at=NOW + timedelta(days=3), answered_at=NOW),
        Happening(medium="message", kind="form_submission", at=datetime(2026, 11, 20, tzinfo=UTC)),
    ]


def test_from_the_second_batch_on_they_come_with_the_read(org):
    simulator, client = org()
    ids = simulator.create_leads([lead()] * 200)
    simulator.create_tasks([task(one) for one in ids[:50]])
    client.read("Lead", ids, READ)
    client.activities("Lead", ids, ALL)
    before = client.calls()

    found = client.read("Lead", ids, READ)
    around = client.activities("Lead", ids, ALL)

    assert len(found.records) == 200
    assert set(around) == set(ids[:50])
    made = {kind: n - before.get(kind, 0) for kind, n in client.calls().items()}
    assert {kind: n for kind, n in made.items() if n} == {"composite": 1}


def test_records_that_were_not_just_read_are_asked_about(org):
    simulator, client = org()
    one, other = simulator.create_leads([lead(), lead()])
    simulator.create_tasks([task(other)])
    client.activities("Lead", [one], ALL)
    client.read("Lead", [one], READ)
    assert set(client.activities("Lead", [other], ALL)) == {other}


def test_what_one_thread_read_is_not_anothers(org):
    simulator, client = org()
    one, other = simulator.create_leads([lead(), lead()])
    simulator.create_tasks([task(one), task(other)])
    client.activities("Lead", [one], ALL)
    client.read("Lead", [one], READ)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(client.read, "Lead", [other], READ).result()
        before = client.calls()["composite"]
        assert set(client.activities("Lead", [one], ALL)) == {one}
        found = threads.submit(client.activities, "Lead", [other], ALL).result()
    assert set(found) == {other}
    assert client.calls()["composite"] == before  # both had theirs by them


def test_more_rows_than_an_answer_holds_are_asked_for_by_halves(org):
    simulator, client = org()
    ids = simulator.create_leads([lead()] * 20)
    simulator.create_tasks(
        [
            task(one, CompletedDateTime=at(days=day), CallType="Inbound")
            for one in ids
            for day in range(120)
        ]
    )
    found = client.activities("Lead", ids, ["Task"])
    assert {len(found[one]) for one in ids} == {120}
    assert client.calls()["composite"] == 3


def test_record_with_more_rows_than_an_answer_holds_loses_only_its_own(org):
    simulator, client = org()
    busy, other = simulator.create_leads([lead()] * 2)
    simulator.create_tasks(
        [task(busy, CompletedDateTime=at(days=d), CallType="Inbound") for d in range(2_001)]
        + [task(other, CompletedDateTime=at(days=1), CallType="Inbound")]
    )
    for _ in range(2):
        found = client.activities("Lead", [busy, other], ["Task"])
        assert {one: len(each) for one, each in found.items()} == {other: 1}


def test_activities_that_cannot_be_counted_in_time_are_asked_for_by_halves(org):
    simulator, client = org()
    ids = simulator.create_leads([lead()] * 4)
    simulator.create_tasks([task(one, CallType="Inbound") for one in ids])
    send = client._calls.call

    def call(kind, path, *, json=None, **given):
        answer = send(kind, path, json=json, **given)
        if ids[1] in json["compositeRequest"][0]["url"]:  # the record of a busy year
            body = [{"errorCode": "QUERY_TIMEOUT", "message": "took too long"}]
            answer["compositeResponse"][0] |= {"httpStatusCode": 400, "body": body}
        return answer

    client._calls.call = call
    assert set(client.activities("Lead", ids, ["Task"])) == set(ids) - {ids[1]}


@pytest.mark.parametrize("hidden", ["WhoId", "PatientId"])
def test_activity_that_our_user_may_not_read_is_with_nobody(org, hidden):
    _, client = org({"related": {"ClinicalServiceRequest": "PatientId"}}, hidden_fields=(hidden,))
    object_type = "Task" if hidden == "WhoId" else "ClinicalServiceRequest"
    prefix = "00T" if hidden == "WhoId" else "0iR"
    assert client.people(object_type, [f"{prefix}8d0000000001AAA"]) == {}


def test_activities_that_our_user_may_not_read_are_left_out(org):
    simulator, client = org(hidden_fields=("CallType",))
    (one,) = simulator.create_leads([lead()])
    simulator.create("Event", [{"WhoId": one, "StartDateTime": at(hours=1)}])
    assert [each.medium for each in client.activities("Lead", [one], ALL)[one]] == ["meeting"]
    client.read("Lead", [one], READ)
    assert [each.medium for each in client.activities("Lead", [one], ALL)[one]] == ["meeting"]
    assert client.calls() == {"composite": 2}


def test_activities_that_were_refused_are_asked_for_again_after_an_hour(org):
    simulator, client = org(hidden_fields=("CallType",))
    (one,) = simulator.create_leads([lead()])
    asked = []
    composite = client._composite
    client._composite = lambda parts: asked.append(len(parts)) or composite(parts)
    for ahead_s in (0, 0, KEPT_S + 1):
        client._refused._clock = lambda ahead_s=ahead_s: time.monotonic() + ahead_s
        client.activities("Lead", [one], ALL)
    assert asked[0] == asked[2] == asked[1] + 1


def test_hidden_field_counts_as_empty_and_is_asked_about_once(org):
    simulator, client = org(hidden_fields=("Email",))
    (one,) = simulator.create_leads([lead()])
    for _ in range(3):
        found = client.read("Lead", [one], READ)
        assert found.records == {one: {"Description": "implant", "Email": None}}
    assert client.calls() == {"collections_read": 4, "describe": 1}


def test_hidden_field_that_is_written_stops_the_account(org):
    simulator, client = org(hidden_fields=("Lead_Score__c",))
    (one,) = simulator.create_leads([lead()])
    with pytest.raises(AccessError, match="run doctor"):
        client.write("Lead", [Change(record_id=one, properties={"Lead_Score__c": 5})])


def test_converted_lead_goes_on_as_its_contact(org):
    simulator, client = org()
    one, other = simulator.create_leads([lead(), lead()])
    contact = simulator.convert_lead(one)
    found = client.read("Lead", [one, other], READ)
    assert set(found.records) == {other}
    assert found.moved == {one: RecordRef("Contact", contact)}


def test_converted_lead_goes_on_as_the_person_account(org):
    simulator, client = org({"objects": ["Lead", "Account"]})
    (one,) = simulator.create_leads([lead()])
    (person,) = simulator.create("Account", [{"LastName": "Invented"}])
    simulator.convert_lead(one)
    simulator._org.records.tables["Lead"][one[:15]]["ConvertedAccountId"] = person
    assert client.read("Lead", [one], READ).moved == {one: RecordRef("Account", person)}


def test_lead_that_is_converted_between_read_and_write_is_read_again(org):
    simulator, client = org()
    (one,) = simulator.create_leads([lead()])
    client.read("Lead", [one], READ)
    contact = simulator.convert_lead(one)
    outcome = client.write("Lead", [Change(record_id=one, properties={"Lead_Score__c": 5})])
    assert outcome.retry == {one: "cannot_update_converted_lead"}
    assert not outcome.gone  # its past would be deleted
    assert client.read("Lead", [one], READ).moved == {one: RecordRef("Contact", contact)}


def test_person_account_is_read_and_written_under_its_own_names(org):
    simulator, client = org({"objects": ["Account"]})
    (one,) = simulator.create(
        "Account",
        [{"LastName": "Invented", "PersonEmail": "a@example.com", "Inquiry_Type__pc": "referral"}],
    )
    simulator.create_tasks([task("0038d0000000001AAA", AccountId=one, CallType="Inbound")])
    found = client.read("Account", [one], ["Email", "Inquiry_Type__c"])
    assert found.records == {one: {"Email": "a@example.com", "Inquiry_Type__c": "referral"}}
    assert set(client.activities("Account", [one], ALL)) == {one}
    outcome = client.write("Account", [Change(record_id=one, properties={"Lead_Score__c": 71})])
    assert outcome.written == {one}
    assert simulator.record("Account", one)["Lead_Score__pc"] == 71
    assert client.list_ids("Account", since=None).ids == [one]


def test_business_account_is_none_of_ours(org):
    simulator, client = org({"objects": ["Account"]})
    person, business = simulator.create("Account", [{"LastName": "Invented"}] * 2)
    simulator._org.records.tables["Account"][business[:15]]["IsPersonAccount"] = False
    (call,) = simulator.create_tasks([task("0038d0000000001AAA", AccountId=business)])
    assert RecordRef("Account", business) in client.people("Task", [call])[call]  # so it is due
    assert set(client.read("Account", [person, business], READ).records) == {person}


def test_only_some_record_types_are_scored(org):
    simulator, client = org({"only_record_types": ["Patient_Inquiry"]})
    patient, vendor = simulator.create(
        "RecordType", [{"DeveloperName": "Patient_Inquiry"}, {"DeveloperName": "Vendor"}]
    )
    one, _ = simulator.create_leads([lead(RecordTypeId=patient), lead(RecordTypeId=vendor)])
    every = list(simulator.leads())
    assert set(client.read("Lead", every, READ).records) == {one}
    page = client.list_ids("Lead", since=None)
    assert (page.ids, page.total) == ([one], 1)


def test_record_types_that_nobody_has_stop_the_account_and_forget_nothing(org):
    simulator, client = org({"only_record_types": ["Renamed"]})
    (one,) = simulator.create_leads([lead()])
    with pytest.raises(AccessError, match="only_record_types"):
        client.read("Lead", [one], READ)


def test_answer_of_the_same_day_is_not_hidden_by_an_earlier_call(org):
    simulator, client = org()
    (one,) = simulator.create_leads([lead()])
    times = [at(hours=6), at(hours=4), at(hours=1)]
    simulator.create_tasks([task(one, CallType="Outbound", CompletedDateTime=t) for t in times])
    found = client.activities("Lead", [one], ["Task"])[one]
    assert sorted(each.answered_at for each in found) == [
        NOW - timedelta(hours=hours) for hours in (6, 4, 1)
    ]


def test_events_of_activities_and_related_objects_name_their_people(org):
    simulator, client = org({"related": {"ClinicalServiceRequest": "PatientId"}})
    (one,) = simulator.create_leads([lead()])
    call, loose = simulator.create_tasks([task(one), task(None)])
    (member,) = simulator.create("CampaignMember", [{"LeadId": one}])
    (account,) = simulator.create("Account", [{"LastName": "Invented"}])
    (request,) = simulator.create("ClinicalServiceRequest", [{"PatientId": account}])
    assert client.people("Task", [call, loose]) == {call: [RecordRef("Lead", one)]}
    assert client.people("CampaignMember", [member]) == {member: [RecordRef("Lead", one)]}
    assert client.people("ClinicalServiceRequest", [request]) == {
        request: [RecordRef("Account", account)]
    }


@pytest.mark.parametrize("record_id", ["", "x' OR Name != '", "00Q8d0000001aB", "../../limits"])
def test_what_is_no_id_never_becomes_a_request(org, record_id):
    _, client = org()
    for call in (
        lambda: client.read("Lead", [record_id], READ),
        lambda: client.write("Lead", [Change(record_id=record_id, properties={})]),
        lambda: client.people("Task", [record_id]),
        lambda: client.activities("Lead", [record_id], ALL),
    ):
        with pytest.raises(PermanentCrmError):
            call()
    assert client.calls() == {}


def test_locked_records_are_written_again_in_smaller_groups(org):
    simulator, client = org()
    ids = simulator.create_leads([lead()] * 200)
    changes = [Change(record_id=one, properties={"Lead_Score__c": 5}) for one in ids]
    locked = set(ids[:60])
    sizes = []
    send = client._calls.call

    def call(kind, path, **given):
        rows = send(kind, path, **given)
        sizes.append(len(rows))
        if len(sizes) == 1:
            for row in rows:
                if row["id"] in locked:
                    row.update(success=False)
                    row["errors"] = [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked"}]
        return rows

    client._calls.call = call
    outcome = client.write("Lead", changes)
    assert outcome.written == set(ids)
    assert sizes == [200, 50, 10]


def test_namespace_names_the_fields_of_the_package(org_at):
    account = org_at("http://127.0.0.1:1", namespace="clinic")
    assert account.namespace == "clinic"
    with pytest.raises(ValueError, match="namespace"):
        org_at("http://127.0.0.1:1", namespace="a__b")
