"""Which activities belong to which contacts.

Source: reference hubspot.md sections 2.5 and 4; `samples/api.associations.batch-read.200.json`.
"""

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.batches import Answer, Body, id_of, inputs_of
from integrations.simulator.hubspot.records import ACTIVITY_TYPES, Activities, Contacts

#: Association type id of contact to activity.
TYPE_IDS = {
    "calls": 193,
    "emails": 197,
    "meetings": 199,
    "notes": 201,
    "tasks": 203,
    "communications": 82,
}
#: Activities of one contact in one answer; the rest follow by `paging.next.after`.
PAGE = 500
INPUT_LIMIT = 100


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


def read_associations(
    contacts: Contacts, activities: Activities, body: Body, kind: str, *, dated: bool, at: str
) -> Answer:
    """Answer `associations/contacts/{kind}/batch/read`; contacts without any are left out."""
    found: list[dict[str, object]] = []
    missing: list[str] = []
    for entry in inputs_of(body, limit=INPUT_LIMIT):
        contact_id = id_of(entry)
        if contact_id not in contacts.live:
            missing.append(contact_id)
            continue
        start = entry.get("after", "0")
        if not isinstance(start, str) or not start.isdecimal():
            raise errors.invalid_json("Cannot deserialize value of field `after`")
        linked = activities.of_contact(contact_id, kind)
        page = linked[int(start) : int(start) + PAGE]
        if not page:
            continue
        types = [{"category": "HUBSPOT_DEFINED", "typeId": TYPE_IDS[kind], "label": None}]
        result: dict[str, object] = {
            "from": {"id": contact_id},
            "to": [{"toObjectId": int(each), "associationTypes": types} for each in page],
        }
        if int(start) + PAGE < len(linked):
            result["paging"] = {"next": {"after": str(int(start) + PAGE)}}
        found.append(result)
    answer: dict[str, object] = {"status": "COMPLETE", "results": found}
    if missing:
        answer["numErrors"] = len(missing)
        answer["errors"] = [errors.absent_records(missing)]
    answer["startedAt"] = answer["completedAt"] = at
    return (207 if missing and not dated else 200), answer
