"""Deliveries of a workflow's action "Send a webhook": another product, signed in another way.

They come to a route of their own, with a secret of their own: their signature (version 2) has no
time in it, and must never open the route of the app's webhooks (S1). A repeated delivery is one
more look at the contact; a workflow can say nothing else, not even that one was deleted.
Source: reference hubspot.md sections 2.6 and 3.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from integrations.base import Acknowledgement, CrmEvent, Delivery, Parsed, RecordRef
from integrations.errors import VerificationError
from integrations.hubspot import wire
from integrations.hubspot.events import CONTACT, Portal
from integrations.payload import Payload

#: Where the contact's id stands: in HubSpot's own body, or in one that the customer designed.
_IDS = ("vid", "hs_object_id", "objectId")


class WorkflowAdapter:
    """Adapter for the workflows of the portals that have a secret for them."""

    acknowledgement = Acknowledgement()
    max_body_bytes = 1024 * 1024

    def __init__(self, portals: Sequence[Portal]) -> None:
        self._portals = {portal.account: portal for portal in portals}
        self._doors = [
            (f"{portal.workflow_secret}POST{portal.workflow_url}".encode(), portal.account)
            for portal in portals
        ]

    def verify(self, delivery: Delivery, *, now: datetime) -> str:
        """See `Adapter.verify`. Only signature version 2 counts here.

        Source: HubSpot docs, "Validating requests", version 2: the lower-case hexadecimal SHA-256
        of secret, method, address and body.
        """
        del now  # version 2 signs no time
        given = delivery.header(wire.OLDER_SIGNATURE_HEADER).encode("utf-8", "surrogateescape")
        if not given:
            raise VerificationError("signature_missing")
        if delivery.header(wire.OLDER_VERSION_HEADER) != "v2":
            raise VerificationError("signature_version")
        account = ""
        for head, name in self._doors:
            digest = hashlib.sha256(head + delivery.body).hexdigest().encode()
            # Every secret is tried whatever matched, so that time tells nothing.
            if hmac.compare_digest(digest, given):
                account = account or name
        if not account:
            raise VerificationError("signature_mismatch")
        return account

    def parse(self, body: bytes, *, account: str = "") -> Parsed:
        """See `Adapter.parse`. What is not a contact of `account`'s portal is ignored."""
        item = Payload.from_json(body)
        portal = self._portals.get(account)
        named = item.get("portal-id") or item.get("portalId")
        type_id = item.get("objectTypeId")
        if (
            portal is None
            or (named is not None and named.record_id() != portal.portal_id)
            or (type_id is not None and type_id.text() != wire.CONTACT_TYPE_ID)
        ):
            return Parsed(events=[], ignored=1)
        found = next((value for key in _IDS if (value := item.get(key)) is not None), None)
        record_id = (found or item[_IDS[-1]]).record_id()
        event = CrmEvent(account=account, record=RecordRef(CONTACT, record_id), cause="workflow")
        return Parsed(events=[event])
