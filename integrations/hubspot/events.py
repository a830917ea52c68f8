"""One event of a HubSpot app's delivery -> the records it names, in every form HubSpot has.

Source: reference hubspot.md sections 2.2 to 2.5. Classic subscriptions say `contact.creation`,
generic ones `object.creation` with a type id; the name of the kind stands in `subscriptionType`
or, in the older guide's table, in `eventType`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from integrations.base import CrmEvent, RecordRef
from integrations.hubspot import wire
from integrations.payload import Payload

CONTACT = "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What the adapters know of one portal."""

    account: str  #: The account's name in practice.toml.
    portal_id: str
    app_id: str
    secrets: Sequence[str] = field(repr=False)  #: Client secrets now valid: one, or two (S5).
    webhook_url: str
    written: Collection[str]  #: Properties that we write: their changes are our own echo.
    workflow_secret: str = field(default="", repr=False)  #: Empty: no workflow may send.
    workflow_url: str = ""


def kind_of(item: Payload) -> tuple[str, str]:
    """Return the subject and the happening: `("contact", "creation")`. Raises: PayloadError."""
    kind = item.get("subscriptionType") or item["eventType"]
    subject, _, happening = kind.text().partition(".")
    return subject, happening


def read_event(item: Payload, portal: Portal) -> list[CrmEvent]:
    """Return what an event of `portal` says; nothing when it is none of those we act on.

    Raises:
        PayloadError: A part that we need is missing or malformed.
    """
    subject, happening = kind_of(item)
    app = item.get("appId")
    if app is not None and app.record_id() != portal.app_id:
        return []  # another app's subscription: its secret is not this portal's
    if happening == "associationChange":
        return _linked(subject, item, portal)
    cause = wire.CAUSES.get(happening)
    object_type = _object_type(subject, item)
    if cause is None or object_type is None:
        return []
    if object_type != CONTACT:
        return _of_activity(cause, object_type, item, portal)
    if cause == "merged":
        return _merged(item, portal)
    is_echo = cause == "changed" and _is_echo(item, portal)
    return [] if is_echo else [_event(portal, CONTACT, item["objectId"].record_id(), cause)]


def _object_type(subject: str, item: Payload) -> str | None:
    if subject != "object":
        return CONTACT if subject == CONTACT else None
    type_id = item.get("objectTypeId")
    return None if type_id is None else wire.OBJECT_TYPES.get(type_id.text())


def _of_activity(cause: str, object_type: str, item: Payload, portal: Portal) -> list[CrmEvent]:
    """Return the activity itself: it does not name its contacts, the worker asks who they are."""
    if cause in {"deleted", "erased"}:
        return []  # its associations went with it: nobody can say whose it was
    place = item.get("primaryObjectId") if cause == "merged" else None
    record_id = (place or item["objectId"]).record_id()
    return [_event(portal, object_type, record_id, cause)]


def _merged(item: Payload, portal: Portal) -> list[CrmEvent]:
    """Return winner and losers; a loser's event says into whom it went."""
    ids = [item["objectId"].record_id(), item["primaryObjectId"].record_id()]
    winner = ids[1]
    ids += [loser.record_id() for loser in item["mergedObjectIds"]]
    born = item.get("newObjectId")
    if born is not None and born.record_id() != "0":
        winner = born.record_id()  # the merge may make a new id, which all go into
        ids.append(winner)
    return [
        CrmEvent(
            account=portal.account,
            record=RecordRef(CONTACT, record_id),
            cause="merged",
            into=None if record_id == winner else RecordRef(CONTACT, winner),
        )
        for record_id in dict.fromkeys(ids)
    ]


def _linked(subject: str, item: Payload, portal: Portal) -> list[CrmEvent]:
    """Return the contacts at the two ends of an association that was made or removed."""
    is_contact = {"fromObjectId": False, "toObjectId": False}
    if subject == "object":
        for end in ("from", "to"):
            type_id = item.get(f"{end}ObjectTypeId")
            is_contact[f"{end}ObjectId"] = (
                type_id is not None and type_id.text() == wire.CONTACT_TYPE_ID
            )
    elif subject == CONTACT:
        named = item.get("associationType")
        kinds = "CONTACT" if named is None else named.text()  # one event a side: ours is «from»
        start, _, end = kinds.partition("_TO_")
        is_contact = {"fromObjectId": start == "CONTACT", "toObjectId": end == "CONTACT"}
    ids = [item[key].record_id() for key, named in is_contact.items() if named]
    return [_event(portal, CONTACT, record_id, "linked") for record_id in dict.fromkeys(ids)]


def _event(portal: Portal, object_type: str, record_id: str, cause: str) -> CrmEvent:
    return CrmEvent(account=portal.account, record=RecordRef(object_type, record_id), cause=cause)


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
