"""Outbound Messages: the SOAP envelope, the acknowledgement, the schedule of retries.

Source: reference salesforce.md sections 1.1 to 1.3; `samples/outbound_*.xml`. Field values are
read when a message is sent, so a retry carries the newest. A deleted record's notification
holds its Id only and a null field is left out (both unverified).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import requests

from integrations.simulator.salesforce.fields import parsed
from integrations.simulator.salesforce.records import Records
from integrations.simulator.salesforce.settings import SalesforceSettings

BATCH_SIZE = 100
FIRST_GAP_S = 30.0
LONGEST_GAP_S = 7200.0
LIFE_S = 86_400.0

_OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    f' <soapenv:Body>\n  <notifications xmlns="{_OUTBOUND}">\n'
)
_TAIL = "  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n"


@dataclass(frozen=True, slots=True)
class Notification:
    """One change of one record, still to be told."""

    id: str
    record_id: str  #: 15 characters.


def envelope(
    settings: SalesforceSettings,
    records: Records,
    entity: str,
    notifications: Sequence[Notification],
) -> bytes:
    """Return the message about records of one object."""
    short = settings.organization_id[:15]
    session = settings.message_session_id
    soap = f"{settings.my_domain}/services/Soap"
    parts = [
        _HEAD,
        f"   <OrganizationId>{settings.organization_id}</OrganizationId>\n",
        f"   <ActionId>{dict(settings.action_ids)[entity]}</ActionId>\n",
        f"   <SessionId>{escape(session)}</SessionId>\n"
        if session
        else '   <SessionId xsi:nil="true"/>\n',
        f"   <EnterpriseUrl>{soap}/c/{settings.api_version}/{short}</EnterpriseUrl>\n",
        f"   <PartnerUrl>{soap}/u/{settings.api_version}/{short}</PartnerUrl>\n",
    ]
    for notification in notifications:
        record = records.tables[entity][notification.record_id]
        parts.append(
            f"   <Notification>\n    <Id>{notification.id}</Id>\n"
            f'    <sObject xsi:type="sf:{entity}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">\n'
            f"     <sf:Id>{record['Id']}</sf:Id>\n"
        )
        if not record["IsDeleted"]:
            for name in sorted(settings.message_fields):
                value = record.get(name)
                if value is not None:
                    text = escape(_soap_text(value))
                    parts.append(f"     <sf:{name}>{text}</sf:{name}>\n")
        parts.append("    </sObject>\n   </Notification>\n")
    parts.append(_TAIL)
    return "".join(parts).encode()


def _soap_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    # REST writes +0000 where SOAP writes Z.
    return f"{text[:-5]}Z" if text.endswith("+0000") and parsed(text) else text


def is_acknowledged(answer: bytes) -> bool:
    """Tell whether an answer's body says `<Ack>true</Ack>` in the outbound namespace."""
    try:
        root = ET.fromstring(answer)  # noqa: S314 - the answer of our own test receiver
    except ET.ParseError:
        return False
    found = root.find(f".//{{{_OUTBOUND}}}notificationsResponse/{{{_OUTBOUND}}}Ack")
    return found is not None and (found.text or "").strip() == "true"


def retry_gap_s(attempt: int, *, speedup: float) -> float | None:
    """Return the seconds after failed attempt `attempt` (0 first), None once 24 h are over.

    >>> [retry_gap_s(attempt, speedup=1.0) for attempt in (0, 1, 2, 9, 50)]
    [30.0, 60.0, 120.0, 7200.0, None]
    """
    gaps = [min(FIRST_GAP_S * 2**number, LONGEST_GAP_S) for number in range(attempt + 1)]
    return None if sum(gaps) > LIFE_S else gaps[-1] / speedup


class Poster:
    """Sends notifications about one object as one message.

    Args:
        compose: Returns the envelope of notifications about an object.
        target: Returns the registered URL and the one to connect to, if that differs.
    """

    def __init__(
        self,
        settings: SalesforceSettings,
        entity: str,
        *,
        compose: Callable[[str, Sequence[Notification]], bytes],
        target: Callable[[], tuple[str | None, str | None]],
    ) -> None:
        self._settings = settings
        self._entity = entity
        self._compose = compose
        self._target = target

    def post(
        self, session: requests.Session, notifications: Sequence[Notification], _: int
    ) -> bool:
        """Send; only a 200 whose body acknowledges counts."""
        url, connect_url = self._target()
        if url is None:
            return False
        answer = session.post(
            connect_url or url,
            data=self._compose(self._entity, notifications),
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'},
            timeout=self._settings.timeout_s,
            allow_redirects=False,
        )
        return answer.status_code == 200 and is_acknowledged(answer.content)
