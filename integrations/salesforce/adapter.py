"""Outbound Messages: are they this org's, and which records do they name?

A message carries no signature. It is believed when its address holds the org's own secret, when it
comes from a known sender (address range, or client certificate as a trusted proxy reports it), and
when it names the configured organisation; all three (S6).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import unquote

from integrations.base import Acknowledgement, CrmEvent, Delivery, Parsed, RecordRef, Unreadable
from integrations.errors import PayloadError, VerificationError
from integrations.salesforce import wire
from integrations.salesforce.soap import read_message

#: Source: Salesforce SOAP API guide, "Understanding the Outbound Messaging WSDL".
ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    b"<soapenv:Body>"
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """What the adapter knows of one org."""

    account: str  #: The account's name in practice.toml.
    organization_id: str
    path_token: str = field(repr=False)  #: Empty: nothing may be sent to us.
    sender_ranges: Sequence[IPv4Network | IPv6Network] = ()
    client_certificate_sha256: str | None = None
    objects: Sequence[str] = ("Lead",)


class SalesforceAdapter:
    """Adapter for the orgs of one deployment."""

    acknowledgement = Acknowledgement(body=ACK, content_type="text/xml; charset=utf-8")
    max_body_bytes = 4 * 1024 * 1024

    def __init__(self, orgs: Sequence[Org]) -> None:
        self._doors = [org for org in orgs if org.path_token]
        self._by_id = {org.organization_id[:15]: org for org in orgs}

    def verify(self, delivery: Delivery, *, now: datetime) -> str:
        """See `Adapter.verify`. A refusal is cheap: Salesforce repeats it for 24 hours."""
        del now  # a message carries no time that could be checked
        org = self._org_of(delivery.path_token)
        if org is None:
            raise VerificationError("path_token_unknown", status=403)
        if not _is_known_sender(org, delivery):
            raise VerificationError("sender_unknown", status=403)
        try:
            message = read_message(delivery.body)
        except PayloadError:
            raise VerificationError("xml_refused", status=400) from None
        if not wire.RECORD_ID.match(message.organization_id) or not hmac.compare_digest(
            message.organization_id[:15].encode(), org.organization_id[:15].encode()
        ):
            raise VerificationError("organization_unknown", status=403)
        return org.account

    def _org_of(self, token: str) -> Org | None:
        given, found = token.encode("utf-8", "surrogateescape"), None
        for org in self._doors:
            # Every org is compared whatever matched, so that time tells nothing.
            if hmac.compare_digest(org.path_token.encode(), given):
                found = org
        return found

    def parse(self, body: bytes, *, account: str = "") -> Parsed:
        """See `Adapter.parse`. An object that is not scored is acknowledged and ignored."""
        del account  # `verify` compared the organization in the body with the path's own
        message = read_message(body)
        org = self._by_id.get(message.organization_id[:15])
        if org is None:
            raise PayloadError("xml: no account of this organization is configured")
        events: list[CrmEvent] = []
        unreadable: list[Unreadable] = []
        ignored = 0
        for place, notification in enumerate(message.notifications):
            if notification.object_type not in org.objects:
                ignored += 1
            elif not wire.RECORD_ID.match(notification.record_id):
                # Ids become parts of requests later: nothing else may pass here.
                unreadable.append(
                    Unreadable(f"notification[{place}]", "Id: must be 15 or 18 letters and digits")
                )
            else:
                record = RecordRef(notification.object_type, wire.full_id(notification.record_id))
                events.append(CrmEvent(account=org.account, record=record, cause="changed"))
        return Parsed(events=events, unreadable=unreadable, ignored=ignored)


def _is_known_sender(org: Org, delivery: Delivery) -> bool:
    if org.client_certificate_sha256 is not None:
        found = certificate_sha256(delivery.certificate)
        if hmac.compare_digest(found.encode(), org.client_certificate_sha256.encode()):
            return True
    try:
        peer = ip_address(delivery.peer)
    except ValueError:
        return False
    return any(peer in network for network in org.sender_ranges)


_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----\s*\Z"
)


def certificate_sha256(escaped: str) -> str:
    """Return the SHA-256 of the certificate in a percent-escaped PEM, or an empty string."""
    match = _PEM.match(unquote(escaped))
    if match is None:
        return ""
    try:
        return hashlib.sha256(base64.b64decode(match.group(1))).hexdigest()
    except binascii.Error:
        return ""
