import hashlib
import hmac
import json
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import quote

import pytest

from config.load import load_secrets, parse_practice
from integrations.registry import build_adapters
from store.inbox import Inbox, InboxError
from webhooks.app import create_app
from webhooks.health import Health
from webhooks.peers import Peers
from webhooks.receiver import Receiver


class Breaks:
    """Stands for a collaborator whose every use fails, with a text that must not be shown."""

    max_body_bytes = 1

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        def fail(*_args, **_kwargs):
            raise self.error

        return fail


class Bell:
    rings = 0

    def ring(self):
        self.rings += 1


@pytest.fixture
def new_app(practice, secrets, store, clock):
    def make(**other):
        health = other.get("health") or Health(clock)
        parts = {
            "adapters": build_adapters(
                other.pop("practice", practice), other.pop("secrets", secrets)
            ),
            "inbox": store.inbox,
            "health": health,
            "peers": Peers([]),
            "bell": Bell(),
            "clock": clock,
        }
        receiver = Receiver(**{**parts, **other})
        return create_app(
            receiver=receiver, health=parts["health"], readiness=lambda: {"ready": True}
        )

    return make


@pytest.fixture
def client(new_app):
    return new_app().test_client()


def stored(store):
    return store.inbox.counts()["waiting"]


def test_s021_what_is_acknowledged_is_stored(client, store, signed, events):
    answer = client.post("/webhooks/hubspot", data=events(501), headers=signed(events(501)))

    assert answer.status_code == 200
    assert [item.body for item in store.inbox.waiting(9)] == [events(501)]


SECRET_TEXT = "MARKER of jane@example.test"


@pytest.mark.parametrize("error", [RuntimeError, OSError, MemoryError, KeyError, ValueError])
@pytest.mark.parametrize("step", ["adapter", "inbox", "peers", "bell", "clock"])
def test_s021_a_failure_at_any_step_is_503_and_never_an_acknowledgement(
    new_app, signed, events, caplog, step, error
):
    broken = Breaks(error(SECRET_TEXT))
    other = {
        "adapter": {"adapters": {"hubspot": broken}},
        "inbox": {"inbox": broken},
        "peers": {"peers": broken},
        "bell": {"bell": broken},
        "clock": {"clock": broken.anything},
    }[step]
    client = new_app(**other).test_client()

    answer = client.post("/webhooks/hubspot", data=events(501), headers=signed(events(501)))

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "MARKER" not in answer.get_data(as_text=True) + caplog.text


def test_s021_a_failed_commit_is_503_and_the_next_delivery_is_stored(
    new_app, store, signed, events
):
    failures = [InboxError("OperationalError")]

    class Once(Inbox):
        def append(self, **row):
            if failures:
                raise failures.pop()
            return super().append(**row)

    inbox = Once(store.databases.inbox, store.inbox._vault)
    client = new_app(inbox=inbox).test_client()

    first = client.post("/webhooks/hubspot", data=events(501), headers=signed(events(501)))
    second = client.post("/webhooks/hubspot", data=events(501), headers=signed(events(501)))

    assert (first.status_code, second.status_code) == (503, 200)
    assert first.headers["Retry-After"] == "10"
    assert stored(store) == 1
    inbox.close()


def test_s006_each_missing_proof_is_403_and_nothing_is_stored(client, store, outbound, path_token):
    body = outbound("00Q8d0000001aBC")
    right = f"/webhooks/salesforce/{path_token}"

    def post(path=right, body=body, peer="127.0.0.1"):
        return client.post(path, data=body, environ_overrides={"REMOTE_ADDR": peer}).status_code

    assert post(path=right[:-1]) == 403
    assert post(path=right + "x") == 403
    assert post(peer="203.0.113.9") == 403
    assert post(body=outbound("00Q8d0000001aBC", organization="00D8d000000Oth1EAG")) == 403
    assert post(body=b"<x/>") == 400
    assert post(path="/webhooks/salesforce/") == 404
    assert post(path="/webhooks/salesforce") == 404
    assert stored(store) == 0
    assert post() == 200
    assert stored(store) == 1


def test_a_signed_callout_is_stored_under_a_kind_of_its_own(
    new_app, practice_text, environment, store, clock, path_token
):
    text = practice_text.replace(
        'sender_ranges = ["127.0.0.0/8"]', 'callout_secret = { env = "SF_CALLOUT" }'
    )
    practice = parse_practice(text, "practice.toml")
    secret = "invented-callout-secret-0001"
    app = new_app(
        practice=practice, secrets=load_secrets(practice, {**environment, "SF_CALLOUT": secret})
    )
    body = b'{"organizationId":"00D8d000000HLs1EAG","events":[]}'
    sent = str(round(clock().timestamp() * 1000))
    digest = hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"X-Leadscore-Timestamp": sent, "X-Leadscore-Signature": digest}
    client = app.test_client()

    def post(kind="salesforce-event", token=path_token, **more):
        path = f"/webhooks/{kind}/{token}"
        return client.post(path, data=body, headers={**headers, **more}).status_code

    assert post() == 200
    assert [item.kind for item in store.inbox.waiting(9)] == ["salesforce_event"]
    assert post(token="w" * 43) == 403
    assert post(**{"X-Leadscore-Signature": "0" * 64}) == 401
    assert post("salesforce") == 403  # the sender of a message without a signature is unknown
    assert stored(store) == 1


def test_the_answer_to_salesforce_is_its_acknowledgement(client, outbound, path_token):
    answer = client.post(f"/webhooks/salesforce/{path_token}", data=outbound("00Q8d0000001aBC"))

    assert b"<Ack>true</Ack>" in answer.data
    assert answer.content_type.startswith("text/xml")


CERTIFICATE = "-----BEGIN CERTIFICATE-----\naW52ZW50ZWQ=\n-----END CERTIFICATE-----\n"


@pytest.fixture
def pinned(practice_text, new_app):
    """An application whose org is known by its certificate, behind one proxy."""
    digest = hashlib.sha256(b"invented").hexdigest()
    text = practice_text.replace(
        'sender_ranges = ["127.0.0.0/8"]', f'client_certificate_sha256 = "{digest}"'
    )
    changed = parse_practice(text, "practice.toml")
    return new_app(practice=changed, peers=Peers([ip_network("10.0.0.5/32")])).test_client()


@pytest.mark.parametrize(
    ("peer", "expected"), [("10.0.0.5", 200), ("203.0.113.9", 403), ("10.0.0.6", 403)]
)
def test_s010_a_certificate_header_counts_only_from_a_listed_proxy(
    pinned, outbound, path_token, peer, expected
):
    answer = pinned.post(
        f"/webhooks/salesforce/{path_token}",
        data=outbound("00Q8d0000001aBC"),
        headers={"X-Client-Certificate": quote(CERTIFICATE)},
        environ_overrides={"REMOTE_ADDR": peer},
    )

    assert answer.status_code == expected


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),
        ("203.0.113.9", "", "203.0.113.9"),
        ("10.0.0.5", "127.0.0.1", "127.0.0.1"),
        ("10.0.0.5", "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "127.0.0.1, 10.0.0.6", "127.0.0.1"),
        ("10.0.0.5", "127.0.0.1, nonsense", "nonsense"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", " , ,", "10.0.0.5"),
        ("", "127.0.0.1", ""),
    ],
)
def test_s010_only_listed_hops_are_believed(peer, forwarded, sender):
    peers = Peers([ip_network("10.0.0.0/24")])

    assert peers.sender(peer, forwarded) == sender


def test_s010_a_spoofed_address_does_not_make_a_known_sender(client, outbound, path_token):
    answer = client.post(
        f"/webhooks/salesforce/{path_token}",
        data=outbound("00Q8d0000001aBC"),
        headers={"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )

    assert answer.status_code == 403


def test_s009_the_first_refusal_is_an_alarm_in_health_and_counted(client, events, caplog):
    for _ in range(3):
        answer = client.post("/webhooks/hubspot", data=events(501))
        assert answer.status_code == 401

    alarms = client.get("/healthz").get_json()["alarms"]
    metrics = client.get("/metrics").get_data(as_text=True)
    assert alarms == ["hubspot: deliveries refused: timestamp_missing"]
    assert 'rejected_total{crm="hubspot",reason="timestamp_missing"} 3.0' in metrics
    assert [r.msg for r in caplog.records if r.levelname == "ERROR"] == ["alarm"]


def test_s009_an_alarm_ends_after_an_hour_without_a_refusal(new_app, clock, events):
    client = new_app().test_client()
    client.post("/webhooks/hubspot", data=events(501))
    clock.advance(minutes=61)

    assert client.get("/healthz").get_json()["alarms"] == []


def test_s013_an_unsigned_bad_body_is_401_and_a_signed_one_is_acknowledged(client, store, signed):
    for body in (b"{", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', b""):
        unsigned = client.post("/webhooks/hubspot", data=body)
        assert unsigned.status_code == 401
        assert client.post("/webhooks/hubspot", data=body, headers=signed(body)).status_code == 200
    assert stored(store) == 5


def test_s003_a_delivery_repeated_after_five_minutes_is_refused(
    client, clock, store, signed, events
):
    headers = signed(events(501))
    clock.now += timedelta(seconds=301)

    answer = client.post("/webhooks/hubspot", data=events(501), headers=headers)
    assert answer.status_code == 401
    assert stored(store) == 0


def test_s005_no_delivery_is_lost_while_the_secret_changes(client, signed, event, environment):
    body = json.dumps([event(501)]).encode()
    for place in range(40):
        secret = environment["HS_SECRET" if place % 2 else "HS_SECRET_NEXT"]
        answer = client.post("/webhooks/hubspot", data=body, headers=signed(body, secret=secret))
        assert answer.status_code == 200


def test_s001_bytes_above_ascii_in_the_signature_are_401(client, signed, events):
    headers = {**signed(events(501)), "X-HubSpot-Signature-v3": "\xe9" * 44}

    answer = client.post("/webhooks/hubspot", data=events(501), headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/webhooks", "/webhooks/pipedrive", "/console", "/static/x"]
)
def test_other_addresses_are_not_there(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_s060_a_failure_of_any_page_gives_an_id_only(new_app, caplog, path):
    app = new_app(health=Breaks(RuntimeError(SECRET_TEXT)))
    app.config["TESTING"] = False
    if path == "/readyz":
        app = create_app(
            receiver=None,
            health=Breaks(RuntimeError(SECRET_TEXT)),
            readiness=Breaks(RuntimeError(SECRET_TEXT)).anything,
        )

    answer = app.test_client().get(path)

    assert answer.status_code == 500
    assert answer.get_data(as_text=True).startswith("internal error ")
    assert "MARKER" not in answer.get_data(as_text=True) + caplog.text


def test_workflows_have_a_door_of_their_own(
    new_app, practice_text, secrets, store, signed, events
):
    text = practice_text.replace(
        'client_secret = { env = "HS_SECRET" }',
        'client_secret = { env = "HS_SECRET" }\nworkflow_secret = { env = "HS_FLOW" }',
    )
    secrets["portal"]["workflow_secret"] = "invented-flow-secret"
    client = new_app(practice=parse_practice(text, "practice.toml")).test_client()
    body = b'{"vid": 501, "portal-id": 4000001}'
    address = "https://scores.example.com/webhooks/hubspot/workflow"
    text = b"invented-flow-secretPOST" + address.encode() + body
    older = {
        "X-HubSpot-Signature": hashlib.sha256(text).hexdigest(),
        "X-HubSpot-Signature-Version": "v2",
    }

    def post(path, data, headers):
        return client.post(path, data=data, headers=headers).status_code

    assert post("/webhooks/hubspot/workflow", body, older) == 200
    assert stored(store) == 1
    # Neither door opens to the other's signature.
    assert post("/webhooks/hubspot", body, older) == 401
    newer = signed(body, url=address, secret="invented-flow-secret")
    assert post("/webhooks/hubspot/workflow", body, newer) == 401
    assert stored(store) == 1


def test_without_a_secret_there_is_no_door_for_workflows(client):
    assert client.post("/webhooks/hubspot/workflow", data=b"{}").status_code == 404
