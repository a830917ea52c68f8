"""Activities as the account keeps them: whom they are with, and every way they change."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from integrations.simulator.hubspot.records import Record
from integrations.simulator.hubspot.values import iso

FIRST_ACTIVITY_ID = 701_000_000_001
#: Names and ids of object types. Source: reference hubspot.md section 2.5.
ACTIVITY_TYPES = {
    "0-48": "calls",
    "0-49": "emails",
    "0-47": "meetings",
    "0-46": "notes",
    "0-27": "tasks",
    "0-18": "communications",
}
TYPE_ID_OF = {name: type_id for type_id, name in ACTIVITY_TYPES.items()}
_ACTIVITY_NAMES = frozenset(
    {
        "hs_object_id",
        "hs_createdate",
        "hs_lastmodifieddate",
        "hs_timestamp",
        "hubspot_owner_id",
        "hs_call_direction",
        "hs_call_disposition",
        "hs_call_duration",
        "hs_call_status",
        "hs_email_direction",
        "hs_email_status",
        "hs_meeting_outcome",
        "hs_meeting_start_time",
        "hs_note_body",
        "hs_task_status",
        "hs_task_type",
        "hs_communication_channel_type",
    }
)

EmitActivity = Callable[[str, str, Record, Mapping[str, str], str], None]


class Activities:
    """Calls, e-mails, meetings, notes, tasks and communications, and whom they are with.

    Args:
        emit: Called as `emit(event, type id, record, changed values, source)` after each change.
    """

    def __init__(self, *, now: Callable[[], datetime], emit: EmitActivity) -> None:
        self._now = now
        self._emit = emit
        self.by_type: dict[str, dict[str, Record]] = {name: {} for name in ACTIVITY_TYPES.values()}
        self._of_contact: dict[tuple[str, str], list[str]] = {}
        self._contacts_of: dict[tuple[str, str], list[str]] = {}
        self._next_id = FIRST_ACTIVITY_ID

    def create(
        self, kind: str, values: Mapping[str, str], contact_ids: Iterable[str], *, source: str
    ) -> Record:
        """Add an activity of a type such as `calls` and link it to contacts."""
        self._check(values)
        at = iso(self._now())
        record = Record(str(self._next_id), at)
        self._next_id += 1
        record.values.update(
            {"hs_createdate": at, **values, "hs_object_id": record.id, "hs_lastmodifieddate": at}
        )
        self.by_type[kind][record.id] = record
        self.link(kind, record.id, contact_ids)
        self._emit("creation", TYPE_ID_OF[kind], record, values, source)
        return record

    def link(self, kind: str, record_id: str, contact_ids: Iterable[str]) -> None:
        """Associate an activity with contacts; that sends no event of the activity's."""
        for contact_id in contact_ids:
            self._of_contact.setdefault((contact_id, kind), []).append(record_id)
            self._contacts_of.setdefault((record_id, kind), []).append(contact_id)

    def update(self, kind: str, record_id: str, values: Mapping[str, str], *, source: str) -> None:
        """Write values of an activity. KeyError: no such activity."""
        self._check(values)
        record = self.by_type[kind][record_id]
        record.updated_at = iso(self._now())
        record.values.update({**values, "hs_lastmodifieddate": record.updated_at})
        self._emit("propertyChange", TYPE_ID_OF[kind], record, values, source)

    def delete(self, kind: str, record_id: str, *, source: str) -> None:
        """Delete an activity and its associations. KeyError: no such activity."""
        record = self.by_type[kind].pop(record_id)
        for contact_id in self._contacts_of.pop((record_id, kind), []):
            self._of_contact[(contact_id, kind)].remove(record_id)
        self._emit("deletion", TYPE_ID_OF[kind], record, {}, source)

    def move(self, loser_id: str, winner_id: str) -> None:
        """Give a merged contact's activities to the winner."""
        for kind in self.by_type:
            for record_id in self._of_contact.pop((loser_id, kind), []):
                self._contacts_of[(record_id, kind)].remove(loser_id)
                self.link(kind, record_id, [winner_id])

    def of_contact(self, contact_id: str, kind: str) -> list[str]:
        """Return ids of a contact's activities of one type, oldest first."""
        return self._of_contact.get((contact_id, kind), [])

    def contacts_of(self, record_id: str, kind: str) -> list[str]:
        """Return ids of the contacts an activity is with."""
        return self._contacts_of.get((record_id, kind), [])

    @staticmethod
    def defines(name: str) -> bool:
        """Tell whether activities have a property of that name."""
        return name in _ACTIVITY_NAMES

    @staticmethod
    def _check(values: Mapping[str, str]) -> None:
        unknown = set(values) - _ACTIVITY_NAMES
        if unknown:
            raise ValueError(f"unknown activity properties: {sorted(unknown)}")
