"""Accepted deliveries per second, against a bare Flask view on the same and on another server.

One event (about 390 bytes) and a hundred events in one signed delivery; the servers take turns in
one run, and the medians of their rounds are compared. Verify, seal and commit are all done: every
200 is a row on the disk.
"""

import base64
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from bench.service import CLIENT_SECRET, peer, running
from console.stage import free_port

THREADS = 16
CONNECTIONS = 16
ROUNDS = 5
SECONDS = 3.0

#: The targets of the issue: ours / bare under waitress, and ours / bare under gunicorn's threads.
TARGETS = {1: (0.60, 1.0), 100: (0.45, 1.0)}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        ports = {kind: free_port() for kind in ("ours", "waitress", "gunicorn")}
        ours = stack.enter_context(running("receive", Path(name), port=ports["ours"]))
        bare = [sys.executable, "-m", "bench.bare", str(ports["waitress"]), str(THREADS)]
        stack.enter_context(peer(bare, ports["waitress"]))
        stack.enter_context(peer(_gunicorn(ports["gunicorn"]), ports["gunicorn"]))
        print(
            f"{ROUNDS} rounds of {SECONDS:.0f} s, {CONNECTIONS} connections, peers with {THREADS} threads"
        )
        for events in (1, 100):
            request = signed_request(events, ports["ours"], CLIENT_SECRET)
            medians, p99_ms = in_turns(ports, request)
            same, other = TARGETS[events]
            print(f"\n{events} event(s), {len(request)} bytes")
            for kind, rate in medians.items():
                print(f"  {kind:<9} {rate:8.0f} deliveries/s")
            print(
                f"  ours / bare under waitress  {medians['ours'] / medians['waitress']:.2f}"
                f"  (target {same:.2f})"
            )
            print(
                f"  ours / bare under gunicorn  {medians['ours'] / medians['gunicorn']:.2f}"
                f"  (target {other:.2f})"
            )
            print(f"  ours: p99 {p99_ms:.1f} ms")
        rss = psutil.Process(ours).memory_info().rss / 2**20
        print(f"\nreceiver's resident memory after the load: {rss:.0f} MB (target 100)")


def in_turns(ports: dict[str, int], request: bytes) -> tuple[dict[str, float], float]:
    """Return the median rate of each server, and the median p99 in ms of `ours`."""
    found: dict[str, list[float]] = {kind: [] for kind in ports}
    p99: list[float] = []
    for _ in range(ROUNDS):
        for kind, port in ports.items():
            answer = load(port, request)
            if set(answer["codes"]) != {"200"}:
                raise SystemExit(f"{kind}: {answer['codes']}")
            found[kind].append(answer["per_second"])
            if kind == "ours":
                p99.append(answer["p99_ms"])
    rates = {kind: statistics.median(each) for kind, each in found.items()}
    return rates, statistics.median(p99)


def signed_request(events: int, port: int, secret: str) -> bytes:
    now = int(time.time() * 1000)
    body = json.dumps(
        [
            {
                "eventId": 3_248_367_193 + place,
                "subscriptionId": 5_348_095,
                "portalId": 4_000_001,
                "appId": 7_100_001,
                "occurredAt": now,
                "subscriptionType": "contact.propertyChange",
                "attemptNumber": 0,
                "objectId": 501_000_000_001 + place,
                "propertyName": "inquiry_type",
                "propertyValue": "procedure_consult",
                "changeSource": "CRM_UI",
                "sourceId": "userId:9000001",
            }
            for place in range(events)
        ]
    ).encode()
    url = f"http://127.0.0.1:{port}/webhooks/hubspot"
    digest = hmac.digest(
        secret.encode(), f"POST{url}".encode() + body + str(now).encode(), "sha256"
    )
    head = (
        "POST /webhooks/hubspot HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-HubSpot-Signature-v3: {base64.b64encode(digest).decode()}\r\n"
        f"X-HubSpot-Request-Timestamp: {now}\r\n"
        f"X-HubSpot-Signature: {hashlib.sha256(secret.encode() + body).hexdigest()}\r\n"
        "X-HubSpot-Signature-Version: v1\r\nUser-Agent: HubSpot Connect 2.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def load(port: int, request: bytes, connections: int = CONNECTIONS) -> dict:
    command = [sys.executable, "-m", "bench.loader", str(port), str(connections), str(SECONDS)]
    found = subprocess.run(command, input=request, capture_output=True, check=True)
    return json.loads(found.stdout)


def _gunicorn(port: int) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "bench.bare:create()", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS),
        "--log-level", "error",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
