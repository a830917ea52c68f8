"""An org's events, fetched: one subscription, its position kept by the replay id of what is stored.

An event becomes one of a signed callout, so that one adapter reads both; see `changes`.
Source: reference salesforce.md sections 2.2 and 2.3.
"""

import io
import json
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import fastavro
import orjson
from fastavro.schema import SchemaParseException
from fastavro.types import AvroMessage

from integrations.base import Finding, Portion
from integrations.errors import CrmError, PositionLostError, TransientCrmError
from integrations.pubsub_proto import pubsub_api_pb2 as proto
from integrations.salesforce.callouts import EVENT, MAX_EVENTS
from integrations.salesforce.pubsub.changes import Changes, read_event, wanted_fields
from integrations.salesforce.pubsub.stream import EventBus, SessionRefusedError, Subscription

#: Events that we are ready for: more are cut to so many. Source: section 2.2, "Flow control".
WINDOW = 100
#: How long a fetch waits. With a login and a second wait it stays below `webhooks.feeds.LASTS`.
WAIT_S = 30.0
#: The bus says something within 270 s; after that, and its way, it is gone.
SILENT_S = 300.0
#: In bytes; a position has twice as many characters, and takes 200 with its number.
MAX_REPLAY_ID = 95

#: What a payload that does not fit its schema makes fastavro raise.
_UNDECODABLE = (
    ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error,
    SchemaParseException, fastavro.read.SchemaResolutionError,
)  # fmt: skip


class PubSubFeed:
    """See `Feed`. The position is the replay id of the last event, in hexadecimal."""

    kind = EVENT
    #: `fetch` does the waiting.
    pause_s = 0.0

    def __init__(
        self,
        bus: EventBus,
        *,
        organization_id: str,
        topic: str,
        namespace: str | None,
        clock: Callable[[], float],
        wait_s: float = WAIT_S,
    ) -> None:
        """Fetch the events of `topic`; `clock` is in monotonic seconds."""
        self._bus = bus
        self._organization_id = organization_id
        self._topic = topic
        self._payloads = Payloads(bus, namespace)
        self._clock = clock
        self._wait_s = wait_s
        self._closed = threading.Event()
        self._subscription: Subscription | None = None
        self._position = ""  #: Of the portion that was returned last.
        self._ready: deque[Portion] = deque()
        self._outstanding = 0  #: Events asked for that did not come yet.
        self._heard = 0.0

    def fetch(self, position: str) -> Portion | None:
        """See `Feed.fetch`. Whoever asks for what follows has stored what came before."""
        try:
            try:
                return self._fetch(position)
            except SessionRefusedError:
                # Once more with a new token: a session ends after some hours.
                self._drop()
                self._bus.renew()
                return self._fetch(position)
        except CrmError:
            self._drop()
            if self._closed.is_set():
                return None
            raise
        except BaseException:
            self._drop()  # what the stream brought is not whole in hand: it shall come again
            raise

    def close(self) -> None:
        """See `Feed.close`. A fetch that waits ends at once."""
        self._closed.set()
        subscription = self._subscription
        if subscription is not None:
            subscription.close()
        self._bus.close()

    def _fetch(self, position: str) -> Portion | None:
        subscription = self._subscription
        if subscription is None or position != self._position:
            subscription = self._open(position)
        if not self._ready:
            if self._outstanding <= WINDOW // 2:
                subscription.ask(WINDOW - self._outstanding)
                self._outstanding = WINDOW
            response = None if self._closed.is_set() else subscription.next(self._wait_s)
            if response is None:
                if self._clock() - self._heard > SILENT_S:
                    raise TransientCrmError("silent", "no sign of the event bus")
                return None
            self._heard = self._clock()
            self._ready.extend(self._portions(response))
        if not self._ready:
            return None
        portion = self._ready.popleft()
        self._position = portion.position
        return portion

    def _open(self, position: str) -> Subscription:
        self._drop()
        try:
            replay_id = bytes.fromhex(position.partition(".")[0])
        except ValueError:
            raise PositionLostError("position_malformed") from None
        self._subscription = self._bus.subscribe(self._topic, replay_id, WINDOW)
        self._position, self._outstanding, self._heard = position, WINDOW, self._clock()
        return self._subscription

    def _drop(self) -> None:
        """End the stream. What it brought and nobody took comes again."""
        subscription, self._subscription = self._subscription, None
        self._ready.clear()
        if subscription is not None:
            subscription.close()

    def _portions(self, response: proto.FetchResponse) -> Iterator[Portion]:
        """Yield what a response brought, as portions that the adapter takes.

        An event that names too many records is spread over several. The position moves past it
        with the last; until then it has a number behind, so that each portion has its own: else
        one that could not be stored would look like one that was.
        """
        if not response.events:
            # A sign of life. Of no use while the bus waits for us to ask: its id may lie beyond
            # events that did not come.
            if response.pending_num_requested > 0 and response.latest_replay_id:
                yield Portion(body=b"", position=_position(response.latest_replay_id))
            return
        position = self._position.partition(".")[0]
        rows: list[Mapping[str, str]] = []
        has_gap = False
        spread = 0
        for event in response.events:
            found = self._payloads.changes(event.event)
            has_gap = has_gap or found.has_gap
            for row in found.rows:
                if len(rows) == MAX_EVENTS:
                    spread += 1
                    yield Portion(body=self._body(rows), position=f"{position}.{spread}")
                    rows = []
                rows.append(row)
            position = _position(event.replay_id)
        self._outstanding = max(0, self._outstanding - len(response.events))
        yield Portion(body=self._body(rows) if rows else b"", position=position, has_gap=has_gap)

    def _body(self, rows: list[Mapping[str, str]]) -> bytes:
        return orjson.dumps({"organizationId": self._organization_id, "events": rows})


class Payloads:
    """Decodes payloads: of each, only the fields that say which record it is about."""

    def __init__(self, bus: EventBus, namespace: str | None) -> None:
        self._bus = bus
        self._namespace = namespace
        self._wanted = wanted_fields(namespace)
        self._schemas: dict[str, tuple[Any, Any]] = {}  #: Id -> as written, as we read it.

    def changes(self, event: proto.ProducerEvent) -> Changes:
        """Return what an event says. Raises: CrmError when its schema cannot be fetched."""
        try:
            return read_event(self._decoded(event), namespace=self._namespace)
        except _UNDECODABLE:
            # Put aside by the adapter, where it is seen; the record is found by a sweep.
            return Changes(rows=({},), has_gap=True)

    def _decoded(self, event: proto.ProducerEvent) -> Mapping[str, Any]:
        if event.schema_id not in self._schemas:
            schema = json.loads(self._bus.schema(event.schema_id))
            fields = [each for each in schema["fields"] if each["name"] in self._wanted]
            self._schemas[event.schema_id] = (
                fastavro.parse_schema(schema),
                fastavro.parse_schema({**schema, "fields": fields}),
            )
        written, read = self._schemas[event.schema_id]
        found: AvroMessage = fastavro.schemaless_reader(io.BytesIO(event.payload), written, read)
        if not isinstance(found, dict):
            raise TypeError("an event is a record")
        return found


def _position(replay_id: bytes) -> str:
    if not 0 < len(replay_id) <= MAX_REPLAY_ID:
        raise TransientCrmError("bad_reply", "a replay id of another length")
    return replay_id.hex()


def check(bus: EventBus, topic: str) -> Finding:
    """Return whether our user may fetch the events of `topic`. Raises: CrmError."""
    try:
        is_allowed = bus.may_subscribe(topic)
    except SessionRefusedError:
        bus.renew()
        is_allowed = bus.may_subscribe(topic)
    advice = "" if is_allowed else "our user may not read it: grant read in a permission set"
    return Finding(f"fetches {topic}", ok=is_allowed, detail=advice)
