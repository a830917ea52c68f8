"""The event bus: what it keeps for 72 hours, and what events of either kind look like.

Source: reference salesforce.md sections 2.2 and 2.3; `samples/cdc_*.json`. Knows no gRPC:
`pubsub.py` serves it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import has_request_context, request

KEPT = timedelta(hours=72)
#: Of all topics; the oldest go first.
MOST_KEPT = 100_000
#: The channel of all objects that are captured.
ALL_CHANGES = "/data/ChangeEvents"
CHANGE_TYPES = {"created": "CREATE", "changed": "UPDATE", "deleted": "DELETE"}
#: Who a change by a person comes from, and one by REST.
_BY_PERSON = "com/salesforce/api/soap/63.0;client=SfdcInternalAPI/"
_BY_REST = "com/salesforce/api/rest/63.0"

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that was published."""

    number: int
    at: datetime
    topic: str
    payload: Values = field(repr=False)

    @property
    def replay_id(self) -> bytes:
        """Its id, opaque to clients."""
        return self.number.to_bytes(8, "big")


class EventBus:
    """The events of all topics, in one order. Safe to use from several threads."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._events: deque[Event] = deque()
        self._latest = 0x0A1F3C
        self._earliest = self._latest  #: From here on nothing is missing.
        self.changed = threading.Condition()
        self.drops = 0  #: How often all streams were dropped.

    def publish(self, topic: str, payload: Values) -> None:
        """Keep an event and wake whoever waits for one."""
        with self.changed:
            # Ids grow, but not by one.
            self._latest += 1 + self._latest % 3
            self._events.append(
                Event(number=self._latest, at=self._now(), topic=topic, payload=payload)
            )
            self._forget()
            self.changed.notify_all()

    def drop_streams(self) -> None:
        """End every subscription with a failure."""
        with self.changed:
            self.drops += 1
            self.changed.notify_all()

    def after(self, topic: str, number: int, limit: int) -> list[Event]:
        """Return up to `limit` events of `topic` after number `number`, oldest first."""
        with self.changed:
            self._forget()
            found = (e for e in self._events if e.number > number and e.topic == topic)
            return [event for event, _ in zip(found, range(limit), strict=False)]

    def latest(self) -> int:
        """Return the number of the event that was published last."""
        with self.changed:
            return self._latest

    def earliest(self) -> int:
        """Return the number after which all events are kept."""
        with self.changed:
            self._forget()
            return self._earliest

    def number_of(self, replay_id: bytes) -> int | None:
        """Return the number of a replay id, None when it is too old or never was one."""
        with self.changed:
            self._forget()
            number = int.from_bytes(replay_id, "big")
            is_known = len(replay_id) == 8 and self._earliest <= number <= self._latest
            return number if is_known else None

    def _forget(self) -> None:
        oldest = self._now() - KEPT
        while self._events and (self._events[0].at < oldest or len(self._events) > MOST_KEPT):
            self._earliest = self._events.popleft().number


def changed_event(row: Mapping[str, str], at: datetime) -> Values:
    """Return the platform event that a Flow publishes about a record."""
    return {
        "CreatedDate": round(at.timestamp() * 1000),
        "CreatedById": "0058d000000InTgAAK",
        "Object__c": row["object"],
        "Record_Id__c": row["id"],
        "Cause__c": row["cause"],
    }


def change_event(
    entity: str,
    ids: Sequence[str],
    change_type: str,
    *,
    values: Values,
    origin: str = _BY_PERSON,
    at: datetime,
) -> Values:
    """Return an event of Change Data Capture, with the fields that changed."""
    header = {
        "entityName": entity,
        "recordIds": list(ids),
        "changeType": change_type,
        "changeOrigin": origin,
        "transactionKey": "0003e1b6-5d0a-7c2f-9b11-5a4c1de0a001",
        "sequenceNumber": 1,
        "commitTimestamp": round(at.timestamp() * 1000),
        "commitNumber": 10611409862221,
        "commitUser": "0058d000000InTgAAK",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": sorted(values),
    }
    texts = {name: None if value is None else str(value) for name, value in values.items()}
    return {"ChangeEventHeader": header, "Description": texts.get("Description")}


def origin() -> str:
    """Return where the change at hand comes from: the client of a REST call, or a person."""
    if not has_request_context():
        return _BY_PERSON
    options = request.headers.get("Sforce-Call-Options", "")
    return f"{_BY_REST};{options}" if options else _BY_REST
