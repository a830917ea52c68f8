import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from integrations.base import Delivery
from integrations.errors import PayloadError, VerificationError
from integrations.salesforce.adapter import Org, SalesforceAdapter, certificate_sha256
from integrations.salesforce.wire import full_id

PAYLOADS = Path(__file__).parent / "payloads"
IDS = json.loads((PAYLOADS / "ids.json").read_text("utf-8"))
NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
TOKEN = "Zx8vN2kQ4rT6yU1wE3oP5aS7dF9gH0jL"
DER = b"an invented certificate, opaque to us"
PEM = (
    "-----BEGIN CERTIFICATE-----\n"
    + base64.encodebytes(DER).decode()
    + "-----END CERTIFICATE-----\n"
)
ORG = Org(
    account="org",
    organization_id=IDS["organization"],
    path_token=TOKEN,
    sender_ranges=(ip_network("13.108.0.0/14"), ip_network("2001:db8::/32")),
)


def verdict(body, *, org=ORG, token=TOKEN, peer="13.108.1.1", certificate="", others=()):
    adapter = SalesforceAdapter([org, *others])
    delivery = Delivery(
        method="POST",
        headers={},
        body=body,
        peer=peer,
        path_token=token,
        certificate=certificate,
    )
    try:
        return adapter.verify(delivery, now=NOW)
    except VerificationError as error:
        return error.reason, error.status


@pytest.fixture
def message():
    return (PAYLOADS / "outbound_message_3.xml").read_bytes()


def test_s006_all_proofs_together_are_accepted(message):
    assert verdict(message) == "org"
    assert verdict(message, peer="2001:db8::7") == "org"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "wrong",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN.lower(),
        " " + TOKEN,
        TOKEN + "\n",
        "é",
        "\udcff",
    ],
)
def test_s006_another_path_token_is_refused(message, token):
    assert verdict(message, token=token) == ("path_token_unknown", 403)


@pytest.mark.parametrize(
    "peer",
    ["203.0.113.9", "", "unknown", "13.108.1.1:443", "13.108.1", "::1", "13.108.1.1, 1.1.1.1"],
)
def test_s006_a_sender_outside_the_ranges_is_refused(message, peer):
    assert verdict(message, peer=peer) == ("sender_unknown", 403)


@pytest.mark.parametrize(
    "organization",
    [
        "00D8d000000HLs2EAG",
        "00d8d000000HLs1EAG",
        "00D8d000000HLs1" + "x" * 200,
        "00D8d000000HLs",
        "00D8d000000HLs1E",
        "x",
    ],
)
def test_s006_another_organization_is_refused(outbound, organization):
    body = outbound("00Q8d0000001aBC", organization=organization)

    assert verdict(body) == ("organization_unknown", 403)


def test_s006_one_orgs_token_does_not_open_another_org(outbound):
    other = replace(
        ORG, account="other", organization_id="00D8d000000Oth1EAG", path_token="o" * 32
    )
    body = outbound("00Q8d0000001aBC", organization=other.organization_id)

    assert verdict(body, others=[other]) == ("organization_unknown", 403)
    assert verdict(body, others=[other], token="o" * 32) == "other"


def test_s006_a_15_character_organization_id_is_the_same_organization(outbound):
    assert verdict(outbound("00Q8d0000001aBC", organization=ORG.organization_id[:15])) == "org"


def test_s006_a_pinned_certificate_stands_for_the_range(message):
    org = replace(ORG, sender_ranges=(), client_certificate_sha256=hashlib.sha256(DER).hexdigest())

    assert verdict(message, org=org, peer="203.0.113.9", certificate=quote(PEM)) == "org"
    for wrong in ("", "x", quote(PEM.replace("A", "B")), quote(PEM + PEM), PEM[:60], "%ff%fe"):
        assert verdict(message, org=org, certificate=wrong) == ("sender_unknown", 403)


@pytest.mark.parametrize(
    "escaped", ["", "%", "%zz", "-----BEGIN CERTIFICATE-----\n=\n-----END CERTIFICATE-----"]
)
def test_s018_any_certificate_header_is_read_without_an_error(escaped):
    assert certificate_sha256(escaped) in {"", hashlib.sha256(b"").hexdigest()}


@pytest.mark.parametrize("body", [b"", b"<a/>", b"{}", b"<!DOCTYPE a><a/>"])
def test_s014_a_message_that_cannot_be_read_is_no_proof(body):
    assert verdict(body) == ("xml_refused", 400)


def test_s006_the_sender_is_looked_at_before_the_message():
    assert verdict(b"<!DOCTYPE", peer="203.0.113.9") == ("sender_unknown", 403)
    assert verdict(b"<!DOCTYPE", token="wrong") == ("path_token_unknown", 403)


def parse(body, **settings):
    return SalesforceAdapter([replace(ORG, **settings)]).parse(body)


def test_a_message_names_its_records_in_their_long_form(message):
    parsed = parse(message)

    assert [event.record.record_id for event in parsed.events] == [
        IDS["leads"][1],
        IDS["leads"][2],
        IDS["leads"][1],
    ]
    assert {event.record.object_type for event in parsed.events} == {"Lead"}


@pytest.mark.parametrize("given", IDS["leads"] + IDS["contacts"] + IDS["tasks"])
def test_short_ids_become_the_vendors_long_ones(given):
    assert full_id(given[:15]) == given
    assert full_id(given) == given


@pytest.mark.parametrize("suffix", ["EAZ", "aaa", "000"])
def test_a_wrong_check_suffix_still_names_the_one_record(outbound, suffix):
    parsed = parse(outbound("00Q8d0000001aBC" + suffix))

    assert [event.record.record_id for event in parsed.events] == ["00Q8d0000001aBCEAY"]


def test_an_object_that_is_not_scored_is_acknowledged_and_ignored(outbound):
    body = (PAYLOADS / "outbound_message_task_1.xml").read_bytes()

    assert (len(parse(body).events), parse(body).ignored) == (0, 1)
    assert len(parse(outbound("0038d0000001qRs", of_type="Contact"), objects=("Contact",)).events)


@pytest.mark.parametrize(
    "record_id",
    [
        "",
        "00Q8d0000001aB",
        "00Q8d0000001aBCE",
        "00Q8d0000001aBCEAYx",
        "00Q8d0000001a/C",
        "../../../etc/pas",
        "00Q8d0000001aB'",
        "00Q8d0000001aBé",
        "\u0660\u0660Q8d0000001aBC",
        "00Q8d 000001aBC",
        "x" * 10_000,
        "<sf:b>00Q8d0000001aBC</sf:b>",
    ],
)
def test_s017_a_hostile_id_is_put_aside_and_the_others_are_kept(outbound, record_id):
    parsed = parse(outbound("00Q8d0000001aBC", record_id, "00Q8d0000002aBC"))

    assert len(parsed.events) == 2
    assert [bad.place for bad in parsed.unreadable] == ["notification[1]"]
    assert len(parsed.unreadable[0].reason) < 80


def test_a_notification_without_data_is_put_aside(outbound):
    body = outbound("00Q8d0000001aBC").replace(
        b"</notifications>",
        b"<Notification><Id>04l8d0000002xYzAAI</Id></Notification></notifications>",
    )

    parsed = parse(body)

    assert (len(parsed.events), parsed.ignored + len(parsed.unreadable)) == (1, 1)


def test_an_organization_that_is_no_longer_configured_is_a_payload_error(outbound):
    body = outbound("00Q8d0000001aBC", organization="00D8d000000Gon1EAG")

    with pytest.raises(PayloadError, match="organization"):
        parse(body)


def test_the_answer_is_the_acknowledgement_of_the_wsdl():
    ours = ET.fromstring(SalesforceAdapter([ORG]).acknowledgement.body)  # noqa: S314  our own
    wanted = ET.fromstring((PAYLOADS / "outbound_ack.xml").read_bytes())  # noqa: S314  our own

    def shape(node):
        return node.tag, (node.text or "").strip(), [shape(child) for child in node]

    assert shape(ours) == shape(wanted)


def test_s008_session_id_addresses_and_values_are_never_kept(outbound):
    more = "<sf:LastName>MARKER-name</sf:LastName><sf:Email xsi:nil='true'/>"
    body = (
        outbound("00Q8d0000001aBC", more=more)
        .replace(b'<SessionId xsi:nil="true"/>', b"<SessionId>MARKER-session</SessionId>")
        .replace(
            b"<Notification>",
            b"<EnterpriseUrl>https://MARKER.example</EnterpriseUrl><Notification>",
        )
    )

    assert verdict(body) == "org"
    assert "MARKER" not in repr(parse(body))


def test_the_description_of_an_org_shows_no_token():
    assert TOKEN not in repr(ORG)
