"""Signed callouts: small JSON messages that Apex in the org signs, and those that we fetched.

For orgs that want proof of origin, which an Outbound Message cannot give. A message is believed
when its address holds the org's own secret, when it is fresh, and when it is signed with the
secret that the org and we share; no address range is needed then. Its ids are all that is read:
other fields, a session id or an address among them, are dropped (S7, S8).
Source: reference salesforce.md section 2.1. Headers and body are our own: `package/` sends them.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations.base import Acknowledgement, CrmEvent, Delivery, Parsed, RecordRef, Unreadable
from integrations.errors import PayloadError, VerificationError
from integrations.payload import Payload
from integrations.salesforce import wire
from integrations.salesforce.names import PREFIXES

#: The kind of these deliveries.
EVENT = "salesforce_event"

TIMESTAMP_HEADER = "X-Leadscore-Timestamp"  #: Epoch milliseconds, as decimal text.
SIGNATURE_HEADER = "X-Leadscore-Signature"  #: Lower-case hexadecimal HMAC-SHA256.
#: Past and future. Source: section 2.1.
MAX_AGE_MS = 300_000
#: A transaction of Apex handles so many records at once.
MAX_EVENTS = 200

_TIMESTAMP = re.compile(r"[0-9]{13}\Z")
#: The message's word -> ours.
_CAUSES = {
    "created": "created",
    "changed": "changed",
    "deleted": "deleted",
    "undeleted": "restored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrg:
    """What the adapter knows of one org."""

    account: str  #: The account's name in practice.toml.
    organization_id: str
    path_token: str = field(default="", repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)  #: None: its events are fetched only.
    objects: Sequence[str] = ("Lead",)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what signs `timestamp + "." + body`, as lower-case hexadecimal text.

    Source: section 2.1.

    >>> signature("invented", "1790000000000", b"{}")[:8]
    '34685754'
    """
    return hmac.new(
        secret.encode(), timestamp.encode("ascii") + b"." + body, hashlib.sha256
    ).hexdigest()


class EventAdapter:
    """Adapter for the orgs that sign what they send, and for those whose events we fetch."""

    acknowledgement = Acknowledgement()
    max_body_bytes = 1024 * 1024

    def __init__(self, orgs: Sequence[EventOrg]) -> None:
        self._orgs = {org.account: org for org in orgs}
        self._doors = [org for org in orgs if org.path_token and org.secrets]

    def verify(self, delivery: Delivery, *, now: datetime) -> str:
        """See `Adapter.verify`. What is signed and cannot be read is taken: it is quarantined."""
        org = self._org_of(delivery.path_token)
        if org is None:
            raise VerificationError("path_token_unknown", status=403)
        sent = delivery.header(TIMESTAMP_HEADER)
        if not _TIMESTAMP.match(sent):
            raise VerificationError("timestamp_malformed" if sent else "timestamp_missing")
        if abs(now.timestamp() * 1000 - int(sent)) > MAX_AGE_MS:
            raise VerificationError("timestamp_stale")
        given = delivery.header(SIGNATURE_HEADER).encode("utf-8", "surrogateescape")
        if not given:
            raise VerificationError("signature_missing")
        # Every secret is tried whatever matched, so that time tells nothing.
        matches = [
            hmac.compare_digest(signature(secret, sent, delivery.body).encode(), given)
            for secret in org.secrets
        ]
        if not any(matches):
            raise VerificationError("signature_mismatch")
        # A sandbox is a copy of its org: it has the secrets, and an id of its own.
        if _is_of_another(org, delivery.body):
            raise VerificationError("organization_unknown", status=403)
        return org.account

    def _org_of(self, token: str) -> EventOrg | None:
        given, found = token.encode("utf-8", "surrogateescape"), None
        for org in self._doors:
            # Every org is compared whatever matched, so that time tells nothing.
            if hmac.compare_digest(org.path_token.encode(), given):
                found = org
        return found

    def parse(self, body: bytes, *, account: str = "") -> Parsed:
        """See `Adapter.parse`. An object that is not scored is acknowledged and ignored."""
        org = self._orgs.get(account)
        if org is None:
            raise PayloadError("body: its account takes no events of this kind")
        document = Payload.from_json(body)
        if not _is_same(document["organizationId"].text(), org.organization_id):
            raise PayloadError("body.organizationId: not the account's")
        items = document["events"].items()
        if len(items) > MAX_EVENTS:
            raise PayloadError(f"body.events: more than {MAX_EVENTS}")
        events: list[CrmEvent] = []
        unreadable: list[Unreadable] = []
        ignored = 0
        for item in items:
            try:
                event = _event(item, org)
            except PayloadError as error:
                place, _, reason = str(error).partition(": ")
                unreadable.append(Unreadable(place.removeprefix("body."), reason))
                continue
            if event is None:
                ignored += 1
            else:
                events.append(event)
        return Parsed(events=events, unreadable=unreadable, ignored=ignored)


def _event(item: Payload, org: EventOrg) -> CrmEvent | None:
    object_type = item["object"].text()
    if object_type not in org.objects:
        return None
    record_id = item["id"].text()
    if not wire.RECORD_ID.match(record_id):
        # Ids become parts of requests later: nothing else may pass here.
        raise PayloadError(f"{item.place}.id: must be 15 or 18 letters and digits")
    if PREFIXES.get(record_id[:3], object_type) != object_type:
        raise PayloadError(f"{item.place}.id: is of another object")
    named = item.get("cause")
    # A Flow of the customer's own may leave it out: the record is read, whatever happened.
    cause = "changed" if named is None else _CAUSES.get(named.text())
    if cause is None:
        raise PayloadError(f"{item.place}.cause: must be one of {', '.join(_CAUSES)}")
    record = RecordRef(object_type, wire.full_id(record_id))
    return CrmEvent(account=org.account, record=record, cause=cause)


def _is_of_another(org: EventOrg, body: bytes) -> bool:
    try:
        named = Payload.from_json(body)["organizationId"].text()
    except PayloadError:
        return False
    return not _is_same(named, org.organization_id)


def _is_same(named: str, organization_id: str) -> bool:
    """Tell whether two ids name one org: by 15 characters, in their case."""
    is_id = wire.RECORD_ID.match(named) is not None
    return is_id and named[:15] == organization_id[:15]
