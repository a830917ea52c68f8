import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from integrations.base import Delivery, RecordRef
from integrations.errors import PayloadError, VerificationError
from integrations.hubspot.adapter import HubSpotAdapter
from integrations.hubspot.events import Portal

PAYLOADS = Path(__file__).parent / "payloads"
VECTORS = json.loads((PAYLOADS / "signature.vectors.json").read_text("utf-8"))
NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
URL = "https://scores.example.com/webhooks/hubspot"


def portal(*, secrets=("invented-client-secret-0001",), url=URL, written=("lead_score",)):
    return Portal(
        account="portal",
        portal_id="4000001",
        app_id="7100001",
        secrets=secrets,
        webhook_url=url,
        written=frozenset(written),
    )


def delivery(body, headers):
    lower = {name.lower(): value for name, value in headers.items()}
    return Delivery(method="POST", headers=lower, body=body, peer="203.0.113.9")


def verdict(adapter, body, headers, now=NOW):
    try:
        return adapter.verify(delivery(body, headers), now=now)
    except VerificationError as error:
        return error.reason if error.status == 401 else str(error.status)


@pytest.fixture
def adapter():
    return HubSpotAdapter([portal()])


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["version"] == "v3"], ids=lambda v: v["id"]
)
def test_s001_the_vendors_own_v3_vectors_are_accepted(vector):
    adapter = HubSpotAdapter(
        [portal(secrets=[vector["client_secret"]], url=vector["request_uri_as_received"])]
    )
    headers = {
        "X-HubSpot-Signature-v3": vector["signature"],
        "X-HubSpot-Request-Timestamp": vector["timestamp_header"],
    }
    at = datetime.fromtimestamp(int(vector["timestamp_header"]) / 1000, UTC)

    assert verdict(adapter, vector["body"].encode(), headers, at) == "portal"


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["version"] in {"v1", "v2"}], ids=lambda v: v["id"]
)
@pytest.mark.parametrize("stamped", [True, False])
def test_s001_a_valid_older_signature_alone_is_refused(vector, stamped):
    adapter = HubSpotAdapter(
        [portal(secrets=[vector["client_secret"]], url=vector["uri_to_sign"])]
    )
    headers = {
        "X-HubSpot-Signature": vector["signature"],
        "X-HubSpot-Signature-Version": vector["version"],
    }
    if stamped:
        headers["X-HubSpot-Request-Timestamp"] = str(round(NOW.timestamp() * 1000))

    expected = "signature_missing" if stamped else "timestamp_missing"
    assert verdict(adapter, vector["body"].encode(), headers) == expected


def test_s001_an_older_signature_in_the_v3_header_is_refused(adapter, signed):
    headers = signed(b"[]")
    older = hashlib.sha256(b"invented-client-secret-0001" + b"[]").digest()

    for forged in (older.hex(), base64.b64encode(older).decode()):
        headers["X-HubSpot-Signature-v3"] = forged
        assert verdict(adapter, b"[]", headers) == "signature_mismatch"


@pytest.mark.parametrize("given", ["é" * 44, "\udcff" * 44, "日本", "\x00", " ", "A" * 100_000])
def test_s001_a_strange_signature_is_refused_and_breaks_nothing(adapter, signed, given):
    headers = {**signed(b"[]"), "X-HubSpot-Signature-v3": given}

    assert verdict(adapter, b"[]", headers) == "signature_mismatch"


@pytest.mark.parametrize("change", ["lower", "padless", "space", "newline", "urlsafe"])
def test_s001_only_the_exact_signature_counts(adapter, signed, change):
    body = b"[1]"
    while "+" not in (right := signed(body)["X-HubSpot-Signature-v3"]):
        body = b"[1" + body[1:]
    wrong = {
        "lower": right.lower(),
        "padless": right.rstrip("="),
        "space": right + " ",
        "newline": right + "\n",
        "urlsafe": right.replace("+", "-"),
    }[change]

    assert verdict(adapter, body, signed(body)) == "portal"
    assert (
        verdict(adapter, body, {**signed(body), "X-HubSpot-Signature-v3": wrong})
        == "signature_mismatch"
    )


@pytest.mark.parametrize(
    "forwarded",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"},
        {"Forwarded": "host=evil.example;proto=http"},
        {"X-Original-URL": "/webhooks/other", "X-Rewrite-URL": "/"},
    ],
)
def test_s002_headers_about_the_address_change_no_verdict(adapter, signed, forwarded):
    good = {**signed(b"[]"), **forwarded}
    bad = {**signed(b"[]", url="https://evil.example/webhooks/hubspot"), **forwarded}

    assert verdict(adapter, b"[]", good) == "portal"
    assert verdict(adapter, b"[]", bad) == "signature_mismatch"


@pytest.mark.parametrize(
    "timestamp",
    [
        "nan",
        "1e12",
        " 1795453200000",
        "1795453200000 ",
        "1_795453200000",
        "+795453200000",
        "-179545320000",
        "0x1a20b3c4d5e6",
        "179545320000",
        "17954532000000",
        "1795453200000\n",
        "1795453200.00",
        "Infinity",
        "\u0661\u0667\u0669\u0665\u0664\u0665\u0663\u0662\u0660\u0660\u0660\u0660\u0660",
        "1795453200\uff1000",
        "\U0001d7cf\U0001d7d5\U0001d7d7\U0001d7d3\U0001d7d2\U0001d7d3\U0001d7d1\U0001d7d0\U0001d7ce\U0001d7ce\U0001d7ce\U0001d7ce\U0001d7ce",
    ],
)
def test_s003_a_timestamp_that_is_not_13_ascii_digits_is_refused(adapter, signed, timestamp):
    headers = signed(b"[]", timestamp=timestamp)

    assert verdict(adapter, b"[]", headers) == "timestamp_malformed"


def test_s003_a_timestamp_of_other_script_digits_is_refused(adapter, signed):
    arabic = str(round(NOW.timestamp() * 1000)).translate(
        str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")
    )

    assert verdict(adapter, b"[]", signed(b"[]", timestamp=arabic)) == "timestamp_malformed"


@pytest.mark.parametrize(
    ("away_ms", "expected"),
    [
        (0, "portal"),
        (-300_000, "portal"),
        (300_000, "portal"),
        (-300_001, "timestamp_stale"),
        (300_001, "timestamp_stale"),
        (-301_000, "timestamp_stale"),
        (301_000, "timestamp_stale"),
    ],
)
def test_s003_a_timestamp_counts_for_300_seconds_either_way(adapter, signed, away_ms, expected):
    headers = signed(b"[]", at=NOW + timedelta(milliseconds=away_ms))

    assert verdict(adapter, b"[]", headers) == expected


@pytest.mark.parametrize("shift", ["url to body", "body to url", "body to time", "time to body"])
def test_s004_bytes_shifted_between_the_signed_parts_are_refused(adapter, signed, shift):
    body, sent = b'[{"eventId":1}]1', str(round(NOW.timestamp() * 1000))
    url, moved, time = {
        "url to body": (URL[:-1], URL[-1:].encode() + body, sent),
        "body to url": (URL + body[:1].decode(), body[1:], sent),
        "body to time": (URL, body[:-1], body[-1:].decode() + sent),
        "time to body": (URL, body + sent[:1].encode(), sent[1:]),
    }[shift]
    headers = signed(body, timestamp=sent)

    # What is signed stays the same, byte for byte; only the cut is another.
    assert url.encode() + moved + time.encode() == URL.encode() + body + sent.encode()
    assert verdict(adapter, body, headers) == "portal"
    headers["X-HubSpot-Request-Timestamp"] = time
    assert verdict(adapter, moved, headers) in {"signature_mismatch", "timestamp_malformed"}


def test_s005_two_secrets_are_valid_at_once_and_a_third_is_not(signed):
    both = HubSpotAdapter([portal(secrets=["first-invented", "second-invented"])])

    assert verdict(both, b"[]", signed(b"[]", secret="first-invented")) == "portal"
    assert verdict(both, b"[]", signed(b"[]", secret="second-invented")) == "portal"
    assert verdict(both, b"[]", signed(b"[]", secret="third-invented")) == "signature_mismatch"


def test_an_address_with_percent_codes_is_signed_as_hubspot_decodes_it(signed):
    adapter = HubSpotAdapter([portal(url=URL + "?a=b%3Ac%20d%2fe")])

    decoded = URL + "?a=b:c%20d/e"
    assert verdict(adapter, b"[]", signed(b"[]", url=decoded)) == "portal"


CONTACT = "501000000001"


@pytest.mark.parametrize(
    ("name", "causes", "ids", "ignored"),
    [
        (
            "contact.creation.json",
            ["created"] * 3,
            [CONTACT, CONTACT[:-1] + "2", CONTACT[:-1] + "3"],
            0,
        ),
        (
            "contact.propertyChange.json",
            ["changed"] * 3,
            [CONTACT, CONTACT, CONTACT[:-1] + "4"],
            0,
        ),
        ("contact.propertyChange.retry.json", ["changed"], [CONTACT[:-1] + "5"], 0),
        ("contact.propertyChange.sensitive.json", ["changed"], [CONTACT], 0),
        ("contact.propertyChange.own-write.json", [], [], 1),
        ("contact.deletion.json", ["deleted"] * 2, [CONTACT[:-1] + "6", CONTACT[:-1] + "7"], 0),
        ("contact.privacyDeletion.json", ["erased"], [CONTACT[:-1] + "6"], 0),
        ("contact.restore.json", ["restored"], [CONTACT[:-1] + "6"], 0),
        (
            "contact.merge.json",
            ["merged"] * 3,
            ["501000000008", "501000000009", "501000000010"],
            0,
        ),
        ("contact.associationChange.json", ["linked"] * 2, [CONTACT] * 2, 0),
        (
            "object.creation.contact.json",
            ["changed", "created", "changed"],
            ["501000000011"] * 3,
            0,
        ),
        ("object.propertyChange.contact.json", ["changed"], ["501000000011"], 0),
        ("object.deletion.contact.json", ["deleted"], ["501000000011"], 0),
        ("object.restore.contact.json", ["restored"], ["501000000011"], 0),
        (
            "object.merge.contact.json",
            ["merged"] * 3,
            ["501000000012", "501000000013", "501000000014"],
            0,
        ),
        ("object.associationChange.contact.json", ["linked"], ["501000000011"], 0),
        ("test-event.json", ["created"], ["123"], 0),
    ],
)
def test_each_kind_of_event_names_its_contacts(adapter, name, causes, ids, ignored):
    parsed = adapter.parse((PAYLOADS / name).read_bytes())

    assert [event.cause for event in parsed.events] == causes
    assert [event.record.record_id for event in parsed.events] == ids
    assert {event.record.object_type for event in parsed.events} <= {"contact"}
    assert {event.account for event in parsed.events} <= {"portal"}
    assert parsed.ignored == ignored
    assert not parsed.unreadable


def test_an_activity_is_named_by_its_own_type_and_id(adapter):
    created = adapter.parse((PAYLOADS / "object.creation.activities.json").read_bytes())
    changed = adapter.parse((PAYLOADS / "object.propertyChange.call.json").read_bytes())

    assert [event.record for event in created.events] == [
        RecordRef("call", "701000000001"),
        RecordRef("email", "702000000001"),
        RecordRef("meeting", "703000000001"),
        RecordRef("note", "704000000001"),
        RecordRef("task", "705000000001"),
        RecordRef("communication", "706000000001"),
    ]
    assert [(event.record, event.cause) for event in changed.events] == [
        (RecordRef("call", "701000000001"), "changed")
    ]


@pytest.mark.parametrize("kind", ["deletion", "privacyDeletion"])
def test_a_deleted_activity_is_ignored_since_nobody_can_say_whose_it_was(adapter, event, kind):
    deleted = event(701, kind=f"object.{kind}", objectTypeId="0-48")

    parsed = adapter.parse(json.dumps([deleted]).encode())

    assert (len(parsed.events), parsed.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({"fromObjectTypeId": "0-1", "toObjectTypeId": "0-48"}, ["1"]),
        ({"fromObjectTypeId": "0-48", "toObjectTypeId": "0-1"}, ["2"]),
        ({"fromObjectTypeId": "0-1", "toObjectTypeId": "0-1"}, ["1", "2"]),
        ({"fromObjectTypeId": "0-2", "toObjectTypeId": "0-3"}, []),
        ({}, []),
    ],
)
def test_an_association_names_the_contacts_at_its_ends(adapter, event, more, ids):
    change = event(kind="object.associationChange", fromObjectId=1, toObjectId=2, **more)
    del change["objectId"]

    parsed = adapter.parse(json.dumps([change]).encode())

    assert [found.record for found in parsed.events] == [RecordRef("contact", i) for i in ids]
    assert not parsed.unreadable


@pytest.mark.parametrize(
    ("named", "ids"),
    [
        ({"associationType": "CONTACT_TO_DEAL"}, ["1"]),
        ({"associationType": "DEAL_TO_CONTACT"}, ["2"]),
        ({}, ["1"]),
    ],
)
def test_a_classic_association_names_its_contact(adapter, event, named, ids):
    change = event(kind="contact.associationChange", fromObjectId=1, toObjectId=2, **named)
    del change["objectId"]

    parsed = adapter.parse(json.dumps([change]).encode())

    assert [found.record.record_id for found in parsed.events] == ids


def test_a_merge_says_into_whom_the_losers_went(adapter):
    parsed = adapter.parse((PAYLOADS / "contact.merge.json").read_bytes())

    winner = RecordRef("contact", "501000000010")
    assert {found.record.record_id: found.into for found in parsed.events} == {
        "501000000008": winner,
        "501000000009": winner,
        "501000000010": None,
    }


@pytest.mark.parametrize("born", [{}, {"newObjectId": None}, {"newObjectId": 0}])
def test_a_merge_that_makes_no_new_id_goes_into_the_primary_contact(adapter, event, born):
    merge = event(7, kind="contact.merge", primaryObjectId=7, mergedObjectIds=[8], **born)

    parsed = adapter.parse(json.dumps([merge]).encode())

    assert [(e.record.record_id, e.into) for e in parsed.events] == [
        ("7", None),
        ("8", RecordRef("contact", "7")),
    ]


def test_the_kind_may_stand_in_event_type(adapter, event):
    older = event(7)
    older["eventType"] = older.pop("subscriptionType")

    assert len(adapter.parse(json.dumps([older]).encode()).events) == 1


@pytest.mark.parametrize(
    "kind",
    [
        "event.completed",
        "conversation.newMessage",
        "deal.creation",
        "object.somethingNew",
        "contact",
        "",
    ],
)
def test_a_kind_that_we_do_not_know_is_acknowledged_and_ignored(adapter, event, kind):
    parsed = adapter.parse(json.dumps([event(kind=kind), event(8)]).encode())

    assert (len(parsed.events), parsed.ignored, len(parsed.unreadable)) == (1, 1, 0)


def test_objects_of_other_types_are_ignored(adapter, event):
    company = event(kind="object.creation", objectTypeId="0-2")
    typeless = event(kind="object.creation")

    assert adapter.parse(json.dumps([company, typeless]).encode()).ignored == 2


def test_several_portals_of_one_app_may_share_a_delivery(event):
    second = replace(portal(), account="second", portal_id="4000002")
    adapter = HubSpotAdapter([portal(), second])

    parsed = adapter.parse(
        json.dumps([event(7), event(8, portalId=4000002)]).encode(), account="portal"
    )

    assert [(found.account, found.record.record_id) for found in parsed.events] == [
        ("portal", "7"),
        ("second", "8"),
    ]


def test_one_portals_secret_never_speaks_for_a_portal_that_has_another(event):
    other = replace(portal(secrets=["second-invented"]), account="second", portal_id="4000002")
    adapter = HubSpotAdapter([portal(), other])
    forged = event(8, kind="contact.privacyDeletion", portalId=4000002)

    assert adapter.parse(json.dumps([forged]).encode(), account="portal").ignored == 1
    assert len(adapter.parse(json.dumps([forged]).encode(), account="second").events) == 1


ENCODED = "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"


def test_all_twelve_codes_and_no_others_are_decoded_before_signing(signed):
    adapter = HubSpotAdapter([portal(url=f"{URL}?a={ENCODED}%20%26%3D%25")])

    decoded = f"{URL}?a=:/?@!$'()*,;%20%26%3D%25"
    assert verdict(adapter, b"[]", signed(b"[]", url=decoded)) == "portal"


def test_a_retry_with_a_fresh_time_is_accepted_hours_later(adapter, signed):
    body = (PAYLOADS / "contact.propertyChange.retry.json").read_bytes()
    later = NOW + timedelta(hours=20)

    assert verdict(adapter, body, signed(body, at=later), later) == "portal"


def test_a_mixed_batch_is_read_whole(adapter):
    body = (PAYLOADS / "mixed.batch.json").read_bytes()
    parsed = adapter.parse(body)

    count = len(json.loads(body))
    assert parsed.events
    assert not parsed.unreadable
    assert parsed.ignored + len(parsed.events) >= count


def test_a_workflows_own_webhook_is_no_list_of_events(adapter):
    with pytest.raises(PayloadError, match="must be a list"):
        adapter.parse((PAYLOADS / "workflow.webhook.post.json").read_bytes())


def test_s036_a_change_of_a_property_that_we_write_is_ignored(adapter, event):
    echo = event(kind="contact.propertyChange", propertyName="lead_score", propertyValue="70")
    elsewhere = {
        **echo,
        "propertyName": "jobtitle",
        "changeSource": "INTEGRATION",
        "sourceId": "1",
    }

    parsed = adapter.parse(json.dumps([echo, elsewhere]).encode())

    assert (len(parsed.events), parsed.ignored) == (1, 1)


def test_events_of_a_portal_that_is_not_ours_are_ignored(adapter, event):
    parsed = adapter.parse(json.dumps([event(portalId=999)]).encode())

    assert (len(parsed.events), parsed.ignored) == (0, 1)


@pytest.mark.parametrize(
    "fault",
    [
        {"objectId": "x1"},
        {"objectId": 1.5},
        {"objectId": True},
        {"objectId": None},
        {"objectId": -5},
        {"objectId": 10**19},
        {"objectId": "\u0661\u0662\u0663"},
        {"objectId": "5\n"},
        {"objectId": [501]},
        {"portalId": {"a": 1}},
        {"subscriptionType": 7},
        {"subscriptionType": None},
    ],
)
def test_s017_one_bad_event_leaves_the_ninety_nine_others(adapter, event, fault):
    rows = [event(1000 + place) for place in range(100)]
    rows[57].update(fault)

    parsed = adapter.parse(json.dumps(rows).encode())

    assert len(parsed.events) == 99
    assert [bad.place for bad in parsed.unreadable] == ["body[57]"]
    # The place and the rule, and nothing of the value.
    assert "x1" not in parsed.unreadable[0].reason


@pytest.mark.parametrize("row", ["null", "7", '"text"', "[]", "true", "{}"])
def test_s017_an_element_that_is_no_event_is_told_apart(adapter, event, row):
    body = f"[{json.dumps(event(1))},{row},{json.dumps(event(2))}]".encode()

    parsed = adapter.parse(body)

    assert [e.record.record_id for e in parsed.events] == ["1", "2"]
    assert [bad.place for bad in parsed.unreadable] == ["body[1]"]


def test_s017_a_merge_with_a_bad_loser_is_one_bad_event(adapter, event):
    merge = event(kind="contact.merge", primaryObjectId=1, mergedObjectIds=[2, "no"])

    parsed = adapter.parse(json.dumps([merge, event(3)]).encode())

    assert [e.record.record_id for e in parsed.events] == ["3"]
    assert len(parsed.unreadable) == 1


def test_s013_500_events_are_read_and_501_are_not(adapter, event):
    rows = [event(1000 + place) for place in range(501)]

    assert len(adapter.parse(json.dumps(rows[:500]).encode()).events) == 500
    with pytest.raises(PayloadError, match="more than 500"):
        adapter.parse(json.dumps(rows).encode())


def test_s013_an_id_stays_text_with_all_its_digits(adapter, event):
    rows = [event(9_999_999_999_999_999_999), event("0007"), event(2**53 + 1)]

    parsed = adapter.parse(json.dumps(rows).encode())

    ids = [e.record.record_id for e in parsed.events]
    assert ids == ["9999999999999999999", "0007", "9007199254740993"]


def test_an_empty_list_names_nobody(adapter):
    parsed = adapter.parse(b"[]")

    assert (len(parsed.events), parsed.ignored, len(parsed.unreadable)) == (0, 0, 0)


def test_s007_an_event_carries_no_value_of_the_contact(adapter):
    for file in PAYLOADS.glob("*.json"):
        if file.name.startswith(("contact.", "object.", "mixed")):
            shown = repr(adapter.parse(file.read_bytes()))
            assert "example.test" not in shown
            assert "Synthia" not in shown
            assert "f240bbac" not in shown


def test_the_description_of_a_portal_shows_no_secret(signed):
    shown = repr(portal()) + repr(delivery(b"body-text", signed(b"body-text")))

    assert "invented-client-secret" not in shown
    assert "body-text" not in shown


def test_an_event_of_another_app_is_ignored(adapter):
    event = {"subscriptionType": "contact.creation", "portalId": 4000001, "objectId": 7}
    other, own = {**event, "appId": 999}, {**event, "appId": 7100001}

    parsed = adapter.parse(json.dumps([other, own]).encode())

    assert len(parsed.events) == 1
    assert parsed.ignored == 1
