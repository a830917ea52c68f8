"""What several suites share: a clock, a store, a practice, senders, and a CRM made of a dict.

The senders sign by themselves, from the vendors' documents, and never call the product's verifier.
"""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from config.load import load_model, load_secrets, parse_practice
from config.settings import Settings
from integrations.base import Change, Found, Outcome
from store.keys import MasterKeys
from store.rooms import open_store
from webhooks.wiring import Service

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
CLIENT_SECRET = "invented-client-secret-0001"
NEXT_SECRET = "invented-client-secret-0002"
PATH_TOKEN = "Zx8vN2kQ4rT6yU1wE3oP5aS7dF9gH0jL"
WEBHOOK_URL = "https://scores.example.com/webhooks/hubspot"
ORGANIZATION = "00D8d000000HLs1EAG"

PRACTICE = f"""
[practice]
name = "Maple Street Clinic"

[[accounts]]
name = "portal"
crm = "hubspot"
portal_id = "4000001"
app_id = "7100001"
webhook_url = "{WEBHOOK_URL}"
access_token = {{ env = "HS_TOKEN" }}
client_secret = {{ env = "HS_SECRET" }}
client_secret_next = {{ env = "HS_SECRET_NEXT" }}

[[accounts]]
name = "org"
crm = "salesforce"
organization_id = "{ORGANIZATION}"
base_url = "https://clinic-demo.my.salesforce.com"
consumer_key = {{ env = "SF_KEY" }}
consumer_secret = {{ env = "SF_SECRET" }}
path_token = {{ env = "SF_PATH" }}
sender_ranges = ["127.0.0.0/8"]

[fields.hubspot]
message = "message"
created_at = "createdate"
inquiry_type = "inquiry_type"
insurance_status = "insurance_status"
insurance_carrier = "insurance_carrier"
web_visits = "visits"
last_web_visit_at = "last_visit"
last_form_submission_at = "last_form"

[fields.salesforce]
message = "Description"
created_at = "CreatedDate"
"""

ENVIRONMENT = {
    "HS_TOKEN": "invented-access-token",
    "HS_SECRET": CLIENT_SECRET,
    "HS_SECRET_NEXT": NEXT_SECRET,
    "SF_KEY": "invented-consumer-key",
    "SF_SECRET": "invented-consumer-secret",
    "SF_PATH": PATH_TOKEN,
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


class FakeCrm:
    """A CRM in a dict. Faults are queued: each call takes one, None is no fault."""

    def __init__(self, records: Mapping[str, Mapping[str, object]], *, batch_size: int = 100):
        self.records = {record_id: dict(row) for record_id, row in records.items()}
        self.batch_size = batch_size
        self.known: set[str] | None = None  #: Properties it has; None for any.
        self.read_faults: list[Exception | None] = []
        self.write_faults: list[Exception | None] = []
        self.refuses: dict[str, str] = {}
        self.retries: dict[str, str] = {}
        self.cannot_read: dict[str, Exception] = {}
        self.reads: list[tuple[str, ...]] = []
        self.writes: list[dict[str, Mapping[str, object]]] = []
        self.held: dict[str, dict[str, object]] = {}  #: What it shows of our properties.
        self.is_closed = False
        self.before_read = lambda: None
        self.lock = threading.Lock()

    def read(self, object_type: str, ids: Sequence[str], properties: Sequence[str]) -> Found:
        self.before_read()
        with self.lock:
            self.reads.append(tuple(ids))
            foreign = set(properties) - self.known if self.known is not None else set()
            assert not foreign, f"asked for {sorted(foreign)}"
            fault = self.read_faults.pop(0) if self.read_faults else None
            fault = fault or next((f for i, f in self.cannot_read.items() if i in ids), None)
            if fault is not None:
                raise fault
            return Found(
                records={
                    i: {name: self.records[i].get(name) for name in properties}
                    for i in ids
                    if i in self.records
                }
            )

    def write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        with self.lock:
            self.writes.append({change.record_id: change.properties for change in changes})
            fault = self.write_faults.pop(0) if self.write_faults else None
            if fault is not None:
                raise fault
            asked = {change.record_id: change.properties for change in changes}
            gone = frozenset(i for i in asked if i not in self.records)
            refused = {i: code for i, code in self.refuses.items() if i in asked}
            retry = {i: code for i, code in self.retries.items() if i in asked}
            written = frozenset(asked) - gone - set(refused) - set(retry)
            for record_id in written:
                self.held.setdefault(record_id, {}).update(asked[record_id])
            return Outcome(written=written, gone=gone, refused=refused, retry=retry)

    def calls(self) -> Mapping[str, int]:
        return {"read": len(self.reads), "write": len(self.writes)}

    def ready_at(self, since: float) -> float:
        return since

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake_crm():
    return FakeCrm


@pytest.fixture
def keys():
    return MasterKeys(1, {1: bytes(range(32))})


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path}/data/leadscore.db"


@pytest.fixture
def store(database_url, keys, tmp_path):
    found = open_store(database_url, keys, tmp_path / "keys" / "audit.heads")
    yield found
    found.databases.close()


@pytest.fixture
def practice():
    return parse_practice(PRACTICE, "practice.toml")


@pytest.fixture
def practice_text():
    return PRACTICE


@pytest.fixture
def environment():
    return dict(ENVIRONMENT)


@pytest.fixture
def secrets(practice):
    return load_secrets(practice, ENVIRONMENT)


@pytest.fixture
def model(tmp_path):
    return load_model("general", tmp_path)


@pytest.fixture
def new_service(practice, secrets, keys, model, database_url):
    """Return what starts a service on a free port; all are stopped at the end."""
    running = []

    def start(*, receives=True, works=False, keys=keys, practice=practice):
        service = Service(
            settings=Settings(database_url=database_url, listen_port=0),
            practice=practice,
            secrets=secrets,
            model=model,
            keys=keys,
            receives=receives,
            works=works,
        )
        service.start()
        running.append(service)
        return service

    yield start
    for service in running:
        service.stop()


@pytest.fixture
def service(new_service):
    return new_service()


@pytest.fixture
def signed():
    """Return what signs a HubSpot body as the vendor's documents say (version 3)."""

    def sign(body, *, at=NOON, secret=CLIENT_SECRET, url=WEBHOOK_URL, timestamp=None):
        sent = timestamp or str(round(at.timestamp() * 1000))
        text = b"POST" + url.encode() + body + sent.encode()
        digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
        return {
            "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
            "X-HubSpot-Request-Timestamp": sent,
        }

    return sign


@pytest.fixture
def event():
    """Return what makes one HubSpot event of an invented contact."""

    def make(record_id=501, kind="contact.creation", **more):
        return {
            "eventId": 1,
            "subscriptionId": 2,
            "portalId": 4000001,
            "appId": 7100001,
            "occurredAt": 1790000000000,
            "subscriptionType": kind,
            "attemptNumber": 0,
            "objectId": record_id,
            **more,
        }

    return make


@pytest.fixture
def events(event):
    return lambda *ids: json.dumps([event(record_id) for record_id in ids]).encode()


@pytest.fixture
def outbound():
    """Return what makes an Outbound Message for Salesforce record ids."""

    def make(*ids, organization=ORGANIZATION, of_type="Lead", more=""):
        rows = "".join(
            f'<Notification><Id>04l8d0000001xYzAAI</Id><sObject xsi:type="sf:{of_type}"'
            ' xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
            f"<sf:Id>{record_id}</sf:Id>{more}</sObject></Notification>"
            for record_id in ids
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
            ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{organization}</OrganizationId>"
            '<ActionId>04k8d0000000LeaAAE</ActionId><SessionId xsi:nil="true"/>'
            f"{rows}</notifications></soapenv:Body></soapenv:Envelope>"
        ).encode()

    return make


@pytest.fixture
def path_token():
    return PATH_TOKEN


@pytest.fixture
def raw():
    """Return what sends bytes to a port of this machine and reads until the other side closes."""

    def exchange(port, data, *, timeout_s=10.0, then_close=True):
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            try:
                connection.sendall(data)
                if then_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused while we still send: the answer is there to be read
            found = b""
            try:
                while chunk := connection.recv(65_536):
                    found += chunk
            except OSError:
                pass
            return found

    return exchange


@pytest.fixture
def request_bytes():
    """Return what makes a request: `Connection: close` and a right length unless given."""

    def make(path, body=b"", headers=None, *, method="POST", version="1.1"):
        lines = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body))}
        lines.update(headers or {})
        head = f"{method} {path} HTTP/{version}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
        return head.encode("latin-1") + b"\r\n" + body

    return make
