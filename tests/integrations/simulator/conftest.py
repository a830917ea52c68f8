"""A clock that stands still, a webhook receiver, and simulators served on loopback."""

import contextlib
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running

PAYLOADS = Path(__file__).parent / "payloads"
ACK = (PAYLOADS / "outbound_ack.xml").read_bytes()


class Clock:
    def __init__(self):
        self.at = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)

    def __call__(self):
        return self.at

    def forward(self, **units):
        self.at += timedelta(**units)


class Receiver:
    """Keeps what is posted to it; `answers` are used up one by one, then `answer` is given."""

    def __init__(self):
        self.requests = []
        self.answers = []
        self.answer = (204, b"")
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.in_flight += 1
                    receiver.most_in_flight = max(receiver.most_in_flight, receiver.in_flight)
                    receiver.requests.append((self.path, dict(self.headers), body))
                    answer = receiver.answers.pop(0) if receiver.answers else receiver.answer
                receiver.gate.wait(5)
                with receiver.lock:
                    receiver.in_flight -= 1
                with contextlib.suppress(ConnectionError):  # a sender that waited too long
                    self.send_response(answer[0])
                    self.send_header("Content-Length", str(len(answer[1])))
                    self.end_headers()
                    self.wfile.write(answer[1])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/crm"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    @property
    def events(self):
        return [event for _, _, body in self.requests for event in json.loads(body)]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def receiver():
    made = Receiver()
    made.thread.start()
    yield made
    made.gate.set()
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


@pytest.fixture
def recorded():
    def read(name):
        data = (PAYLOADS / name).read_bytes()
        return json.loads(data) if name.endswith(".json") else data

    return read


@pytest.fixture
def make_hubspot(clock):
    def make(**settings):
        return HubSpotSimulator(HubSpotSettings(**{"provisioned": True, **settings}), now=clock)

    return make


@pytest.fixture
def hubspot(make_hubspot):
    return make_hubspot()


@pytest.fixture
def make_salesforce(clock):
    def make(**settings):
        return SalesforceSimulator(SalesforceSettings(**settings), now=clock)

    return make


@pytest.fixture
def salesforce(make_salesforce):
    return make_salesforce()


@pytest.fixture
def hubspot_api(hubspot):
    return api_of(hubspot)


@pytest.fixture
def api():
    return api_of


@pytest.fixture
def salesforce_api():
    return SalesforceApi


@pytest.fixture
def serve():
    return running


@pytest.fixture
def shape():
    return shape_of


def api_of(simulator, token=HubSpotSettings().access_token):  # noqa: B008 - frozen
    client = simulator.app.test_client()

    def call(method, path, body=None):
        answer = client.open(
            path,
            method=method,
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        parsed = json.loads(answer.data) if answer.data else None
        return answer.status_code, parsed, answer.headers

    return call


class SalesforceApi:
    """Logs in once and calls with the session."""

    def __init__(self, simulator, **headers):
        self.client = simulator.app.test_client()
        self.headers = headers
        self.login()

    def login(self):
        answer = self.client.post(
            "/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": "3MVGsimulator",
                "client_secret": "simulator-consumer-secret",
            },
        )
        self.token = answer.get_json()["access_token"]
        return answer

    def __call__(self, method, path, body=None, query=None, headers=None):
        answer = self.client.open(
            f"/services/data/v63.0/{path}",
            method=method,
            query_string=query,
            data=None if body is None else json.dumps(body),
            headers={
                "Authorization": f"Bearer {self.token}",
                **self.headers,
                **(headers or {}),
            },
        )
        return answer.status_code, json.loads(answer.data) if answer.data else None

    def soql(self, statement, path="query"):
        return self("GET", path, query={"q": statement})


def shape_of(value):
    """Return keys and types only; a list keeps the shape of its first entry."""
    if isinstance(value, dict):
        return {name: shape_of(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return type(value).__name__
