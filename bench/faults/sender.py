"""Sends signed HubSpot deliveries at a steady rate, as HubSpot does: again until acknowledged.

A process of its own. Usage: python -m bench.faults.sender < order.json  ->  one JSON object. The
order's keys are the fields of `Order`. What was acknowledged is written to a file, one event a
line: that is what must be stored (I1). A wait counts from the moment a delivery was due, not from
the moment it could be sent, so that a server that stalls does not hide it.
"""

import asyncio
import base64
import hmac
import json
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.faults.patches import offset_of

#: HubSpot's own time-out.
TIMEOUT_S = 5.0


@dataclass(kw_only=True)
class Order:
    """What is sent."""

    ports: list[int]  #: Receivers, taken in turns.
    url: str  #: As registered, and signed.
    secret: str = field(repr=False)
    records: list[int]
    rate: float  #: Deliveries a second.
    seconds: float
    events: int  #: In one delivery.
    seed: int
    journal: str  #: File of acknowledged events.
    connections: int = 32
    give_up_s: float = 60.0  #: After the last was due.
    again_s: float = 0.3  #: Pause before another try.
    clock: str = ""  #: File that moves the clock.
    bad_every: int = 0  #: One event in so many cannot be read.
    mark: str = ""  #: Stands in each event.


class Load:
    """One run."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.rng = random.Random(order.seed)
        self.acknowledged: list[tuple[int, int]] = []
        self.answers: dict[str, int] = {}
        self.waits: list[float] = []  #: Of first tries.
        self.spans: list[tuple[float, float, str]] = []  #: Of every try: from, until, answer.
        self.given_up = 0
        self.made = 0
        self.began = 0.0
        self.stalled_s = 0.0  #: Longest time that this process itself was not run.

    async def run(self) -> dict:
        """Send all; return what happened."""
        order = self.order
        todo: asyncio.Queue = asyncio.Queue()
        self.began = time.monotonic()
        watching = asyncio.create_task(self._watch_own_pulse())
        count = int(order.rate * order.seconds)
        senders = [asyncio.create_task(self._send(todo, n)) for n in range(order.connections)]
        for place in range(count):
            due_at = self.began + place / order.rate
            wait_s = due_at - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            todo.put_nowait((due_at, self._events()))
        for _ in senders:
            todo.put_nowait(None)
        await asyncio.gather(*senders)
        watching.cancel()
        self.waits.sort()
        return {
            "deliveries": self.made,
            "events": self.made * order.events,
            "acknowledged": len(self.acknowledged),
            "given_up": self.given_up * order.events,
            "answers": self.answers,
            "p50_ms": self._percentile(0.50),
            "p99_ms": self._percentile(0.99),
            "longest_s": max((until - began for began, until, _ in self.spans), default=0.0),
            "spans": [(round(a, 3), round(b, 3), code) for a, b, code in self.spans],
            "stalled_s": self.stalled_s,
            "began": self.began,  # the monotonic clock is the machine's
        }

    async def _watch_own_pulse(self) -> None:
        """Notice when the machine stood still: then no wait measured here means anything."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            self.stalled_s = max(self.stalled_s, time.monotonic() - before - 0.1)

    def _percentile(self, part: float) -> float:
        return self.waits[int(len(self.waits) * part)] * 1000 if self.waits else 0.0

    def _events(self) -> list[dict]:
        self.made += 1
        order = self.order
        found = []
        for place in range(order.events):
            number = (self.made - 1) * order.events + place
            record: object = self.rng.choice(order.records)
            if order.bad_every and number % order.bad_every == order.bad_every // 2:
                record = f"{order.mark}-no-number"
            found.append(
                {
                    "eventId": order.seed * 10_000_000 + number,
                    "subscriptionId": 5_348_095,
                    "portalId": 4_000_001,
                    "appId": 7_100_001,
                    "occurredAt": int(time.time() * 1000),
                    "subscriptionType": "contact.propertyChange",
                    "attemptNumber": 0,
                    "objectId": record,
                    "propertyName": "message",
                    "propertyValue": f"{order.mark} I want implants",
                    "changeSource": "CRM_UI",
                }
            )
        return found

    async def _send(self, todo: asyncio.Queue, number: int) -> None:
        line = Line(self.order.ports, number)
        while (item := await todo.get()) is not None:
            due_at, events = item
            ends = self.began + self.order.seconds + self.order.give_up_s
            tries = 0
            while True:
                began = time.monotonic()
                code = await line.exchange(self._request(events))
                now = time.monotonic()
                self.answers[code] = self.answers.get(code, 0) + 1
                self.spans.append((began - self.began, now - self.began, code))
                if tries == 0:
                    self.waits.append(now - due_at)
                tries += 1
                if code == "200":
                    self.acknowledged += [
                        (event["eventId"], event["objectId"])
                        for event in events
                        if isinstance(event["objectId"], int)
                    ]
                    break
                if time.monotonic() > ends:
                    self.given_up += 1
                    break
                await asyncio.sleep(self.order.again_s)
        line.close()

    def _request(self, events: list[dict]) -> bytes:
        body = json.dumps(events).encode()
        now = datetime.now(UTC)  # noqa: TID251  a process of its own
        if self.order.clock:
            now += offset_of(self.order.clock)
        at = str(int(now.timestamp() * 1000)).encode()
        text = b"POST" + self.order.url.encode() + body + at
        digest = base64.b64encode(hmac.digest(self.order.secret.encode(), text, "sha256"))
        head = (
            b"POST /webhooks/hubspot HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nX-HubSpot-Signature-v3: " + digest + b"\r\n"
            b"X-HubSpot-Request-Timestamp: " + at + b"\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        )
        return head + body


class Line:
    """A kept connection; made anew, to the next receiver, when it breaks."""

    def __init__(self, ports: list[int], number: int) -> None:
        self._ports, self._turn = ports, number
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> str:
        """Return the status, or the class of what went wrong."""
        try:
            return await asyncio.wait_for(self._exchange(request), TIMEOUT_S + 1.0)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            return type(error).__name__

    async def _exchange(self, request: bytes) -> str:
        if self._ends is None:
            self._turn += 1
            port = self._ports[self._turn % len(self._ports)]
            self._ends = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._ends
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for field_ in head.split(b"\r\n")[1:]:
            name, _, value = field_.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await reader.readexactly(length)
        return head[9:12].decode()

    def close(self) -> None:
        """Give the connection up."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None


def main() -> None:
    """Send what standard input orders; write the journal; print what happened."""
    load = Load(Order(**json.load(sys.stdin)))
    found = asyncio.run(load.run())
    lines = "".join(f"{event} {record}\n" for event, record in load.acknowledged)
    Path(load.order.journal).write_text(lines, "ascii")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
