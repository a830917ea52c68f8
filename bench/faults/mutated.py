"""S18: deliveries that were changed at random, against the shipped server."""

import base64
import copy
import hmac
import json
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.faults.circumstances import ENV, MARK, SALESFORCE, TARGET, Circumstances
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig

CASES = {False: 2_000, True: 100_000}
LONGEST_S = 1.0
GROWTH_MB = 50
_ODD = [
    None, True, -1, 1e308, 10**30, "", "\x00", "\ud800", "9" * 25, [], {}, [[]], "../..", "' OR 1=1",
    {"a": {"b": [1]}}, "\u202e", "1_7", "NaN",
]  # fmt: skip
_HEADERS = [
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: gzip, chunked",
    b"Content-Encoding: gzip", b"Content-Length: 5", b"Content-Length: -1", b"Expect: 100-continue",
    b"Expect: x", b"Connection: keep-alive, close", b"Host:", b"X-Forwarded-For: \xff\xfe", b": x",
    b"X-HubSpot-Signature-v3: \xe9", b"Upgrade: h2c", b"Content-Type: \x00", b" folded: x",
    b"Range: bytes=0-", b"X: " + b"y" * 17_000,
]  # fmt: skip


@dataclass(slots=True)
class Tried:
    """What the server did with one case."""

    status: int  #: 0 for none: it closed.
    seconds: float
    request: bytes = field(repr=False)


class Mutator:
    """Makes cases: an honest delivery of either CRM, changed at one to four places."""

    def __init__(self, rng: random.Random, records: list[str]) -> None:
        self._rng = rng
        self._records = records

    def case(self) -> bytes:
        """Return the bytes of one request."""
        if self._rng.random() < 0.6:
            return self._hubspot()
        return self._salesforce()

    def _hubspot(self) -> bytes:
        events: list = [
            {
                "eventId": self._rng.randrange(10**9),
                "subscriptionId": 2,
                "portalId": 4_000_001,
                "appId": 7_100_001,
                "occurredAt": 1_790_000_000_000,
                "subscriptionType": "contact.propertyChange",
                "attemptNumber": 0,
                "objectId": int(self._rng.choice(self._records)),
                "propertyName": "message",
                "propertyValue": MARK,
            }
            for _ in range(self._rng.randint(1, 4))
        ]
        if self._rng.random() < 0.5:
            self._odd_values(events)
        body = json.dumps(events).encode()
        if self._rng.random() < 0.3:
            body = self._odd_bytes(body)
        # Signed after the change, mostly: so it comes as far as the inbox and its reader.
        signed = body if self._rng.random() < 0.8 else body + b" "
        at = str(int(time.time() * 1000)).encode()
        text = b"POST" + TARGET.encode() + signed + at
        digest = base64.b64encode(
            hmac.digest(ENV["HUBSPOT_CLIENT_SECRET"].encode(), text, "sha256")
        )
        headers = [
            b"Content-Type: application/json",
            b"X-HubSpot-Signature-v3: " + digest,
            b"X-HubSpot-Request-Timestamp: " + at,
        ]
        return self._request(b"/webhooks/hubspot", headers, body)

    def _odd_values(self, events: list) -> None:
        for _ in range(self._rng.randint(1, 3)):
            event = self._rng.choice(events)
            if not isinstance(event, dict):
                continue
            dice = self._rng.random()
            name = self._rng.choice(list(event) or ["objectId"])
            if dice < 0.6:
                event[name] = copy.deepcopy(self._rng.choice(_ODD))
            elif dice < 0.8:
                event.pop(name, None)
            elif dice < 0.9:
                events.append(copy.deepcopy(self._rng.choice(_ODD)))
            else:
                deep: object = 1
                for _ in range(self._rng.choice([15, 17, 200])):
                    deep = [deep]
                event[name] = deep

    def _salesforce(self) -> bytes:
        body = _MESSAGE.replace(b"RECORD", b"00Q8d0000001a%02dEAA" % self._rng.randrange(99))
        changes: list[Callable[[bytes], bytes]] = [
            self._odd_bytes,
            lambda text: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + text,
            lambda text: text.replace(b"Lead", self._rng.choice([b"", b"\xff", b"x" * 500])),
            lambda text: text.replace(b"<sf:Id>", b"<sf:Id>" * self._rng.randint(1, 60)),
            lambda text: text.replace(b"UTF-8", self._rng.choice([b"UTF-16", b"x", b"latin-1"])),
            lambda text: text.replace(b"</sObject>", b"&a;&#0;</sObject>"),
            lambda text: text + text,
            lambda text: text[: self._rng.randrange(len(text))],
        ]
        for _ in range(self._rng.randint(0, 2)):
            body = self._rng.choice(changes)(body)
        token = SALESFORCE["SALESFORCE_PATH_TOKEN"].encode()
        path = b"/webhooks/salesforce/" + (token if self._rng.random() < 0.85 else b"%00%ff")
        return self._request(path, [b"Content-Type: text/xml"], body)

    def _request(self, path: bytes, headers: list[bytes], body: bytes) -> bytes:
        lines = [
            b"POST " + path + b" HTTP/1.1",
            b"Host: 127.0.0.1",
            b"Connection: close",
            b"Content-Length: %d" % len(body),
            *headers,
        ]
        if self._rng.random() < 0.25:
            lines.insert(self._rng.randrange(1, len(lines) + 1), self._rng.choice(_HEADERS))
        if self._rng.random() < 0.1:
            methods = [b"GET", b"PUT", b"TRACE", b"POST\x00", b"", b"x" * 9000]
            lines[0] = lines[0].replace(b"POST", self._rng.choice(methods))
        if self._rng.random() < 0.1:
            versions = [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"", b"http/1.1 x"]
            lines[0] = lines[0].replace(b"HTTP/1.1", self._rng.choice(versions))
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        return self._odd_bytes(request) if self._rng.random() < 0.2 else request

    def _odd_bytes(self, text: bytes) -> bytes:
        changed = bytearray(text)
        for _ in range(self._rng.randint(1, 4)):
            place = self._rng.randrange(len(changed) + 1)
            dice = self._rng.random()
            if dice < 0.4 and place < len(changed):
                changed[place] = self._rng.randrange(256)
            elif dice < 0.6:
                changed[place:place] = self._rng.randbytes(self._rng.randint(1, 9))
            elif dice < 0.8:
                del changed[place : place + self._rng.randint(1, 20)]
            else:
                changed[place:place] = changed[max(0, place - 30) : place]
        return bytes(changed)


def send(port: int, request: bytes) -> Tried:
    """Send one case, say that nothing follows, and read until the server closes."""
    began = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused while we still send
        try:
            while chunk := connection.recv(65_536):
                answer += chunk
        except OSError:
            pass
    words = answer.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Tried(status, time.monotonic() - began, request)


def deliveries(circumstances: Circumstances) -> Row:
    """Send thousands of them, beside honest ones; look at answers, waits and memory."""
    with row("S18 mutated deliveries") as found:
        rig = Rig(circumstances, "mutated", people=30, both=True)
        with rig:
            server = rig.add("serve", is_quick=False)
            rig.ready()
            mutator = Mutator(rig.rng, rig.records)
            warm = [mutator.case() for _ in range(200)]
            cases = CASES[circumstances.is_long]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda request: send(server.port, request), warm))
                before = server.memory()
                began = time.monotonic()
                statuses: dict[int, int] = {}
                with rig.sending(rate=10, seconds=cases / 400, events=2) as sent:
                    for start in range(0, cases, 500):
                        batch = [mutator.case() for _ in range(min(500, cases - start))]
                        for tried in pool.map(lambda one: send(server.port, one), batch):
                            statuses[tried.status] = statuses.get(tried.status, 0) + 1
                            _judge(found, tried)
                result = sent()
            found.inputs = cases
            growth = (server.memory() - before) / 2**20
            found.demand(growth < GROWTH_MB, f"memory grew by {growth:.0f} MB")
            found.demand(set(result.answers) == {"200"}, f"honest deliveries: {result.answers}")
            found.notes.append(
                f"answers {dict(sorted(statuses.items()))} in {time.monotonic() - began:.0f} s;"
                f" memory {growth:+.1f} MB; 0 is a connection closed without an answer"
            )
            found.take(check(rig, unreadable=None, quarantined=None))
            found.sent = result.events + len(rig.watch.queued)
    return found


def _judge(found: Row, tried: Tried) -> None:
    said = f"{tried.status} after {tried.seconds:.1f} s to {tried.request[:300]!r}"
    if len(found.problems) < 5:
        found.demand(tried.status < 500, said)
        found.demand(tried.seconds < LONGEST_S, said)


_MESSAGE = (
    b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
    b' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    b'<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
    b"<OrganizationId>00D8d000000HLs1EAG</OrganizationId><ActionId>04k8d0000000LeaAAE</ActionId>"
    b'<SessionId xsi:nil="true"/><Notification><Id>04l8d0000001xYzAAI</Id>'
    b'<sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
    b"<sf:Id>RECORD</sf:Id></sObject></Notification></notifications></soapenv:Body>"
    b"</soapenv:Envelope>"
)
