"""Deliveries of a HubSpot app: are they HubSpot's, and which contacts do they name?"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations.base import Acknowledgement, CrmEvent, Delivery, Parsed, RecordRef, Unreadable
from integrations.errors import PayloadError, VerificationError
from integrations.hubspot import wire
from integrations.payload import Payload

#: Source: SECURITY-REQUIREMENTS S13.
MAX_EVENTS = 500

_TIMESTAMP = re.compile(r"[0-9]{13}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What the adapter knows of one portal."""

    account: str  #: The account's name in practice.toml.
    portal_id: str
    app_id: str
    secrets: Sequence[str] = field(repr=False)  #: Client secrets now valid: one, or two (S5).
    webhook_url: str
    written: Collection[str]  #: Properties that we write: their changes are our own echo.


class HubSpotAdapter:
    """Adapter for the portals of one deployment."""

    acknowledgement = Acknowledgement()
    max_body_bytes = 1024 * 1024

    def __init__(self, portals: Sequence[Portal]) -> None:
        self._portals: Mapping[str, Portal] = {portal.portal_id: portal for portal in portals}
        # A delivery names its portal only inside; any portal's secret may have signed it.
        self._doors = [
            (secret.encode(), f"POST{signed_uri(portal.webhook_url)}".encode(), portal.account)
            for portal in portals
            for secret in portal.secrets
        ]

    def verify(self, delivery: Delivery, *, now: datetime) -> str:
        """See `Adapter.verify`. Only signature version 3 counts (S1).

        Source: HubSpot docs, "Validating requests", version 3.
        """
        sent = delivery.header(wire.TIMESTAMP_HEADER)
        if not _TIMESTAMP.match(sent):
            raise VerificationError("timestamp_malformed" if sent else "timestamp_missing")
        if abs(now.timestamp() * 1000 - int(sent)) > wire.MAX_AGE_MS:
            raise VerificationError("timestamp_stale")
        given = delivery.header(wire.SIGNATURE_HEADER).encode("utf-8", "surrogateescape")
        if not given:
            raise VerificationError("signature_missing")
        # The URL as registered, not as received: a proxy rewrites scheme and host (S2).
        tail = delivery.body + sent.encode("ascii")
        account = ""
        for secret, head, name in self._doors:
            digest = hmac.new(secret, head + tail, hashlib.sha256).digest()
            # Every secret is tried whatever matched, so that time tells nothing.
            if hmac.compare_digest(base64.b64encode(digest), given):
                account = account or name
        if not account:
            raise VerificationError("signature_mismatch")
        return account

    def parse(self, body: bytes) -> Parsed:
        """See `Adapter.parse`. One unreadable event does not spoil the others (S17)."""
        items = Payload.from_json(body).items()
        if len(items) > MAX_EVENTS:
            raise PayloadError(f"body: more than {MAX_EVENTS} events")
        events: list[CrmEvent] = []
        unreadable: list[Unreadable] = []
        ignored = 0
        for item in items:
            try:
                found = self._events(item)
            except PayloadError as error:
                unreadable.append(Unreadable(item.place, str(error)))
                continue
            events += found
            ignored += not found
        return Parsed(events=events, unreadable=unreadable, ignored=ignored)

    def _events(self, item: Payload) -> list[CrmEvent]:
        kind = item.get("subscriptionType") or item["eventType"]
        subject, _, happening = kind.text().partition(".")
        cause = wire.CAUSES.get(happening)
        portal = self._portals.get(item["portalId"].record_id())
        if cause is None or portal is None or not _is_contact(subject, item):
            return []
        app = item.get("appId")
        if app is not None and app.record_id() != portal.app_id:
            return []  # another app's subscription: its secret is not this portal's
        if cause == "changed" and self._is_echo(item, portal):
            return []
        ids = [item["objectId"].record_id()]
        if cause == "merged":
            ids.append(item["primaryObjectId"].record_id())
            ids += [loser.record_id() for loser in item["mergedObjectIds"]]
            born = item.get("newObjectId")
            ids += [born.record_id()] if born else []
        return [
            CrmEvent(account=portal.account, record=RecordRef("contact", record_id), cause=cause)
            for record_id in dict.fromkeys(ids)
        ]

    @staticmethod
    def _is_echo(item: Payload, portal: Portal) -> bool:
        """Tell whether a change is one that we made (S36).

        Source: reference hubspot.md section 2.2, "Own writes come back": the pair of source and
        app id is not always there, the names of what we write are.
        """
        name = item.get("propertyName")
        if name is not None and name.text() in portal.written:
            return True
        source, source_id = item.get("changeSource"), item.get("sourceId")
        return (
            source is not None
            and source_id is not None
            and source.text() == "INTEGRATION"
            and source_id.text() == portal.app_id
        )


def _is_contact(subject: str, item: Payload) -> bool:
    if subject != "object":
        return subject == "contact"
    type_id = item.get("objectTypeId")
    return type_id is not None and type_id.text() == wire.CONTACT_TYPE_ID


def signed_uri(url: str) -> str:
    """Return `url` as HubSpot signs it: some percent codes decoded, the query's `?` kept.

    Source: HubSpot docs, "Validating requests", version 3.

    >>> signed_uri("https://example.com/a%3Ab%20c")
    'https://example.com/a:b%20c'
    """
    return re.sub(
        r"%[0-9A-Fa-f]{2}",
        lambda code: wire.DECODED_BEFORE_SIGNING.get(code.group().upper(), code.group()),
        url,
    )
