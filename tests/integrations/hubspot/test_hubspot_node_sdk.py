"""HubSpot's own Node SDK, unmodified: it proves the simulator's deliveries and reads our scores."""

import hashlib
import json
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shutil import which

import pytest

from console.stage import stage, wait_for
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.server import running

FOLDER = Path(__file__).parents[2] / "node" / "hubspot"
SECRET = "invented-client-secret"


@pytest.fixture(scope="module")
def sdk():
    """Return what runs the SDK's script: an object in, an object out."""
    if which("node") is None or not (FOLDER / "node_modules" / ".ready").exists():
        pytest.skip("needs Node 20.19 or newer, and its packages: `make node` installs them")

    def run(asked):
        done = subprocess.run(  # noqa: S603  our own script
            [which("node"), FOLDER / "sdk.mjs"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def captured():
    """Return the deliveries that the simulator's courier sent to a server of this machine."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body.decode()))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    # With a query and an encoded colon: version 3 signs the address partly decoded.
    url = f"http://127.0.0.1:{server.server_port}/webhooks/hubspot?practice=a%3Ab"
    simulator = HubSpotSimulator(
        HubSpotSettings(client_secret=SECRET, target_url=url),
        now=lambda: datetime.fromtimestamp(time.time(), UTC),
    )
    with running(simulator):
        simulator.create_contacts([{"lastname": "Álvarez", "message": "¿Cita? 「…」"}] * 3)
        assert simulator.wait_until_idle(10)
    server.shutdown()
    thread.join()
    server.server_close()
    return [_delivery(headers, body, url) for headers, body in got]


def _delivery(headers, body, url):
    return {
        "version": "v3",
        "signature": headers["X-HubSpot-Signature-v3"],
        "first": headers["X-HubSpot-Signature"],
        "secret": SECRET,
        "method": "POST",
        "url": url.replace("%3A", ":"),  # the SDK signs the address as it is given
        "body": body,
        "timestamp": int(headers["X-HubSpot-Request-Timestamp"]),
    }


def test_the_sdk_proves_real_deliveries_by_version_3(sdk, captured):
    assert len(captured) > 0
    assert set(sdk({"deliveries": captured})["valid"]) == {True}


def test_the_sdk_proves_real_deliveries_by_version_1(sdk, captured):
    older = [{**each, "version": "v1", "signature": each["first"]} for each in captured]

    assert set(sdk({"deliveries": older})["valid"]) == {True}


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another-secret"},
        {"method": "PUT"},
        {"url": "http://127.0.0.1/webhooks/hubspot"},
        {"signature": "AAAA"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_sdk_refuses_what_was_tampered_with(sdk, captured, change):
    assert sdk({"deliveries": [{**captured[0], **change}]})["valid"] == [False]


def test_the_sdk_refuses_another_body_and_an_old_time(sdk, captured):
    first = captured[0]
    longer = {**first, "body": first["body"] + " "}
    older = {**first, "timestamp": first["timestamp"] - 300_001 - 60_000}
    later = {**first, "timestamp": first["timestamp"] + 1}

    body, old, other = sdk({"deliveries": [longer, older, later]})["valid"]

    assert (body, other) == (False, False)
    assert "Timestamp" in old


def test_the_sdk_proves_version_2_as_workflows_sign(sdk, captured):
    first = captured[0]
    url, body = first["url"] + "/workflow", first["body"]
    signed = hashlib.sha256(f"{SECRET}POST{url}{body}".encode()).hexdigest()
    workflow = {**first, "version": "v2", "url": url, "signature": signed}

    assert sdk({"deliveries": [workflow, {**workflow, "method": "GET"}]})["valid"] == [True, False]


def test_the_sdk_reads_the_scores_that_the_whole_path_wrote(sdk, tmp_path):
    with stage(tmp_path, crm="hubspot") as running_stage:
        list(wait_for(running_stage, running_stage.arrive(12, seed=7), 60.0))
        scored = {each.record: each for each in running_stage.scored()}
        read = sdk(
            {
                "basePath": running_stage.urls["hubspot"].rstrip("/"),
                "accessToken": running_stage.env["HUBSPOT_ACCESS_TOKEN"],
                "ids": sorted(scored),
                "properties": ["lead_score", "lead_score_tier", "lead_score_reasons"],
            }
        )["records"]

    assert len(scored) == 12
    assert {i: r["lead_score_tier"] for i, r in read.items()} == {
        i: each.tier for i, each in scored.items()
    }
    numbers = {i: r["lead_score"] for i, r in read.items()}
    assert {i: int(float(n)) if n else None for i, n in numbers.items()} == {
        i: each.score for i, each in scored.items()
    }
    assert any(r["lead_score_reasons"] for r in read.values())
