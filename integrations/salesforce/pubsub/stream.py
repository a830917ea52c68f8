"""Calls of the Pub/Sub interface: one channel, one token, every failure one of ours.

Source: reference salesforce.md section 2.2; `integrations/pubsub_proto/pubsub_api.proto`; Pub/Sub
API guide, "Handle Errors" and "Retry Long-Lived RPC Calls After an Error Occurs".
"""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import grpc

from integrations.errors import (
    AccessError,
    CrmError,
    PositionLostError,
    RateLimitedError,
    TransientCrmError,
)
from integrations.http import crm_errors
from integrations.pubsub_proto import pubsub_api_pb2 as proto
from integrations.pubsub_proto.pubsub_api_pb2_grpc import PubSubStub
from integrations.salesforce import wire
from integrations.salesforce.calls import OrgCalls

#: Of a call with one answer. A subscription has none: its silence is watched instead.
DEADLINE_S = 20.0
#: Source: S37.
MAX_REPLY_BYTES = 8 * 1024 * 1024

#: In the trailing metadata of a failure: what went wrong, and what its codes begin with.
ERROR_CODE = "error-code"
_PREFIX = "sfdc.platform.eventbus.grpc."
#: A person must act: the topic is not there, or our user may not read it.
_SETUP = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
)
#: No proxy from the environment, as in `integrations.http`: what is reached is configured.
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
    ("grpc.enable_http_proxy", 0),
    # Between tries to connect; by itself it would be two minutes, in which every call fails.
    ("grpc.max_reconnect_backoff_ms", 20_000),
)


class SessionRefusedError(AccessError):
    """The token is refused: worth another one, once."""


class EventBus:
    """The event bus of one org. Used by one thread; `close` may come from another."""

    def __init__(
        self,
        endpoint: str,
        *,
        organization_id: str,
        instance_url: str,
        calls: OrgCalls,
        roots: bytes | None = None,
    ) -> None:
        """Connect when the first call is made.

        Args:
            endpoint: `https://host:port`; http, without TLS, is for this machine only.
            organization_id: The org.
            instance_url: Its My Domain address, from the configuration and never from a reply.
            calls: Gives the access token, and is closed with this.
            roots: Whom to trust, as PEM; None: the authorities that gRPC brings along.
        """
        parts = urlsplit(endpoint)
        is_plain = parts.scheme == "http"
        address = f"{parts.hostname}:{parts.port or (80 if is_plain else 443)}"
        if is_plain:
            self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        else:
            trusted = grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = grpc.secure_channel(address, trusted, options=_OPTIONS)
        self._stub = PubSubStub(self._channel)
        self._tenant = wire.full_id(organization_id)
        self._instance_url = instance_url
        self._calls = calls
        self._token = ""

    def subscribe(self, topic: str, replay_id: bytes, count: int) -> "Subscription":
        """Return the events of `topic` after `replay_id`, at first `count` of them.

        An empty id is the earliest that is kept: 72 hours. Raises: CrmError.
        """
        first = proto.FetchRequest(
            topic_name=topic,
            replay_preset=proto.CUSTOM if replay_id else proto.EARLIEST,
            replay_id=replay_id,
            num_requested=count,
        )
        metadata = self._metadata()
        return Subscription(
            lambda requests: self._stub.Subscribe(requests, metadata=metadata), first
        )

    def schema(self, schema_id: str) -> str:
        """Return a schema, as Avro's JSON. Safe to repeat. Raises: CrmError."""
        request = proto.SchemaRequest(schema_id=schema_id)
        return str(self._ask(self._stub.GetSchema, request).schema_json)

    def may_subscribe(self, topic: str) -> bool:
        """Return whether our user may fetch events of `topic`. Safe to repeat. Raises: CrmError."""
        return bool(
            self._ask(self._stub.GetTopic, proto.TopicRequest(topic_name=topic)).can_subscribe
        )

    def _ask(self, method: Any, request: object) -> Any:
        try:
            return method(request, timeout=DEADLINE_S, metadata=self._metadata())
        except grpc.RpcError as error:
            raise error_of(error) from None
        except ValueError:  # gRPC's word for it
            raise TransientCrmError("channel_closed") from None

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        with crm_errors():
            self._token = self._calls.token()
        return (
            ("accesstoken", self._token),
            ("instanceurl", self._instance_url),
            ("tenantid", self._tenant),
        )

    def renew(self) -> None:
        """Fetch another token than the one that was used last.

        Raises:
            AccessError: It is fresh: the org refuses us, not the token.
            CrmError: The login failed.
        """
        with crm_errors():
            self._calls.renew(self._token)

    def close(self) -> None:
        """End all calls at once."""
        self._channel.close()
        self._calls.close()


class Subscription:
    """A stream of events, and how many more we are ready to take.

    gRPC's own iterator waits without an end; a thread empties it into a queue. No more can lie
    there than were asked for.
    """

    def __init__(
        self, call: Callable[[Iterator[proto.FetchRequest]], Any], first: proto.FetchRequest
    ) -> None:
        self._asked: SimpleQueue[proto.FetchRequest | None] = SimpleQueue()
        self._came: SimpleQueue[proto.FetchResponse | CrmError | None] = SimpleQueue()
        self._asked.put(first)
        try:
            self._call = call(iter(self._asked.get, None))
        except ValueError:  # gRPC's word for it
            raise TransientCrmError("channel_closed") from None
        threading.Thread(target=self._pump, name="subscription", daemon=True).start()

    def _pump(self) -> None:
        try:
            for response in self._call:
                self._came.put(response)
            self._came.put(TransientCrmError("stream_ended"))
        except grpc.RpcError as error:
            self._came.put(error_of(error))

    def ask(self, count: int) -> None:
        """Be ready for `count` more events."""
        self._asked.put(proto.FetchRequest(num_requested=count))

    def next(self, timeout_s: float) -> proto.FetchResponse | None:
        """Return what came, or None when nothing did in time. Raises: CrmError."""
        try:
            found = self._came.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(found, CrmError):
            raise found
        return found

    def close(self) -> None:
        """End the stream, and whoever waits for it."""
        self._came.put(None)
        self._asked.put(None)
        self._call.cancel()


def error_of(error: Any) -> CrmError:
    """Return the error for a call that failed: a `grpc.RpcError`, which is a `grpc.Call`, too.

    Its text holds nothing of the reply.
    """
    status = error.code()
    told = next((str(v) for k, v in error.trailing_metadata() or () if k == ERROR_CODE), "")
    code = told.removeprefix(_PREFIX) or status.name.lower()
    if ".replayid." in code:
        return PositionLostError(code)
    if status is grpc.StatusCode.UNAUTHENTICATED:
        return SessionRefusedError(code, "check the user's permissions, and organization_id")
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED or code.endswith("limit.exceeded"):
        return RateLimitedError(code, retry_after_s=wire.PAUSE_S)
    if status in _SETUP:
        return AccessError(code, "check events_topic, and that our user may read its object")
    return TransientCrmError(code)
