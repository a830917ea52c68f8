"""What calls, e-mails, meetings, messages and notes of a portal mean: properties -> happenings.

Only kinds and times are read, never a subject or a text. Source: reference hubspot.md sections 2.4
and 2.5; HubSpot docs "Calls", "Email", "Meetings", "Communications": the properties' values.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from integrations.base import Happening
from integrations.hubspot.wire import OBJECT_TYPES
from integrations.mapping import instant

Properties = Mapping[str, Any]

#: Our names of the activities' types.
TYPES = frozenset(OBJECT_TYPES.values()) - {"contact"}
#: What is read of each type; tasks are the staff's own reminders, and are not read.
PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "call": ("hs_timestamp", "hs_call_direction", "hs_call_disposition"),
    "email": ("hs_timestamp", "hs_email_direction", "hs_email_status"),
    "meeting": ("hs_timestamp", "hs_createdate", "hs_meeting_start_time", "hs_meeting_outcome"),
    "communication": ("hs_timestamp", "hs_communication_channel_type"),
    "note": ("hs_timestamp",),
}
#: Our kinds of activity -> the types that they come from.
SOURCES: Mapping[str, str] = {
    "call": "call",
    "email_reply": "email",
    "meeting": "meeting",
    "sms": "communication",
    "chat": "communication",
    "note": "note",
}

#: The types that a first response may come from.
ANSWERS: Mapping[str, str] = {
    "call": "call",
    "email": "email",
    "meeting": "meeting",
    "message": "communication",
}

#: HubSpot's own disposition "Connected", the same in every portal.
_CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
_NOT_HELD = frozenset({"CANCELED", "NO_SHOW", "RESCHEDULED"})
_NOT_SENT = frozenset({"BOUNCED", "FAILED"})


def happening(activity_type: str, properties: Properties) -> Happening | None:
    """Return what an activity tells, or None when it tells nothing or has no time."""
    at = instant(properties.get("hs_timestamp"))
    return None if at is None else _READERS[activity_type](properties, at)


def _call(properties: Properties, at: datetime) -> Happening:
    """A call by the person counts; one by us only when somebody answered. Either way we called."""
    if properties.get("hs_call_direction") == "INBOUND":
        return Happening(medium="call", kind="call", at=at)
    is_answered = properties.get("hs_call_disposition") == _CONNECTED
    return Happening(medium="call", kind="call" if is_answered else None, at=at, answered_at=at)


def _email(properties: Properties, at: datetime) -> Happening | None:
    if properties.get("hs_email_direction") == "INCOMING_EMAIL":
        return Happening(medium="email", kind="email_reply", at=at)
    if properties.get("hs_email_direction") != "EMAIL":
        return None  # forwarded among ourselves
    if properties.get("hs_email_status") in _NOT_SENT:
        return None
    return Happening(medium="email", kind=None, at=at, answered_at=at)


def _meeting(properties: Properties, at: datetime) -> Happening | None:
    if properties.get("hs_meeting_outcome") in _NOT_HELD:
        return None
    start = instant(properties.get("hs_meeting_start_time")) or at
    # It answers when it is agreed on, and not when it takes place.
    made = instant(properties.get("hs_createdate")) or start
    return Happening(medium="meeting", kind="meeting", at=start, answered_at=min(made, start))


def _message(properties: Properties, at: datetime) -> Happening:
    # HubSpot does not say who wrote it; what is logged here was mostly written by the staff.
    is_sms = properties.get("hs_communication_channel_type") == "SMS"
    return Happening(medium="message", kind="sms" if is_sms else "chat", at=at, answered_at=at)


def _note(_: Properties, at: datetime) -> Happening:
    return Happening(medium="note", kind="note", at=at)


_READERS: Mapping[str, Callable[[Properties, datetime], Happening | None]] = {
    "call": _call,
    "email": _email,
    "meeting": _meeting,
    "communication": _message,
    "note": _note,
}
