"""Serves an org's event bus by Salesforce's own interface, the published `pubsub_api.proto`.

Source: reference salesforce.md section 2.2; comments of the proto; Pub/Sub API guide, "Handle
Errors". Needs the extra `pubsub`. A fault is programmed as for REST: the path is
`/eventbus.v1.PubSub/<method>`, the status a gRPC code, and the body Salesforce's code of the error.
"""

import contextlib
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn

import fastavro
import grpc

from integrations.pubsub_proto import pubsub_api_pb2 as proto
from integrations.pubsub_proto.pubsub_api_pb2_grpc import (
    PubSubServicer,
    add_PubSubServicer_to_server,
)
from integrations.simulator.salesforce.errors import ApiError
from integrations.simulator.salesforce.events import Event
from integrations.simulator.salesforce.simulator import SalesforceSimulator

#: More are never owed to a client. Source: section 2.2, "Flow control".
MOST_OWED = 100
#: Events in one answer.
BATCH = 20
KEEP_ALIVE_S = 270.0
THREADS = 16
_PREFIX = "sfdc.platform.eventbus.grpc."
_AUTH_ERROR = "service.auth.error"
_UNIMPLEMENTED = "service.unimplemented"

_TEXT, _WHOLE = ["null", "string"], "long"
_PLATFORM = {
    "type": "record",
    "name": "Leadscore_Change__e",
    "namespace": "com.sforce.eventbus",
    "fields": [
        {"name": "CreatedDate", "type": _WHOLE},
        {"name": "CreatedById", "type": "string"},
        *({"name": name, "type": _TEXT} for name in ("Object__c", "Record_Id__c", "Cause__c")),
    ],
}
_CHANGE_TYPES = [
    "CREATE", "UPDATE", "DELETE", "UNDELETE",
    "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW",
]  # fmt: skip
_CAPTURED = {
    "type": "record",
    "name": "ChangeEvent",
    "namespace": "com.sforce.eventbus",
    "fields": [
        {
            "name": "ChangeEventHeader",
            "type": {
                "type": "record",
                "name": "ChangeEventHeader",
                "fields": [
                    {"name": "entityName", "type": "string"},
                    {"name": "recordIds", "type": {"type": "array", "items": "string"}},
                    {
                        "name": "changeType",
                        "type": {"type": "enum", "name": "ChangeType", "symbols": _CHANGE_TYPES},
                    },
                    {"name": "changeOrigin", "type": "string"},
                    {"name": "transactionKey", "type": "string"},
                    {"name": "sequenceNumber", "type": "int"},
                    {"name": "commitTimestamp", "type": _WHOLE},
                    {"name": "commitNumber", "type": _WHOLE},
                    {"name": "commitUser", "type": "string"},
                    *(
                        {"name": name, "type": {"type": "array", "items": "string"}}
                        for name in ("nulledFields", "diffFields", "changedFields")
                    ),
                ],
            },
        },
        {"name": "Description", "type": _TEXT},
    ],
}
#: Schema id -> schema; ids are the hash of a schema, opaque to clients.
_SCHEMAS = {"V-platform-event-1": _PLATFORM, "V-change-event-1": _CAPTURED}
_PARSED = {key: fastavro.parse_schema(schema) for key, schema in _SCHEMAS.items()}


def _schema_id(topic: str) -> str:
    return "V-platform-event-1" if topic.startswith("/event/") else "V-change-event-1"


class _Owed:
    """How many events a client is still ready for."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.left = 0
        self.fault = ""

    def add(self, count: int) -> None:
        with self._changed:
            self.left = min(self.left + count, MOST_OWED)
            self._changed.notify_all()

    def fail(self, fault: str) -> None:
        with self._changed:
            self.fault = fault
            self._changed.notify_all()


class _Servicer(PubSubServicer):
    """Answers for one org."""

    def __init__(self, simulator: SalesforceSimulator, *, keep_alive_s: float) -> None:
        self._simulator = simulator
        self._keep_alive_s = keep_alive_s
        self.stopping = False

    def GetTopic(  # noqa: N802  Salesforce's name
        self, request: proto.TopicRequest, context: grpc.ServicerContext
    ) -> proto.TopicInfo:
        """See the proto."""
        self._admit(context, "GetTopic")
        self._check_topic(request.topic_name, context)
        return proto.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=self._simulator.settings.organization_id,
            can_publish=False,
            can_subscribe=True,
            schema_id=_schema_id(request.topic_name),
        )

    def GetSchema(  # noqa: N802  Salesforce's name
        self, request: proto.SchemaRequest, context: grpc.ServicerContext
    ) -> proto.SchemaInfo:
        """See the proto."""
        self._admit(context, "GetSchema")
        schema = _SCHEMAS.get(request.schema_id)
        if schema is None:
            _abort(context, grpc.StatusCode.NOT_FOUND, "schema.not.found")
        return proto.SchemaInfo(schema_json=json.dumps(schema), schema_id=request.schema_id)

    def Subscribe(  # noqa: N802  Salesforce's name
        self, request_iterator: Iterator[proto.FetchRequest], context: grpc.ServicerContext
    ) -> Iterator[proto.FetchResponse]:
        """See the proto."""
        self._admit(context, "Subscribe")
        first = next(request_iterator, None)
        if first is None:
            return
        topic = first.topic_name
        self._check_topic(topic, context)
        cursor = self._start(first, context)
        bus = self._simulator.bus
        owed = _Owed(bus.changed)
        drops = bus.drops
        self._take(first, topic, owed)
        reader = threading.Thread(
            target=self._read, args=(request_iterator, topic, owed), daemon=True
        )
        reader.start()
        said = time.monotonic()
        while context.is_active() and not self.stopping:
            if bus.drops != drops:
                _abort(context, grpc.StatusCode.UNAVAILABLE, "service.unavailable")
            if owed.fault:
                _abort(context, grpc.StatusCode.INVALID_ARGUMENT, owed.fault)
            self._check_session(context)
            events = bus.after(topic, cursor, min(owed.left, BATCH))
            if events:
                cursor = events[-1].number
                owed.add(-len(events))
            is_late = time.monotonic() - said >= self._keep_alive_s
            if events or is_late:
                said = time.monotonic()
                yield self._answer(events, cursor, owed.left)
            else:
                with bus.changed:
                    bus.changed.wait(min(0.1, self._keep_alive_s))

    def Publish(  # noqa: N802  Salesforce's name
        self, request: proto.PublishRequest, context: grpc.ServicerContext
    ) -> proto.PublishResponse:
        """Refuse: nothing of ours publishes."""
        del request
        _abort(context, grpc.StatusCode.UNIMPLEMENTED, _UNIMPLEMENTED)

    def PublishStream(  # noqa: N802  Salesforce's name
        self, request_iterator: Iterator[proto.PublishRequest], context: grpc.ServicerContext
    ) -> Iterator[proto.PublishResponse]:
        """Refuse: nothing of ours publishes."""
        del request_iterator
        _abort(context, grpc.StatusCode.UNIMPLEMENTED, _UNIMPLEMENTED)

    def ManagedSubscribe(  # noqa: N802  Salesforce's name
        self, request_iterator: Iterator[proto.ManagedFetchRequest], context: grpc.ServicerContext
    ) -> Iterator[proto.ManagedFetchResponse]:
        """Refuse: it is a beta, and we keep the positions ourselves."""
        del request_iterator
        _abort(context, grpc.StatusCode.UNIMPLEMENTED, _UNIMPLEMENTED)

    def _answer(self, events: Sequence[Event], cursor: int, left: int) -> proto.FetchResponse:
        # Without events it is the tip of the bus, also while events wait for a client to ask.
        latest = cursor if events else self._simulator.bus.latest()
        return proto.FetchResponse(
            events=[_consumed(event) for event in events],
            latest_replay_id=latest.to_bytes(8, "big"),
            pending_num_requested=left,
        )

    def _start(self, first: proto.FetchRequest, context: grpc.ServicerContext) -> int:
        bus = self._simulator.bus
        if first.replay_preset == proto.EARLIEST:
            return bus.earliest()
        if first.replay_preset == proto.LATEST:
            return bus.latest()
        number = bus.number_of(first.replay_id)
        if number is None:
            code = "subscription.fetch.replayid.corrupted"
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, code)
        return number

    def _read(self, requests: Iterator[proto.FetchRequest], topic: str, owed: _Owed) -> None:
        with contextlib.suppress(Exception):  # gRPC's way of saying that the client is gone
            for request in requests:
                self._take(request, topic, owed)

    def _take(self, request: proto.FetchRequest, topic: str, owed: _Owed) -> None:
        if request.topic_name and request.topic_name != topic:
            owed.fail("subscription.fetch.topic.mismatch")
        elif request.num_requested <= 0:
            owed.fail("subscription.fetch.requested.events.invalid")
        else:
            self._simulator.org.counts.add("events_requested", request.num_requested)
            owed.add(request.num_requested)

    def _admit(self, context: grpc.ServicerContext, method: str) -> None:
        self._simulator.org.counts.add("pubsub")
        fault = self._simulator.faults.take(f"/eventbus.v1.PubSub/{method}")
        if fault is not None and fault.status is not None:
            status = next(each for each in grpc.StatusCode if each.value[0] == fault.status)
            _abort(context, status, fault.body.decode())
        self._check_session(context)

    def _check_session(self, context: grpc.ServicerContext) -> None:
        sent = {key: str(value) for key, value in context.invocation_metadata()}
        org = self._simulator.org
        try:
            with org.lock:
                org.sessions.check(f"Bearer {sent.get('accesstoken', '')}")
        except ApiError:
            _abort(context, grpc.StatusCode.UNAUTHENTICATED, _AUTH_ERROR)
        if sent.get("tenantid") != org.settings.organization_id or not sent.get("instanceurl"):
            _abort(context, grpc.StatusCode.UNAUTHENTICATED, _AUTH_ERROR)

    def _check_topic(self, topic: str, context: grpc.ServicerContext) -> None:
        is_known = topic == self._simulator.settings.topic or topic.startswith("/data/")
        if not is_known:
            _abort(context, grpc.StatusCode.NOT_FOUND, "topic.not.found")


def _abort(context: grpc.ServicerContext, status: grpc.StatusCode, code: str) -> NoReturn:
    context.set_trailing_metadata((("error-code", _PREFIX + code), ("rpc-id", "invented")))
    context.abort(status, f"{code} rpcId: invented")
    raise AssertionError  # `abort` has raised


def _consumed(event: Event) -> proto.ConsumerEvent:
    schema_id = _schema_id(event.topic)
    encoded = io.BytesIO()
    fastavro.schemaless_writer(encoded, _PARSED[schema_id], event.payload)
    return proto.ConsumerEvent(
        event=proto.ProducerEvent(
            id=f"invented-{event.number}", schema_id=schema_id, payload=encoded.getvalue()
        ),
        replay_id=event.replay_id,
    )


@contextmanager
def serving(
    simulator: SalesforceSimulator,
    *,
    port: int = 0,
    keep_alive_s: float = KEEP_ALIVE_S,
    certificate: tuple[bytes, bytes] | None = None,
) -> Iterator[str]:
    """Serve the event bus of `simulator` until the block ends; yields its endpoint.

    Args:
        simulator: The org.
        port: Of this machine; 0 takes a free one.
        keep_alive_s: After so much silence the client gets a sign of life.
        certificate: Key and certificate as PEM, for TLS; None: without.
    """
    servicer = _Servicer(simulator, keep_alive_s=keep_alive_s)
    server = grpc.server(ThreadPoolExecutor(THREADS), options=(("grpc.so_reuseport", 0),))
    add_PubSubServicer_to_server(servicer, server)
    if certificate is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        credentials = grpc.ssl_server_credentials([certificate])
        bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{bound}"
    finally:
        servicer.stopping = True
        with simulator.bus.changed:
            simulator.bus.changed.notify_all()
        server.stop(grace=0).wait(2.0)
