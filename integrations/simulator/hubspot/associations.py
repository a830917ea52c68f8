"""Which activities belong to which contacts.

Source: reference hubspot.md sections 2.5 and 4; `samples/api.associations.batch-read.200.json`.
"""

from collections.abc import Callable, Mapping

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.activities import ACTIVITY_TYPES, Activities
from integrations.simulator.hubspot.batches import Answer, Body, id_of, inputs_of

#: Association type id of contact to activity.
TYPE_IDS = {
    "calls": 193,
    "emails": 197,
    "meetings": 199,
    "notes": 201,
    "tasks": 203,
    "communications": 82,
}
#: Association type id of activity to contact.
TYPE_IDS_BACK = {
    "calls": 194,
    "emails": 198,
    "meetings": 200,
    "notes": 202,
    "tasks": 204,
    "communications": 81,
}
#: Activities of one contact in one answer; the rest follow by `paging.next.after`.
PAGE = 500
INPUT_LIMIT = 100

#: Record id -> ids it is associated with; None: no such record.
Linked = Callable[[str], list[str] | None]


def activity_type(name: str) -> str | None:
    """Return the plural name of an activity type given by name, singular or type id."""
    name = name.lower()
    if name in ACTIVITY_TYPES:
        return ACTIVITY_TYPES[name]
    plural = name if name.endswith("s") else f"{name}s"
    return plural if plural in TYPE_IDS else None


def is_contact(name: str) -> bool:
    """Tell whether an object type names contacts."""
    return name.lower() in ("0-1", "contact", "contacts")


def contacts_side(
    contacts: Mapping[str, object], activities: Activities, kind: str
) -> tuple[Linked, int]:
    """Return what finds a contact's activities of a type, and the association's type id."""

    def linked(record_id: str) -> list[str] | None:
        return activities.of_contact(record_id, kind) if record_id in contacts else None

    return linked, TYPE_IDS[kind]


def activities_side(
    contacts: Mapping[str, object], activities: Activities, kind: str
) -> tuple[Linked, int]:
    """Return what finds an activity's contacts, and the association's type id."""

    def linked(record_id: str) -> list[str] | None:
        if record_id not in activities.by_type[kind]:
            return None
        return [each for each in activities.contacts_of(record_id, kind) if each in contacts]

    return linked, TYPE_IDS_BACK[kind]


def read_associations(
    body: Body, linked: Linked, type_id: int, *, dated: bool, at: str, kind: str
) -> Answer:
    """Answer `associations/{from}/{to}/batch/read`; records without any are left out.

    `toObjectId` is a number in version 4 and text in date versions. Source: the samples; openapi
    `associations.2026-09`.
    """
    found: list[dict[str, object]] = []
    missing: list[str] = []
    for entry in inputs_of(body, limit=INPUT_LIMIT):
        record_id = id_of(entry)
        ids = linked(record_id)
        if ids is None:
            missing.append(record_id)
            continue
        start = entry.get("after", "0")
        if not isinstance(start, str) or not start.isdecimal():
            raise errors.invalid_json("Cannot deserialize value of field `after`")
        page = ids[int(start) : int(start) + PAGE]
        if not page:
            continue
        label = {} if dated else {"label": None}
        types = [{"category": "HUBSPOT_DEFINED", "typeId": type_id, **label}]
        result: dict[str, object] = {
            "from": {"id": record_id},
            "to": [
                {"toObjectId": each if dated else int(each), "associationTypes": types}
                for each in page
            ],
        }
        if int(start) + PAGE < len(ids):
            result["paging"] = {"next": {"after": str(int(start) + PAGE)}}
        found.append(result)
    answer: dict[str, object] = {"status": "COMPLETE", "results": found}
    if missing:
        answer["numErrors"] = len(missing)
        answer["errors"] = [errors.absent_records(missing, kind)]
    answer["startedAt"] = answer["completedAt"] = at
    return (207 if missing and not dated else 200), answer
