"""Deliveries of a HubSpot app: are they HubSpot's, and which records do they name?"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from integrations.base import Acknowledgement, CrmEvent, Delivery, Parsed, Unreadable
from integrations.errors import PayloadError, VerificationError
from integrations.hubspot import wire
from integrations.hubspot.events import Portal, kind_of, read_event
from integrations.payload import Payload

#: Source: SECURITY-REQUIREMENTS S13.
MAX_EVENTS = 500

_TIMESTAMP = re.compile(r"[0-9]{13}\Z")


class HubSpotAdapter:
    """Adapter for the portals of one deployment."""

    acknowledgement = Acknowledgement()
    max_body_bytes = 1024 * 1024

    def __init__(self, portals: Sequence[Portal]) -> None:
        self._portals = {portal.portal_id: portal for portal in portals}
        self._secrets = {portal.account: frozenset(portal.secrets) for portal in portals}
        # A delivery names its portal only inside; any portal's secret may have signed it.
        self._doors = [
            (secret.encode(), f"POST{signed_uri(portal.webhook_url)}".encode(), portal.account)
            for portal in portals
            if portal.webhook_url  # else its events are fetched, and nobody may send them
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

    def parse(self, body: bytes, *, account: str = "") -> Parsed:
        """See `Adapter.parse`. One unreadable event does not spoil the others (S17).

        An app that several portals installed sends the events of all of them; they share its
        secret. One secret never speaks for a portal that has another.
        """
        items = Payload.from_json(body).items()
        if len(items) > MAX_EVENTS:
            raise PayloadError(f"body: more than {MAX_EVENTS} events")
        events: list[CrmEvent] = []
        unreadable: list[Unreadable] = []
        ignored = 0
        for item in items:
            try:
                kind_of(item)
                portal = self._portals.get(item["portalId"].record_id())
                if portal is None or not self._speaks_for(account, portal):
                    found = []
                else:
                    found = read_event(item, portal)
            except PayloadError as error:
                unreadable.append(Unreadable(item.place, str(error)))
                continue
            events += found
            ignored += not found
        return Parsed(events=events, unreadable=unreadable, ignored=ignored)

    def _speaks_for(self, account: str, portal: Portal) -> bool:
        proven = self._secrets.get(account)
        return proven is None or not proven.isdisjoint(portal.secrets)


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
