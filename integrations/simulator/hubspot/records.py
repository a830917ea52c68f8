"""Contacts as the account keeps them, and every way they change."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.properties import Catalog
from integrations.simulator.hubspot.values import iso

FIRST_CONTACT_ID = 501_000_000_001
#: Versions kept of one property; the oldest go first.
HISTORY = 20
#: Old to new values of one write, and where it came from; for events.
Emit = Callable[[str, "Record", Mapping[str, str], str], None]


class Record:
    """One contact or activity. `values` holds only what is set."""

    __slots__ = ("archived", "created_at", "history", "id", "updated_at", "values")

    def __init__(self, record_id: str, created_at: str) -> None:
        self.id = record_id
        self.values: dict[str, str] = {}
        self.history: dict[str, deque[tuple[str, str, str]]] = {}
        self.created_at = created_at
        self.updated_at = created_at
        self.archived = False


class Contacts:
    """The account's contacts. Not locked: the caller is.

    Args:
        emit: Called as `emit(event, record, changed values, source)` after each change; event
            is creation, propertyChange, deletion, privacyDeletion, merge or restore.
    """

    def __init__(self, catalog: Catalog, *, now: Callable[[], datetime], emit: Emit) -> None:
        self.catalog = catalog
        self.now = now
        self._emit = emit
        self.live: dict[str, Record] = {}
        self.archived: dict[str, Record] = {}
        self._by_email: dict[str, str] = {}
        self._next_id = FIRST_CONTACT_ID

    def find(self, record_id: str, id_property: str | None = None) -> Record | None:
        """Return a live contact by record id or, with `id_property` email, by address."""
        if id_property == "email":
            return self.live.get(self._by_email.get(record_id.lower(), ""))
        return self.live.get(record_id)

    def create(
        self, values: Mapping[str, str], *, source: str, at: datetime | None = None
    ) -> Record:
        """Add a contact with already checked values.

        Raises:
            ApiError: 409 when the e-mail address is taken.
        """
        self.check_email(values.get("email"), owner=None)
        stamp = iso(self.now())
        record = Record(str(self._next_id), iso(at) if at else stamp)
        record.updated_at = stamp
        self._next_id += 1
        record.values.update(
            {
                "createdate": record.created_at,
                "hs_object_id": record.id,
                "lastmodifieddate": stamp,
                "lifecyclestage": "lead",
            }
        )
        self.live[record.id] = record
        given = {name: value for name, value in values.items() if value != ""}
        self._set(record, given, source, stamp)
        self._emit("creation", record, given, source)
        return record

    def update(self, record: Record, values: Mapping[str, str], *, source: str) -> None:
        """Write already checked values; only those that differ count as a change."""
        before = record.values.get
        changed = {name: value for name, value in values.items() if before(name, "") != value}
        stamp = iso(self.now())
        record.updated_at = record.values["lastmodifieddate"] = stamp
        if changed:
            self._set(record, changed, source, stamp)
            self._emit("propertyChange", record, changed, source)

    def archive(self, record: Record, *, source: str, event: str = "deletion") -> None:
        """Delete a contact; it can be restored unless the deletion was for privacy."""
        del self.live[record.id]
        self._by_email.pop(record.values.get("email", ""), None)
        record.archived = True
        record.updated_at = iso(self.now())
        if event == "privacyDeletion":
            # A privacy deletion sends the ordinary deletion, too. Source: WH25 (section 2.3).
            self._emit("deletion", record, {}, source)
        else:
            self.archived[record.id] = record
        self._emit(event, record, {}, source)

    def restore(self, record_id: str, *, source: str) -> None:
        """Bring an archived contact back. KeyError: never archived, or erased."""
        record = self.archived.pop(record_id)
        record.archived = False
        record.updated_at = record.values["lastmodifieddate"] = iso(self.now())
        self.live[record_id] = record
        if email := record.values.get("email"):
            self._by_email[email] = record_id
        self._emit("restore", record, {}, source)

    def merge(self, winner: Record, loser: Record, *, source: str) -> None:
        """Fold `loser` into `winner`, which keeps its id and takes what it lacks."""
        moved = {name: value for name, value in loser.values.items() if name not in winner.values}
        del self.live[loser.id]
        self._by_email.pop(loser.values.get("email", ""), None)
        loser.archived = True
        winner.updated_at = winner.values["lastmodifieddate"] = iso(self.now())
        self._set(winner, moved, source, winner.updated_at)
        self._emit("merge", winner, {"mergedObjectId": loser.id, "moved": str(len(moved))}, source)

    def check_email(self, email: str | None, *, owner: str | None) -> None:
        """Raise the 409 when the address belongs to another contact than `owner`."""
        taken_by = self._by_email.get(email) if email else None
        if taken_by is not None and taken_by != owner:
            raise errors.contact_exists(taken_by)

    def _set(self, record: Record, values: Mapping[str, str], source: str, at: str) -> None:
        kept, history = record.values, record.history
        if "email" in values:
            self._by_email.pop(kept.get("email", ""), None)
            if values["email"]:
                self._by_email[values["email"]] = record.id
        for name, value in values.items():
            if value == "":
                kept.pop(name, None)
            else:
                kept[name] = value
            versions = history.get(name)
            if versions is None:
                versions = history[name] = deque(maxlen=HISTORY)
            versions.appendleft((value, at, source))
