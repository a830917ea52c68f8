"""Signed callouts: who may send, what is read, and what never is."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.base import Delivery
from integrations.errors import PayloadError, VerificationError
from integrations.salesforce.callouts import (
    MAX_EVENTS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    EventAdapter,
    EventOrg,
    signature,
)

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
SENT = str(round(NOW.timestamp() * 1000))
TOKEN = "Zx8vN2kQ4rT6yU1wE3oP5aS7dF9gH0jL"
SECRET = "invented-callout-secret-0001"
ORG = EventOrg(
    account="org",
    organization_id="00D8d000000HLs1EAG",
    path_token=TOKEN,
    secrets=(SECRET,),
    objects=("Lead", "Contact", "Task"),
)
LEAD = "00Q8d0000001aBCEAY"


def message(*events, organization=ORG.organization_id, **more):
    rows = [dict(zip(("object", "id", "cause"), event, strict=True)) for event in events]
    return json.dumps({"organizationId": organization, "events": rows, **more}).encode()


BODY = message(("Lead", LEAD, "created"))


def sign(body, *, sent=SENT, secret=SECRET):
    """Sign by the documents, not by the product's own function."""
    text = sent.encode() + b"." + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def verdict(body=BODY, *, signed=None, sent=SENT, token=TOKEN, orgs=(ORG,)):
    headers = {TIMESTAMP_HEADER: sent, SIGNATURE_HEADER: sign(body) if signed is None else signed}
    delivery = Delivery(
        method="POST", headers=headers, body=body, peer="203.0.113.9", path_token=token
    )
    try:
        return EventAdapter(orgs).verify(delivery, now=NOW)
    except VerificationError as error:
        return error.reason, error.status


def parse(body, **changes):
    return EventAdapter([replace(ORG, **changes)]).parse(body, account="org")


def test_s001_the_signature_is_that_of_the_references_known_answer():
    vector = json.loads((PAYLOADS / "apex_event_vector.json").read_text("utf-8"))
    body = (PAYLOADS / "apex_event_body.json").read_bytes()

    found = signature(vector["secret"], vector["timestamp"], body)

    assert f"sha256={found}" == vector["header_X-HLS-Signature"]


def test_s006_a_signed_message_needs_no_known_address():
    assert verdict() == "org"


@pytest.mark.parametrize(
    "signed",
    [sign(BODY).upper(), sign(BODY)[:-1], "sha256=" + sign(BODY), "é" * 64, "\udcff", "x"],
)
def test_s001_another_signature_is_refused(signed):
    assert verdict(signed=signed) == ("signature_mismatch", 401)


def test_s001_a_message_without_a_signature_is_refused():
    assert verdict(signed="") == ("signature_missing", 401)
    assert verdict(sent="") == ("timestamp_missing", 401)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN.lower(), "é", "\udcff"])
def test_s006_another_path_token_is_refused(token):
    assert verdict(token=token) == ("path_token_unknown", 403)


@pytest.mark.parametrize(
    "sent",
    ["nan", "1e12", f" {SENT}", SENT[:-1], SENT + "0", SENT + "\n", "1_79000000000", "١" * 13],  # noqa: RUF001  digits of another script
)
def test_s003_a_timestamp_of_another_form_is_refused(sent):
    assert verdict(sent=sent) == ("timestamp_malformed", 401)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_s003_a_message_older_or_newer_than_five_minutes_is_refused(seconds):
    sent = str(int(SENT) + seconds * 1000)

    assert verdict(sent=sent, signed=sign(BODY, sent=sent)) == ("timestamp_stale", 401)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_s003_five_minutes_are_still_fresh(seconds):
    sent = str(int(SENT) + seconds * 1000)

    assert verdict(sent=sent, signed=sign(BODY, sent=sent)) == "org"


def test_s004_bytes_that_move_between_timestamp_and_body_are_refused():
    assert verdict(BODY[1:], signed=sign(BODY)) == ("signature_mismatch", 401)
    other = str(int(SENT) + 1)
    assert verdict(sent=other, signed=sign(BODY)) == ("signature_mismatch", 401)


def test_s005_two_secrets_are_valid_while_one_is_changed():
    org = replace(ORG, secrets=("invented-callout-secret-0002", SECRET))

    assert verdict(orgs=[org]) == "org"
    assert verdict(orgs=[replace(org, secrets=org.secrets[:1])]) == ("signature_mismatch", 401)


def test_s006_one_orgs_secret_does_not_open_another_org():
    other = replace(ORG, account="other", path_token="o" * 32, secrets=("s" * 32,))

    assert verdict(orgs=[ORG, other], token="o" * 32) == ("signature_mismatch", 401)


@pytest.mark.parametrize("organization", ["00D8d000000HLs2EAG", "00d8d000000HLs1EAG", "x", ""])
def test_s006_a_sandbox_that_has_the_secrets_is_another_org(organization):
    body = message(("Lead", LEAD, "changed"), organization=organization)

    assert verdict(body) == ("organization_unknown", 403)
    with pytest.raises(PayloadError, match="organizationId"):
        parse(body)


def test_s006_fifteen_characters_name_the_same_org():
    body = message(("Lead", LEAD, "changed"), organization=ORG.organization_id[:15])

    assert verdict(body) == "org"
    assert len(parse(body).events) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"organizationId": 1}', b'{"a":1,"a":2}', b"\xef\xbb\xbf{}"],
)
def test_s016_what_is_signed_and_cannot_be_read_is_taken_and_quarantined(body):
    assert verdict(body) == "org"
    with pytest.raises(PayloadError):
        parse(body)


def test_an_org_whose_events_are_fetched_takes_no_callout():
    fetched = replace(ORG, path_token="", secrets=())

    assert verdict(orgs=[fetched], token="") == ("path_token_unknown", 403)
    assert verdict(orgs=[replace(ORG, secrets=())]) == ("path_token_unknown", 403)


def test_a_message_names_its_records_and_what_became_of_them():
    parsed = parse(
        message(
            ("Lead", LEAD[:15], "created"),
            ("Contact", "0038d0000001qRsAAI", "changed"),
            ("Lead", LEAD, "deleted"),
            ("Task", "00T8d0000001kLmEAI", "undeleted"),
            ("Opportunity", "0068d0000001aBC", "created"),
        )
    )

    assert [(e.record.object_type, e.record.record_id, e.cause) for e in parsed.events] == [
        ("Lead", LEAD, "created"),
        ("Contact", "0038d0000001qRsAAI", "changed"),
        ("Lead", LEAD, "deleted"),
        ("Task", "00T8d0000001kLmEAI", "restored"),
    ]
    assert parsed.ignored == 1


def test_a_message_that_does_not_say_what_happened_has_the_record_read():
    assert [e.cause for e in parse(message(("Lead", LEAD, None))).events] == ["changed"]


@pytest.mark.parametrize(
    "bad",
    [
        {"id": LEAD, "cause": "changed"},
        {"object": "Lead", "cause": "changed"},
        {"object": "Lead", "id": LEAD, "cause": ["changed"]},
        {"object": "Lead", "id": LEAD, "cause": "exploded"},
        {"object": "Lead", "id": 7, "cause": "changed"},
        {"object": "Lead", "id": "00Q8d0000001a/C", "cause": "changed"},
        {"object": "Lead", "id": "x" * 10_000, "cause": "changed"},
        {"object": "Lead", "id": "0038d0000001qRsAAI", "cause": "changed"},
        "text",
        None,
    ],
)
def test_s017_one_bad_event_does_not_spoil_the_others(bad):
    good = {"object": "Lead", "id": LEAD, "cause": "changed"}
    rows = [good, bad, good]
    parsed = parse(json.dumps({"organizationId": ORG.organization_id, "events": rows}).encode())

    assert len(parsed.events) == 2
    assert [each.place.partition(".")[0] for each in parsed.unreadable] == ["events[1]"]
    assert all(len(each.reason) < 80 for each in parsed.unreadable)


def test_s013_more_events_than_a_transaction_handles_are_refused():
    events = [("Lead", LEAD, "changed")] * MAX_EVENTS

    assert len(parse(message(*events)).events) == MAX_EVENTS
    with pytest.raises(PayloadError, match="more than 200"):
        parse(message(*events, events[0]))


def test_s008_session_id_addresses_and_values_are_never_kept():
    more = {"sessionId": "MARKER", "url": "https://MARKER.example", "Email": "MARKER@x.example"}
    rows = [{"object": "Lead", "id": LEAD, "cause": "changed", **more}]
    body = json.dumps({"organizationId": ORG.organization_id, "events": rows, **more}).encode()

    assert verdict(body) == "org"
    assert "MARKER" not in repr(parse(body))


def test_the_description_of_an_org_shows_no_secret():
    assert TOKEN not in repr(ORG)
    assert SECRET not in repr(ORG)
