"""What every adapter and client must do, run for each CRM against its simulator."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from config.practice import HubSpotAccount, SalesforceAccount
from integrations.base import Change, CrmClient
from integrations.errors import AccessError, RateLimitedError, TransientCrmError
from integrations.http import ForeignHostError
from integrations.registry import build_client
from integrations.setting_up import check_account
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(kw_only=True)
class Crm:
    """One CRM under the contract."""

    account: HubSpotAccount | SalesforceAccount
    simulator: Any
    client: CrmClient
    object_type: str
    message: str  #: The property that holds the inquiry.
    score: str
    tier: str
    read_kind: str
    write_kind: str
    create: Callable[[list[str]], list[str]]
    value: Callable[[str, str], Any]
    remove: Callable[[str], None]


def _client(account, secrets) -> CrmClient:
    return build_client(account, secrets, clock=time.monotonic, sleep=lambda _s: None)


@pytest.fixture
def hubspot(portal_at, watched):
    settings = HubSpotSettings(provisioned=True, access_token="pat-contract")
    simulator = watched(HubSpotSimulator(settings, now=now))
    with running(simulator) as url:
        account = portal_at(url)
        client = _client(account, {"access_token": "pat-contract"})
        yield Crm(
            account=account,
            simulator=simulator,
            client=client,
            object_type="contact",
            message="message",
            score="lead_score",
            tier="lead_score_tier",
            read_kind="batch_read",
            write_kind="batch_update",
            create=lambda texts: simulator.create_contacts([{"message": t} for t in texts]),
            value=lambda record, name: simulator.contact(record).get(name),
            remove=simulator.delete_contact,
        )
        client.close()


@pytest.fixture
def salesforce():
    settings = SalesforceSettings(consumer_key="key", consumer_secret="secret")
    simulator = SalesforceSimulator(settings, now=now)
    with running(simulator) as url:
        account = SalesforceAccount(
            crm="salesforce",
            name="salesforce",
            organization_id=settings.organization_id,
            base_url=url,
            consumer_key={"env": "A"},
            consumer_secret={"env": "B"},
            path_token={"env": "C"},
            sender_ranges=("127.0.0.0/8",),
        )
        client = _client(account, {"consumer_key": "key", "consumer_secret": "secret"})
        yield Crm(
            account=account,
            simulator=simulator,
            client=client,
            object_type="Lead",
            message="Description",
            score="Lead_Score__c",
            tier="Lead_Score_Tier__c",
            read_kind="collections_read",
            write_kind="collections_update",
            create=lambda texts: simulator.create_leads(
                [{"LastName": "Invented", "Company": "-", "Description": t} for t in texts]
            ),
            value=lambda record, name: simulator.record("Lead", record).get(name),
            remove=simulator.delete_lead,
        )
        client.close()


@pytest.fixture(params=["hubspot", "salesforce"])
def crm(request) -> Crm:
    return request.getfixturevalue(request.param)


def test_a_batch_of_the_largest_size_is_one_call(crm):
    ids = crm.create([f"inquiry {n}" for n in range(crm.client.batch_size)])

    found = crm.client.read(crm.object_type, ids, [crm.message])

    assert len(found.records) == crm.client.batch_size
    assert crm.client.calls() == {crm.read_kind: 1}


def test_s043_only_the_properties_asked_for_are_read(crm):
    [record] = crm.create(["hello"])

    found = crm.client.read(crm.object_type, [record], [crm.message])

    own = {"attributes", "Id", "createdate", "hs_object_id", "lastmodifieddate"}
    assert set(found.records[record]) - own == {crm.message}
    assert found.records[record][crm.message] == "hello"


def test_a_record_that_is_gone_is_simply_not_found(crm):
    here, gone = crm.create(["one", "two"])
    crm.remove(gone)

    found = crm.client.read(crm.object_type, [here, gone], [crm.message])

    assert set(found.records) == {here}


def test_a_written_value_is_in_the_crm(crm):
    [record] = crm.create(["one"])

    outcome = crm.client.write(
        crm.object_type, [Change(record_id=record, properties={crm.score: 71, crm.tier: "hot"})]
    )

    assert outcome.written == {record}
    assert float(crm.value(record, crm.score)) == 71
    assert crm.value(record, crm.tier) == "hot"


def test_none_clears_a_value_and_is_not_zero(crm):
    [record] = crm.create(["one"])
    for score in (71, None):
        crm.client.write(
            crm.object_type,
            [Change(record_id=record, properties={crm.score: score, crm.tier: "clinical"})],
        )

    assert crm.value(record, crm.score) in (None, "")
    crm.client.write(
        crm.object_type, [Change(record_id=record, properties={crm.score: 0, crm.tier: "low"})]
    )
    assert float(crm.value(record, crm.score)) == 0


def test_writing_the_same_twice_is_safe(crm):
    [record] = crm.create(["one"])
    change = Change(record_id=record, properties={crm.score: 5, crm.tier: "low"})

    outcomes = [crm.client.write(crm.object_type, [change]) for _ in range(2)]

    assert [outcome.written for outcome in outcomes] == [{record}, {record}]


def test_s017_one_refused_record_does_not_keep_the_others_from_being_written(crm):
    records = crm.create([str(n) for n in range(9)])
    changes = [
        Change(record_id=record, properties={crm.score: 5, crm.tier: "low"}) for record in records
    ]
    bad = Change(record_id=records[4], properties={crm.score: 5, crm.tier: "no such tier"})
    changes[4] = bad

    outcome = crm.client.write(crm.object_type, changes)

    assert set(outcome.refused) == {records[4]}
    assert outcome.written == set(records) - {records[4]}


def test_a_record_deleted_before_its_write_is_gone_and_not_an_error(crm):
    here, gone = crm.create(["one", "two"])
    crm.remove(gone)

    outcome = crm.client.write(
        crm.object_type,
        [Change(record_id=r, properties={crm.score: 5, crm.tier: "low"}) for r in (here, gone)],
    )

    assert outcome.written == {here}
    assert outcome.gone == {gone}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_s086_a_passing_fault_is_tried_again(crm, status):
    [record] = crm.create(["one"])
    crm.simulator.faults.answer(r"batch|composite", status, b"<html>busy</html>", times=2)

    found = crm.client.read(crm.object_type, [record], [crm.message])

    assert set(found.records) == {record}
    assert crm.client.calls()[crm.read_kind] == 3


def test_s027_a_lasting_fault_goes_back_to_the_worker_after_three_tries(crm):
    [record] = crm.create(["one"])
    crm.simulator.faults.answer(r"batch|composite", 503, b"", times=50)

    with pytest.raises(TransientCrmError):
        crm.client.read(crm.object_type, [record], [crm.message])

    assert crm.client.calls()[crm.read_kind] == 3


def test_s037_html_with_status_200_is_no_answer(crm):
    [record] = crm.create(["one"])
    crm.simulator.faults.html(r"batch|composite", times=50)

    with pytest.raises(TransientCrmError):
        crm.client.read(crm.object_type, [record], [crm.message])


def test_s037_a_huge_reply_is_not_read_to_its_end(crm):
    [record] = crm.create(["one"])
    crm.simulator.faults.answer(r"batch|composite", 200, b"x" * (9 * 1024 * 1024), times=50)

    with pytest.raises(TransientCrmError, match="reply_too_large"):
        crm.client.read(crm.object_type, [record], [crm.message])


def test_s037_a_redirect_is_not_followed(crm):
    [record] = crm.create(["one"])
    crm.simulator.faults.answer(
        r"batch|composite", 302, b"", headers=[("Location", "https://evil.example.com/")]
    )

    with pytest.raises(AccessError, match="foreign_host"):
        crm.client.read(crm.object_type, [record], [crm.message])


def test_a_property_that_does_not_exist_stops_the_account_and_not_the_record(crm):
    [record] = crm.create(["one"])

    change = Change(record_id=record, properties={"No_Such_Field__c": 5})

    with pytest.raises(AccessError):
        crm.client.write(crm.object_type, [change])


def test_doctor_finds_what_is_missing_and_nothing_else(crm):
    practice = _practice(crm)
    secrets = {"access_token": "pat-contract", "consumer_key": "key", "consumer_secret": "secret"}

    findings = check_account(
        practice, crm.account, secrets, now=lambda: datetime.fromtimestamp(time.time(), UTC)
    )

    wrong = [finding.check for finding in findings if not finding.ok]
    assert wrong == [wrong[0]]
    assert "no_such" in wrong[0].lower()


def _practice(crm: Crm):
    from config.practice import Practice  # noqa: PLC0415

    fields = {"message": crm.message, "insurance_status": "no_such"}
    return Practice.model_validate(
        {
            "practice": {"name": "Invented"},
            "accounts": [crm.account],
            "fields": {crm.account.crm: fields},
        }
    )


def test_the_daily_limit_pauses_the_account(hubspot, salesforce):
    hubspot.simulator.faults.answer(
        r"batch", 429, b'{"policyName": "DAILY", "errorType": "RATE_LIMIT"}', times=9
    )
    with pytest.raises(RateLimitedError) as hubspot_pause:
        hubspot.client.read("contact", ["1"], ["message"])
    salesforce.simulator.exhaust_calls()
    with pytest.raises(RateLimitedError) as salesforce_pause:
        salesforce.client.read("Lead", ["00Q8d0000001aBCEAY"], ["Description"])

    assert hubspot_pause.value.retry_after_s >= 900
    assert salesforce_pause.value.retry_after_s >= 900


def test_s038_no_other_host_than_the_account_s_is_ever_reached(crm):
    """Whoever uses the session, and whatever an answer names: another host is refused unsent."""
    session = getattr(crm.client, "_calls", crm.client)._session
    for url in ("http://127.0.0.2:9/x", "https://example.com/x", "http://localhost:1/x"):
        with pytest.raises(ForeignHostError):
            session.get(url)
