"""Workflows send in another way, through a door of their own, which opens nothing else."""

import hashlib
import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.base import Delivery, RecordRef
from integrations.errors import PayloadError, VerificationError
from integrations.hubspot.events import Portal
from integrations.hubspot.workflow import WorkflowAdapter

PAYLOADS = Path(__file__).parent / "payloads"
VECTORS = json.loads((PAYLOADS / "signature.vectors.json").read_text("utf-8"))
NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
URL = "https://scores.example.com/webhooks/hubspot/workflow"
SECRET = "invented-workflow-secret"
BODY = (PAYLOADS / "workflow.webhook.post.json").read_bytes()


def portal(account="portal", *, secret=SECRET, url=URL, portal_id="4000001"):
    return Portal(
        account=account,
        portal_id=portal_id,
        app_id="7100001",
        secrets=["invented-client-secret-0001"],
        webhook_url="https://scores.example.com/webhooks/hubspot",
        written=frozenset(),
        workflow_secret=secret,
        workflow_url=url,
    )


def headers(body, *, secret=SECRET, url=URL, method="POST", version="v2"):
    text = secret.encode() + method.encode() + url.encode() + body
    return {
        "x-hubspot-signature": hashlib.sha256(text).hexdigest(),
        "x-hubspot-signature-version": version,
    }


def verdict(adapter, body, given):
    delivery = Delivery(method="POST", headers=given, body=body, peer="203.0.113.9")
    try:
        return adapter.verify(delivery, now=NOW)
    except VerificationError as error:
        return error.reason


@pytest.fixture
def adapter():
    return WorkflowAdapter([portal()])


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if v["version"] == "v2" and v["method"] == "POST"],
    ids=lambda v: v["id"],
)
def test_the_vendors_own_v2_vectors_are_accepted(vector):
    adapter = WorkflowAdapter([portal(secret=vector["client_secret"], url=vector["uri_to_sign"])])
    given = {
        "x-hubspot-signature": vector["signature"],
        "x-hubspot-signature-version": "v2",
    }

    assert verdict(adapter, vector["body"].encode(), given) == "portal"


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["version"] != "v2"])
def test_signatures_of_other_versions_do_not_open_this_door(vector):
    adapter = WorkflowAdapter([portal(secret=vector["client_secret"], url=vector["uri_to_sign"])])

    for version in ("v1", "v2", "v3", ""):
        given = {
            "x-hubspot-signature": vector["signature"],
            "x-hubspot-signature-version": version,
        }
        assert verdict(adapter, vector["body"].encode(), given) in {
            "signature_version",
            "signature_mismatch",
        }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"secret": "other"}, "signature_mismatch"),
        ({"url": "https://evil.example/webhooks/hubspot/workflow"}, "signature_mismatch"),
        ({"method": "GET"}, "signature_mismatch"),
        ({"version": "v1"}, "signature_version"),
        ({"version": "V2"}, "signature_version"),
    ],
)
def test_what_is_signed_otherwise_is_refused(adapter, change, reason):
    assert verdict(adapter, BODY, headers(BODY, **change)) == reason
    assert verdict(adapter, BODY, headers(BODY)) == "portal"


@pytest.mark.parametrize("given", ["", "é" * 64, "\udcff" * 64, "A" * 100_000])
def test_a_strange_signature_is_refused_and_breaks_nothing(adapter, given):
    reason = verdict(adapter, BODY, {**headers(BODY), "x-hubspot-signature": given})

    assert reason == ("signature_mismatch" if given else "signature_missing")


def test_an_upper_case_signature_is_not_the_vendors(adapter):
    given = headers(BODY)
    given["x-hubspot-signature"] = given["x-hubspot-signature"].upper()

    assert verdict(adapter, BODY, given) == "signature_mismatch"


def test_a_body_lengthened_behind_its_signature_is_not_read(adapter):
    """SHA-256 with the secret in front can be lengthened without it; the padding is no JSON."""
    size = len(SECRET + "POST" + URL) + len(BODY)
    padding = b"\x80" + bytes((55 - size) % 64) + struct.pack(">Q", size * 8)

    with pytest.raises(PayloadError):
        adapter.parse(BODY + padding + b'{"vid": 999}', account="portal")


def test_a_contact_in_hubspots_own_shape_is_due(adapter):
    [event] = adapter.parse(BODY, account="portal").events

    assert event.record == RecordRef("contact", "501000000031")
    assert (event.account, event.cause) == ("portal", "workflow")


@pytest.mark.parametrize(
    "body",
    [
        {"objectId": 7},
        {"hs_object_id": "7", "email": "x@example.test"},
        {"objectId": 7, "objectTypeId": "0-1", "portalId": 4000001},
    ],
)
def test_a_body_that_the_customer_designed_names_the_contact_by_its_id(adapter, body):
    [event] = adapter.parse(json.dumps(body).encode(), account="portal").events

    assert event.record == RecordRef("contact", "7")


@pytest.mark.parametrize(
    "body",
    [
        {"vid": 7, "portal-id": 999},
        {"objectId": 7, "objectTypeId": "0-3"},
    ],
)
def test_another_portal_or_another_object_is_ignored(adapter, body):
    parsed = adapter.parse(json.dumps(body).encode(), account="portal")

    assert (len(parsed.events), parsed.ignored) == (0, 1)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"vid": "x1"}', b"", b"null"])
def test_a_body_without_an_id_is_kept_for_a_person_to_look_at(adapter, body):
    with pytest.raises(PayloadError):
        adapter.parse(body, account="portal")


def test_each_portal_has_a_secret_of_its_own():
    adapter = WorkflowAdapter([portal(), portal("second", secret="other", portal_id="4000002")])

    assert verdict(adapter, BODY, headers(BODY)) == "portal"
    assert verdict(adapter, BODY, headers(BODY, secret="other")) == "second"
    assert adapter.parse(BODY, account="second").ignored == 1


def test_its_description_shows_no_secret():
    assert SECRET not in repr(portal())
