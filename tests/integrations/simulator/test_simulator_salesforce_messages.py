"""Tokens and Outbound Messages of the Salesforce simulator."""

import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.simulator.salesforce.outbound import is_acknowledged, retry_gap_s

LEAD = {"LastName": "Alder", "Company": "River & Sons <Ltd>"}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SPEEDUP = 1e7


@pytest.fixture
def sending(make_salesforce, receiver, recorded, serve):
    receiver.answer = (200, recorded("outbound_ack.xml"))
    opened = []

    def start(**settings):
        simulator = make_salesforce(
            **{"target_url": receiver.url, "retry_speedup": SPEEDUP, **settings}
        )
        context = serve(simulator)
        opened.append(context)
        context.__enter__()
        return simulator

    yield start
    for context in opened:
        context.__exit__(None, None, None)


def skeleton(xml):
    """Return the message with ids, versions and values taken out."""
    return re.sub(rb">[^<\s][^<]*<", b">*<", xml)


def ids_of(xml):
    outbound = "{http://soap.sforce.com/2005/09/outbound}"
    record = "{urn:sobject.enterprise.soap.sforce.com}Id"
    root = ET.fromstring(xml)  # noqa: S314 - made by the simulator
    return [
        (each.findtext(f"{outbound}Id"), each.find(f"{outbound}sObject").findtext(record))
        for each in root.iter(f"{outbound}Notification")
    ]


def test_message_is_built_as_the_sample(sending, receiver, recorded):
    salesforce = sending(message_fields=("LastModifiedDate", "LeadSource", "Status"))

    salesforce.create_leads([{**LEAD, "LeadSource": "Web"}])

    assert salesforce.wait_until_idle(5)
    [(_, headers, body)] = receiver.requests
    sample = recorded("outbound_message_1.xml")
    assert skeleton(body) == skeleton(sample)
    assert b'<SessionId xsi:nil="true"/>' in body
    assert b"<sf:LastModifiedDate>2026-09-21T14:13:20.000Z</sf:LastModifiedDate>" in body
    assert headers["Content-Type"].startswith("text/xml")


def test_message_carries_the_id_only_by_default(sending, receiver):
    salesforce = sending()
    [lead] = salesforce.create_leads([{**LEAD, "Description": "private words"}])

    assert salesforce.wait_until_idle(5)
    body = receiver.requests[0][2]
    assert ids_of(body)[0][1] == lead
    assert re.findall(rb"<sf:(\w+)>", body) == [b"Id"]


def test_markup_in_values_is_escaped(sending, receiver):
    salesforce = sending(message_fields=("Company",), message_session_id="00D!<planted>")
    salesforce.create_leads([LEAD])

    assert salesforce.wait_until_idle(5)
    body = receiver.requests[0][2]
    assert b"River &amp; Sons &lt;Ltd&gt;" in body
    assert b"<SessionId>00D!&lt;planted&gt;</SessionId>" in body


def test_only_creation_and_input_fields_fire(sending, receiver, salesforce_api):
    salesforce = sending()
    [lead] = salesforce.create_leads([LEAD])
    salesforce.update_lead(lead, {"Lead_Score__c": 50, "Title": "Dr"})
    call = salesforce_api(salesforce)
    call("PATCH", f"sobjects/Lead/{lead}", {"Lead_Score__c": 60})
    assert salesforce.counters["events_queued"] == 1

    salesforce.update_lead(lead, {"Status": "Working - Contacted"})
    salesforce.update_lead(lead, {"Status": "Working - Contacted"})

    assert salesforce.wait_until_idle(5)
    assert salesforce.counters["events_queued"] == 2
    assert {record for _, _, body in receiver.requests for _, record in ids_of(body)} == {lead}


def test_task_has_a_message_of_its_own(sending, receiver):
    salesforce = sending()
    [lead] = salesforce.create_leads([LEAD])
    salesforce.create_tasks([{"WhoId": lead, "TaskSubtype": "Call"}])

    assert salesforce.wait_until_idle(5)
    kinds = {re.search(rb'xsi:type="sf:(\w+)"', body).group(1) for _, _, body in receiver.requests}
    assert kinds == {b"Lead", b"Task"}


def test_flood_is_sent_in_messages_of_at_most_100(make_salesforce, receiver, recorded, serve):
    receiver.answer = (200, recorded("outbound_ack.xml"))
    salesforce = make_salesforce(target_url=receiver.url)
    leads = salesforce.create_leads([LEAD] * 450)

    with serve(salesforce):
        assert salesforce.wait_until_idle(10)

    sent = [pair for _, _, body in receiver.requests for pair in ids_of(body)]
    assert sorted(len(ids_of(body)) for _, _, body in receiver.requests) == [
        50,
        100,
        100,
        100,
        100,
    ]
    assert {record for _, record in sent} == set(leads)
    assert len({notification for notification, _ in sent}) == 450
    assert all(notification.startswith("04l") for notification, _ in sent)


@pytest.mark.parametrize("case", ["nack", "empty", "html", "500", "204"])
def test_message_is_sent_again_until_acknowledged(sending, receiver, recorded, case):
    ack = recorded("outbound_ack.xml")
    receiver.answers = [
        {
            "nack": (200, recorded("outbound_nack.xml")),
            "empty": (200, b""),
            "html": (200, b"<html><body>ok</body></html>"),
            "500": (500, ack),
            "204": (204, b""),
        }[case]
    ]
    salesforce = sending()

    salesforce.create_leads([LEAD])

    assert salesforce.wait_until_idle(5)
    first, second = (ids_of(body) for _, _, body in receiver.requests)
    assert first == second
    assert salesforce.counters["deliveries_retried"] == 1
    assert salesforce.counters["events_acknowledged"] == 1


def test_retry_carries_the_newest_values(make_salesforce, receiver, recorded, serve):
    salesforce = make_salesforce(target_url=receiver.url, message_fields=("Phone",))
    [lead] = salesforce.create_leads([{**LEAD, "Phone": "old"}])
    with salesforce._org.lock:
        salesforce._org.records.tables["Lead"][lead[:15]]["Phone"] = "new"
    receiver.answer = (200, recorded("outbound_ack.xml"))

    with serve(salesforce):
        assert salesforce.wait_until_idle(5)

    assert b"<sf:Phone>new</sf:Phone>" in receiver.requests[0][2]


def test_message_is_dropped_after_a_day(sending, receiver):
    receiver.answer = (500, b"")
    salesforce = sending()

    salesforce.create_leads([LEAD])

    assert salesforce.wait_until_idle(5)
    assert salesforce.counters["events_given_up"] == 1
    assert salesforce.counters["deliveries_sent"] == len(receiver.requests) > 15


def test_gaps_double_up_to_two_hours():
    gaps = []
    while (gap := retry_gap_s(len(gaps), speedup=1.0)) is not None:
        gaps.append(gap)

    assert gaps[:9] == [30, 60, 120, 240, 480, 960, 1920, 3840, 7200]
    assert set(gaps[9:]) == {7200}
    assert 79_000 < sum(gaps) <= 86_400


def test_acknowledgement_is_read_by_namespace(recorded):
    assert is_acknowledged(recorded("outbound_ack.xml"))
    assert not is_acknowledged(recorded("outbound_nack.xml"))
    assert not is_acknowledged(b"<notificationsResponse><Ack>true</Ack></notificationsResponse>")


def test_client_credentials_answer_as_sampled(salesforce, salesforce_api, recorded):
    answer = salesforce_api(salesforce).login()

    sample = recorded("token_response_client_credentials.json")
    assert answer.status_code == 200
    assert set(answer.get_json()) == set(sample)
    assert answer.get_json()["access_token"].startswith("00D8d000000HLs1!")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_id": "guess"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_bad_token_request_is_refused(salesforce, recorded, change, error):
    form = {
        "grant_type": "client_credentials",
        "client_id": "3MVGsimulator",
        "client_secret": "simulator-consumer-secret",
    }

    answer = salesforce.app.test_client().post("/services/oauth2/token", data={**form, **change})

    assert (answer.status_code, answer.get_json()["error"]) == (400, error)
    assert set(answer.get_json()) == set(recorded("token_error.json"))


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({}, None),
        ({"aud": "https://elsewhere.example"}, "audience is invalid"),
        ({"sub": "other@example.com"}, "user hasn't approved this consumer"),
        ({"iss": "other"}, "client identifier invalid"),
        ({"late": True}, "expired authorization code"),
        ({"other_key": True}, "invalid assertion"),
    ],
)
def test_jwt_bearer_is_checked(make_salesforce, key, clock, change, error):
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    salesforce = make_salesforce(jwt_public_key_pem=public.decode())
    signer = rsa.generate_private_key(65537, 2048) if change.pop("other_key", False) else key
    left = timedelta(minutes=-1 if change.pop("late", False) else 3)
    claims = {
        "iss": "3MVGsimulator",
        "sub": "integration@example.com",
        "aud": "https://login.salesforce.com",
        "exp": int((clock() + left).timestamp()),
        **change,
    }
    form = {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, signer, "RS256")}

    answer = salesforce.app.test_client().post("/services/oauth2/token", data=form)

    assert answer.get_json().get("error_description") == error
    assert answer.status_code == (400 if error else 200)
