"""A strict, streaming reader of Outbound Messages: no tree, no DOCTYPE, no entity, no other charset.

The parser is expat with handlers of our own: ElementTree and defusedxml accept 200,000 levels
(reference salesforce.md section 1.6). Only the organisation id and the record ids are kept: URLs,
the session id and field values are dropped as they are read (S7, S8).
"""

from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from integrations.errors import PayloadError
from integrations.salesforce import wire

#: Source: SECURITY-REQUIREMENTS S14.
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 20_000
#: Source: reference salesforce.md section 1.1.
MAX_NOTIFICATIONS: Final = 100
#: Nothing we keep is longer.
_MAX_TEXT: Final = 256

_NAMES = {
    f"{wire.OUTBOUND} OrganizationId": "organization",
    f"{wire.OUTBOUND} ActionId": "action",
}
_NOTIFICATION = f"{wire.OUTBOUND} Notification"
_NOTIFICATIONS = f"{wire.OUTBOUND} notifications"
_SOBJECT = f"{wire.OUTBOUND} sObject"
_ENVELOPE = f"{wire.SOAP} Envelope"
_HEADER = f"{wire.SOAP} Header"
_BODY = f"{wire.SOAP} Body"
_TYPE = f"{wire.XSI} type"


@dataclass(frozen=True, slots=True)
class Notification:
    """One record that changed. `object_type` is as sent, `record_id` unchecked."""

    object_type: str
    record_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """What a message says, as far as it is used."""

    organization_id: str
    notifications: tuple[Notification, ...]


class _Reader:
    """Handlers for one document. Keeps the path by namespace and name, never by prefix."""

    def __init__(self) -> None:
        self.elements = 0
        self.path: list[str] = []
        self.organization = ""
        self.notifications: list[Notification] = []
        self._text: list[str] | None = None
        self._type = ""
        self._id = ""

    def xml_declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
            raise PayloadError("xml: the encoding must be UTF-8")

    def doctype(self, *_: object) -> None:
        raise PayloadError("xml: a DOCTYPE is not accepted")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise PayloadError(f"xml: more than {MAX_ELEMENTS} elements")
        if len(self.path) >= MAX_DEPTH:
            raise PayloadError(f"xml: more than {MAX_DEPTH} levels")
        depth = len(self.path)
        self.path.append(name)
        if self.path[1:2] == [_HEADER]:
            return  # SOAP allows a header before the body; it says nothing to us
        if depth < 3 and name != (_ENVELOPE, _BODY, _NOTIFICATIONS)[depth]:
            raise PayloadError("xml: not an Outbound Message")
        if name == _NOTIFICATION and depth == 3:
            if len(self.notifications) >= MAX_NOTIFICATIONS:
                raise PayloadError(f"xml: more than {MAX_NOTIFICATIONS} notifications")
            self._type = self._id = ""
        elif name == _SOBJECT and depth == 4:
            self._type = attributes.get(_TYPE, "").rpartition(":")[2]
        if (name in _NAMES and depth == 3) or self._is_record_id():
            self._text = []

    def data(self, text: str) -> None:
        if self._text is not None and sum(map(len, self._text)) < _MAX_TEXT:
            self._text.append(text[:_MAX_TEXT])

    def end(self, name: str) -> None:
        if self._text is not None:
            text = "".join(self._text).strip()
            if _NAMES.get(name) == "organization":
                if self.organization and text != self.organization:
                    raise PayloadError("xml: two organizations in one message")
                self.organization = text
            elif self._is_record_id():
                self._id = text
            self._text = None
        self.path.pop()
        if name == _NOTIFICATION and len(self.path) == 3 and self.path[1] == _BODY:
            self.notifications.append(Notification(self._type, self._id))

    def _is_record_id(self) -> bool:
        """Tell whether the path ends in a notification's `sObject/Id`, of any namespace."""
        path = self.path
        return (
            len(path) == 6
            and path[4] == _SOBJECT
            and path[3] == _NOTIFICATION
            and path[5].rpartition(" ")[2] == "Id"
        )


def read_message(body: bytes) -> OutboundMessage:
    """Return what an Outbound Message says.

    Raises:
        PayloadError: not UTF-8, a DOCTYPE, too deep, too many elements, not well-formed, or not an
            Outbound Message. Nothing outside `body` is ever opened.

    Source: Salesforce SOAP API guide, "Understanding the Outbound Messaging WSDL".
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"xml: not UTF-8 at byte {error.start}") from None
    reader = _Reader()
    # The encoding given here beats the document's own and a byte order mark's.
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.XmlDeclHandler = reader.xml_declaration
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(body, True)  # noqa: FBT003  expat takes no keyword here
    except expat.ExpatError as error:
        raise PayloadError(f"xml: not well-formed at line {error.lineno}") from None
    if not reader.organization or not reader.notifications:
        raise PayloadError("xml: not an Outbound Message")
    return OutboundMessage(
        organization_id=reader.organization, notifications=tuple(reader.notifications)
    )
