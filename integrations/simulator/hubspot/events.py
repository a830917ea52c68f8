"""Webhook events, and the requests that carry them.

Source: reference hubspot.md section 2; HubSpot docs "Webhooks API" guide;
`samples/contact.*.json` and `samples/object.*.json`. The retry gaps are ours: HubSpot publishes
only "up to 10 more tries, spread over 24 hours, randomised".
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import requests

from integrations.simulator.hubspot.activities import TYPE_ID_OF
from integrations.simulator.hubspot.records import Record
from integrations.simulator.hubspot.settings import HubSpotSettings
from integrations.simulator.hubspot.signing import headers

Event = dict[str, object]

USER = "userId:9000001"
BATCH_SIZE = 100
#: Longest wait before each of the ten more tries; under 24 hours together.
RETRY_GAPS_S = (60, 180, 600, 1800, 3600, 7200, 10_800, 14_400, 21_600, 25_200)
_FIRST_SUBSCRIPTION = 5_000_001
CONTACT_TYPE = "0-1"
_CHANGE_FLAGS = {
    "creation": "CREATED",
    "deletion": "DELETED",
    "privacyDeletion": "DELETED",
    "restore": "RESTORED",
}


class EventMaker:
    """Turns changes of contacts into the events the app subscribed to."""

    def __init__(
        self, settings: HubSpotSettings, *, now: Callable[[], datetime], chance: random.Random
    ) -> None:
        self._settings = settings
        self._now = now
        self._chance = chance
        self._watched = frozenset(settings.subscribed_properties)
        named = [("propertyChange", name) for name in settings.subscribed_properties]
        plain = [(event, "") for event in settings.subscribed_events]
        self._subscriptions = {
            key: number for number, key in enumerate([*plain, *named], _FIRST_SUBSCRIPTION)
        }
        kinds = [TYPE_ID_OF[kind] for kind in settings.subscribed_activities]
        events = ("creation", "propertyChange", "deletion")
        watched = [(type_id, event) for type_id in kinds for event in events]
        first = _FIRST_SUBSCRIPTION + len(self._subscriptions)
        self._activities = {key: number for number, key in enumerate(watched, first)}

    def events(
        self, event: str, record: Record, changed: Mapping[str, str], source: str
    ) -> list[Event]:
        """Return the events of one change; a creation also brings one for each property.

        In no fixed order: the creation need not come first (section 2.1).
        """
        at = int(self._now().timestamp() * 1000)
        made: list[Event] = []
        if event in ("creation", "propertyChange"):
            # Most writes are scores, to which nobody subscribes: one set operation tells.
            for name in [] if self._watched.isdisjoint(changed) else changed:
                if subscription := self._subscriptions.get(("propertyChange", name)):
                    value = changed[name]
                    more: Event = {"propertyName": name, "propertyValue": value}
                    made.append(
                        self._event(
                            "propertyChange", subscription, record, more, at=at, source=source
                        )
                    )
        if subscription := self._subscriptions.get((event, "")):
            more = self._particulars(event, record, changed)
            place = self._chance.randint(0, len(made))
            made.insert(
                place, self._event(event, subscription, record, more, at=at, source=source)
            )
        return made

    def activity_events(
        self,
        event: str,
        type_id: str,
        record: Record,
        changed: Mapping[str, str],
        source: str,
    ) -> list[Event]:
        """Return the events of a change of an activity: always generic, never with a contact."""
        subscription = self._activities.get((type_id, event))
        if subscription is None:
            return []
        at = int(self._now().timestamp() * 1000)
        parts: list[Event] = (
            [{"propertyName": name, "propertyValue": value} for name, value in changed.items()]
            if event == "propertyChange"
            else [{"changeFlag": _CHANGE_FLAGS[event]}]
        )
        return [
            self._event(event, subscription, record, more, at=at, source=source, type_id=type_id)
            for more in parts
        ]

    @staticmethod
    def _particulars(event: str, record: Record, changed: Mapping[str, str]) -> Event:
        if event != "merge":
            return {"changeFlag": _CHANGE_FLAGS[event]}
        return {
            "primaryObjectId": int(record.id),
            "mergedObjectIds": [int(changed["mergedObjectId"])],
            "newObjectId": int(record.id),
            "numberOfPropertiesMoved": int(changed["moved"]),
        }

    def _event(
        self,
        event: str,
        subscription: int,
        record: Record,
        more: Mapping[str, object],
        *,
        at: int,
        source: str,
        type_id: str = CONTACT_TYPE,
    ) -> Event:
        settings = self._settings
        # privacyDeletion has no generic form (section 2.3), activities have no other.
        generic = settings.generic_events and event != "privacyDeletion"
        generic = generic or type_id != CONTACT_TYPE
        made: Event = {
            "eventId": self._chance.randint(1_000_000_000, 3_999_999_999),
            "subscriptionId": subscription,
            "portalId": settings.portal_id,
            "appId": settings.app_id,
            "occurredAt": at,
            "subscriptionType": f"{'object' if generic else 'contact'}.{event}",
            "attemptNumber": 0,
            "objectId": int(record.id),
        }
        if generic:
            made["objectTypeId"] = type_id
        made.update(more)
        made["changeSource"] = source
        if source == "INTEGRATION":
            made["sourceId"] = str(settings.app_id)
        elif source.startswith("CRM_UI"):
            made["sourceId"] = USER
        if generic and event == "propertyChange":
            made["isSensitive"] = False
        return made


class Poster:
    """Sends events as one signed request."""

    def __init__(self, settings: HubSpotSettings, *, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self.target_url = settings.target_url
        self.connect_url = settings.connect_url

    def post(self, session: requests.Session, events: Sequence[Event], attempt: int) -> bool:
        """Send with a fresh timestamp and signature; any 2xx within the time acknowledges."""
        url = self.target_url
        if url is None:
            return False
        numbered = [{**event, "attemptNumber": attempt} for event in events] if attempt else events
        body = json.dumps(numbered, separators=(",", ":")).encode()
        timestamp = str(int(self._now().timestamp() * 1000))
        answer = session.post(
            self.connect_url or url,
            data=body,
            headers=headers(self._settings.client_secret, url, body, timestamp),
            timeout=self._settings.timeout_s,
            allow_redirects=False,
        )
        return 200 <= answer.status_code < 300


def retry_gap_s(attempt: int, *, speedup: float, chance: random.Random) -> float | None:
    """Return the seconds from failed attempt `attempt` (0 first) to the next, None: give up."""
    if attempt >= len(RETRY_GAPS_S):
        return None
    return RETRY_GAPS_S[attempt] * chance.uniform(0.5, 1.0) / speedup
