"""The webhooks journal: files of events that an app fetches, and what it subscribed to.

Source: reference hubspot.md section 2.7; openapi `webhooks-journal.2026-03`; the shape of an event
by `samples/journal.file.json`, which shows a change; the fields of merges and associations are
those of webhook events. An event is kept only if a subscription was made before it happened.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.values import iso

KEPT = timedelta(days=3)
URL_LASTS = timedelta(minutes=5)
FILE_EVENTS = 10_000

READ = ("developer.webhooks_journal.read",)
SUBSCRIPTIONS_READ = ("developer.webhooks_journal.subscriptions.read",)
SUBSCRIPTIONS_WRITE = ("developer.webhooks_journal.subscriptions.write",)

ACTIONS = {
    "creation": "CREATE",
    "propertyChange": "UPDATE",
    "deletion": "DELETE",
    "restore": "RESTORE",
    "merge": "MERGE",
}
_TYPES = (
    "OBJECT",
    "ASSOCIATION",
    "APP_LIFECYCLE_EVENT",
    "LIST_MEMBERSHIP",
    "GDPR_PRIVACY_DELETION",
)
_REQUIRED = {
    "OBJECT": ("actions", "objectIds", "objectTypeId", "portalId", "properties"),
    "ASSOCIATION": (
        "actions", "associatedObjectTypeIds", "objectIds", "objectTypeId", "portalId",
    ),
    "GDPR_PRIVACY_DELETION": ("actions", "objectTypeId", "portalId"),
    "APP_LIFECYCLE_EVENT": ("eventTypeId", "properties"),
    "LIST_MEMBERSHIP": ("actions", "listIds", "objectIds", "portalId"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A published file."""

    offset: str
    published_at: datetime
    events: list[dict[str, Any]]


class Journal:
    """The journal of one portal. Not locked: the caller is."""

    def __init__(
        self, *, portal_id: int, app_id: int, now: Callable[[], datetime], chance: random.Random
    ) -> None:
        self._portal_id = portal_id
        self._app_id = app_id
        self._now = now
        self._chance = chance
        self._subscriptions: list[dict[str, Any]] = []
        self._waiting: list[dict[str, Any]] = []
        self._files: list[File] = []
        self._urls: dict[str, tuple[File, datetime]] = {}

    def note(self, event: str, type_id: str, record_id: str, changed: Mapping[str, str]) -> None:
        """Keep what happened to a record, as far as it was subscribed to."""
        if event == "privacyDeletion":
            self._keep(
                "GDPR_PRIVACY_DELETION", "GDPR_DELETE", type_id, {"objectId": int(record_id)}
            )
            return
        more: dict[str, Any] = {"objectId": int(record_id)}
        if event == "propertyChange":
            more["propertyChanges"] = dict(changed)
        elif event == "merge":
            more["primaryObjectId"] = int(record_id)
            more["mergedObjectIds"] = [int(changed["mergedObjectId"])]
            more["newObjectId"] = int(record_id)
        self._keep("OBJECT", ACTIONS[event], type_id, more)

    def note_uninstall(self) -> None:
        """Keep that the app was taken away; its shape is unverified."""
        if any(s["subscriptionType"] == "APP_LIFECYCLE_EVENT" for s in self._subscriptions):
            kind = {"objectTypeId": "4-1916193", "objectId": self._app_id}
            self._waiting.append(self._event("appLifecycle", "APP_UNINSTALL") | kind)

    def note_link(self, type_id: str, record_id: str, other_type: str, other_id: str) -> None:
        """Keep that a record was associated with another."""
        for subscription in self._of("ASSOCIATION", "ASSOCIATION_ADDED", type_id):
            if other_type in subscription["associatedObjectTypeIds"]:
                self._waiting.append(
                    self._event("association", "ASSOCIATION_ADDED")
                    | {
                        "fromObjectTypeId": type_id,
                        "fromObjectId": int(record_id),
                        "toObjectTypeId": other_type,
                        "toObjectId": int(other_id),
                    }
                )

    def _keep(self, kind: str, action: str, type_id: str, more: dict[str, Any]) -> None:
        for subscription in self._of(kind, action, type_id):
            kept = dict(more)
            if action == "UPDATE":
                watched = set(subscription["properties"])
                changes = {k: v for k, v in kept["propertyChanges"].items() if k in watched}
                if not changes:
                    continue
                kept["propertyChanges"] = changes
            self._waiting.append(
                self._event("crmObject", action) | {"objectTypeId": type_id} | kept
            )

    def _of(self, kind: str, action: str, type_id: str) -> list[dict[str, Any]]:
        return [
            each
            for each in self._subscriptions
            if each["subscriptionType"] == kind
            and action in each["actions"]
            and each["objectTypeId"] == type_id
        ]

    def _event(self, kind: str, action: str) -> dict[str, Any]:
        return {
            "type": kind,
            "portalId": self._portal_id,
            "occurredAt": iso(self._now()),
            "action": action,
        }

    def subscriptions(self) -> dict[str, Any]:
        """Answer the list of subscriptions."""
        return {"results": list(self._subscriptions)}

    def subscribe(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Make a subscription, or widen the one there is. Raises: ApiError, as its 400."""
        kind = asked.get("subscriptionType")
        if kind not in _TYPES:
            raise errors.invalid("subscriptionType is missing or unknown")
        lacking = [name for name in _REQUIRED[kind] if name not in asked]
        if lacking:
            raise errors.invalid(f"Some required fields were not set: {lacking}")
        if kind != "APP_LIFECYCLE_EVENT" and asked["portalId"] != self._portal_id:
            raise errors.invalid("The app is not installed in this portal")
        at = iso(self._now())
        same = ("subscriptionType", "objectTypeId", "portalId")
        old = next(
            (s for s in self._subscriptions if all(s.get(k) == asked.get(k) for k in same)), None
        )
        made = {
            "id": old["id"] if old else 9_000_001 + len(self._subscriptions),
            "appId": self._app_id,
            "objectTypeId": asked.get("eventTypeId", ""),
            "actions": [],
            **asked,
            "createdAt": old["createdAt"] if old else at,
            "updatedAt": at,
        }
        made.pop("eventTypeId", None)
        if old:
            self._subscriptions[self._subscriptions.index(old)] = made
        else:
            self._subscriptions.append(made)
        return made

    def earliest(self) -> dict[str, Any] | None:
        """Answer where the first file lies that is left, None when there is none."""
        self._publish()
        return self._answer(self._files[0]) if self._files else None

    def after(self, offset: str) -> dict[str, Any] | None:
        """Answer where the file after `offset` lies. Raises: ApiError, as its 404."""
        self._publish()
        offsets = [file.offset for file in self._files]
        if offset not in offsets:
            raise ApiError(404, errors.not_found().body)
        place = offsets.index(offset) + 1
        return self._answer(self._files[place]) if place < len(self._files) else None

    def content(self, key: str) -> dict[str, Any] | None:
        """Return a file by the key in its address; None when that is unknown or too old."""
        file, until = self._urls.get(key, (None, self._now()))
        if file is None or until <= self._now():
            return None
        return {
            "offset": file.offset,
            "journalEvents": file.events,
            "publishedAt": iso(file.published_at),
        }

    def _publish(self) -> None:
        now = self._now()
        self._files = [file for file in self._files if now - file.published_at < KEPT]
        while self._waiting:
            part, self._waiting = self._waiting[:FILE_EVENTS], self._waiting[FILE_EVENTS:]
            offset = str(UUID(int=self._chance.getrandbits(128), version=4))
            self._files.append(File(offset=offset, published_at=now, events=part))

    def _answer(self, file: File) -> dict[str, Any]:
        key = f"{self._chance.getrandbits(128):032x}"
        ends = self._now() + URL_LASTS
        self._urls[key] = (file, ends)
        return {
            "url": f"/journal-files/{key}",
            "currentOffset": file.offset,
            "expiresAt": iso(ends),
        }
