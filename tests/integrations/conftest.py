"""Holds what passes between our client and the pretend HubSpot against HubSpot's interface files."""

import json
import re
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from config.practice import HubSpotAccount
from integrations.registry import build_client
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.server import running

OPENAPI = Path(__file__).parent / "openapi"
FILES = (
    "contacts.2026-09",
    "objects.2026-09",
    "associations.2026-09",
    "properties.v3",
    "properties.2026-09",
    "oauth.2026-03",
    "account-info.2026-09",
    "webhooks-journal.2026-03",
)
#: Pages for people, which no interface file describes.
PAGES = {"/oauth/authorize"}

#: Where HubSpot's documentation says otherwise than the interface file, or both are widely used:
#: schema and field -> what is there instead. Source: reference hubspot.md, the section named.
DOCUMENTED = {
    # "Search the CRM" gives objects, and requests without `after` (section 4).
    ("PublicObjectSearchRequest", "sorts"): {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "propertyName": {"type": "string"},
                "direction": {"enum": ["ASCENDING", "DESCENDING"]},
            },
            "required": ["propertyName"],
            "additionalProperties": False,
        },
        "maxItems": 1,
    },
    # "Contacts": a property that is defined but empty is null (section 4).
    ("SimplePublicObject", "properties"): {
        "type": "object",
        "additionalProperties": {"type": ["string", "null"]},
    },
}
#: Fields that the file calls required and the documentation leaves out.
OPTIONAL = {
    ("PublicObjectSearchRequest", "after"),
    # Section 4.5: "treat every field of an error body as optional"; the 207 sample has neither.
    ("StandardError", "errors"),
    ("StandardError", "links"),
}

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time")
def _is_instant(value):
    try:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


class Interface:
    """HubSpot's interface files as JSON Schemas: nothing that they do not name is let through."""

    def __init__(self):
        self._operations = []
        for name in FILES:
            document = json.loads((OPENAPI / f"{name}.json").read_text("utf-8"))
            definitions = {
                key: _schema(key, schema) for key, schema in document["schemas"].items()
            }
            for operation in document["operations"]:
                path = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(operation["path"]))
                self._operations.append(
                    (operation["method"], re.compile(path), operation, definitions)
                )

    def faults(self, exchange):
        """Return what is wrong with a request and its answer."""
        if exchange.path in PAGES or exchange.path.startswith("/journal-files/"):
            return []
        found = [
            (operation, definitions)
            for method, path, operation, definitions in self._operations
            if method == exchange.method and path.fullmatch(exchange.path)
        ]
        if not found:
            return [f"no such operation: {exchange.method} {exchange.path}"]
        operation, definitions = found[0]
        faults = []
        for kind, schema in (operation.get("request") or {}).items():
            if exchange.content_type != kind:
                faults.append(f"sent as {exchange.content_type}, must be {kind}")
            body = exchange.sent
            if kind == "application/x-www-form-urlencoded":
                body = json.dumps(dict(parse_qsl(body.decode(), keep_blank_values=True)))
            faults += _wrong("request", schema, definitions, body)
        if not operation.get("request") and exchange.sent:
            faults.append("a body where none belongs")
        allowed = {
            each["name"] for each in operation.get("params", []) if each["where"] == "query"
        }
        faults += [f"no such parameter: {name}" for name in exchange.query - allowed]
        listed = operation["responses"]
        # Where no success is listed, `default` is all that the file says.
        unlisted = listed.get("default") if list(listed) == ["default"] else "none"
        answer = listed.get(str(exchange.status), unlisted)
        if answer == "none":
            if exchange.status < HTTPStatus.BAD_REQUEST:
                faults.append(f"no such answer: {exchange.status}")
        elif answer is not None:
            faults += _wrong("answer", answer, definitions, exchange.answered)
        return [f"{exchange.method} {exchange.path}: {fault}" for fault in faults]


def _schema(name, given):
    """Return the JSON Schema of one fact of the file; `name` is that of the schema around it."""
    if not given:
        return {}
    if "oneOf" in given:
        return {"oneOf": [_schema(name, each) for each in given["oneOf"]]}
    if "ref" in given:
        return {"$ref": f"#/$defs/{given['ref']}"}
    made = {key: given[key] for key in ("type", "enum", "format") if key in given}
    if "items" in given:
        made["items"] = _schema("", given["items"])
    if "values" in given:
        made["additionalProperties"] = _schema("", given["values"])
    if "fields" in given:
        made["properties"] = {
            key: DOCUMENTED.get((name, key)) or _schema("", field)
            for key, field in given["fields"].items()
        }
        made["required"] = [
            key for key in given.get("required", []) if (name, key) not in OPTIONAL
        ]
        made["additionalProperties"] = False
    return made


def _wrong(part, schema, definitions, body):
    try:
        document = json.loads(body)
    except ValueError:
        return [f"{part}: no JSON"]
    whole = {**_schema("", schema), "$defs": definitions}
    fault = best_match(Draft202012Validator(whole, format_checker=_FORMATS).iter_errors(document))
    return [f"{part}{fault.json_path[1:]}: {fault.message}"] if fault else []


class Exchange:
    """One request and its answer."""

    def __init__(self, environ, sent):
        self.method = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"]
        self.query = {
            part.partition("=")[0] for part in environ["QUERY_STRING"].split("&") if part
        }
        self.content_type = environ.get("CONTENT_TYPE", "").partition(";")[0]
        self.sent = sent
        self.status = 0
        self.answered = b""


class Watch:
    """Stands before a simulator's application and keeps what passes."""

    def __init__(self, application):
        self._application = application
        self.exchanges = []

    def __call__(self, environ, start_response):
        import io  # noqa: PLC0415

        size = int(environ.get("CONTENT_LENGTH") or 0)
        sent = environ["wsgi.input"].read(size)
        environ["wsgi.input"] = io.BytesIO(sent)
        exchange = Exchange(environ, sent)

        def start(status, headers, *more):
            exchange.status = int(status.split()[0])
            return start_response(status, headers, *more)

        answer = self._application(environ, start)
        exchange.answered = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        self.exchanges.append(exchange)
        return [exchange.answered]


INTERFACE = Interface()


@pytest.fixture
def interface():
    return INTERFACE


@pytest.fixture
def watched():
    """Return what watches a simulator; at the test's end all that passed must be as it should.

    It stands behind the simulator's faults: what those answer is wrong on purpose.
    """
    watches = []

    def watch(simulator):
        faulty = simulator.app.wsgi_app
        faulty._application = Watch(faulty._application)
        watches.append(faulty._application)
        return simulator

    yield watch
    faults = [
        fault
        for each in watches
        for exchange in each.exchanges
        for fault in INTERFACE.faults(exchange)
    ]
    assert sorted(set(faults)) == []


@pytest.fixture
def portal_at():
    """Return what makes the account of a pretend HubSpot at an address."""

    def make(url="http://127.0.0.1:1", **more):
        return HubSpotAccount(
            crm="hubspot",
            name="portal",
            portal_id="4000001",
            app_id="7100001",
            base_url=url,
            webhook_url="https://scores.example.com/webhooks/hubspot",
            access_token={"env": "A"},
            client_secret={"env": "B"},
            **more,
        )

    return make


@pytest.fixture
def serve(watched, portal_at):
    """Return what starts a pretend portal: the simulator, with its `url`, and a client of it."""
    open_ones = []

    def start(**settings):
        simulator = watched(
            HubSpotSimulator(
                HubSpotSettings(access_token="pat-invented", **settings),
                now=lambda: datetime.fromtimestamp(time.time(), UTC),
            )
        )
        context = running(simulator)
        simulator.url = context.__enter__()
        client = build_client(
            portal_at(simulator.url),
            {"access_token": "pat-invented"},
            clock=time.monotonic,
            sleep=lambda _s: None,
        )
        open_ones.append((context, client))
        return simulator, client

    yield start
    for context, client in open_ones:
        client.close()
        context.__exit__(None, None, None)


@pytest.fixture
def wall():
    """Return the clock on the wall."""
    return lambda: datetime.fromtimestamp(time.time(), UTC)


@pytest.fixture
def answering():
    """Return what starts a server that answers everything alike; it returns its address."""
    servers = []

    def start(status, body, **headers):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PATCH = do_POST  # noqa: N815  the names that the server calls

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
