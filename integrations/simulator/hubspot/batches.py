"""Batch calls on contacts and batch reads of activities.

Source: reference hubspot.md section 4; openapi `contacts.v3` and `contacts.2026-09`;
`samples/api.contacts.batch-*.json`. Version 3 answers 207 when some ids are missing, dated
versions 200 with the same `errors`. A batch with one invalid value fails as a whole. On reads,
ids given twice are answered once (unverified); on writes they are refused.
"""

from collections.abc import Callable, Mapping, Sequence

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.records import Contacts, Record

LIMIT = 100
HISTORY_LIMIT = 50

Answer = tuple[int, dict[str, object]]
Body = Mapping[str, object]

_ALWAYS = ("createdate", "hs_object_id", "lastmodifieddate")
_ACTIVITY_ALWAYS = ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")
_WITHOUT_CHOICE = ("email", "firstname", "lastname")


def inputs_of(
    body: Body, *, limit: int = LIMIT, with_history: bool = False
) -> list[dict[str, object]]:
    """Return the checked list `inputs` of a batch body."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(entry, dict) for entry in inputs):
        raise errors.invalid_json("Some required fields were not set: [inputs]")
    if len(inputs) > limit:
        raise errors.too_many_inputs(limit, with_history=with_history)
    return inputs


def id_of(entry: Mapping[str, object]) -> str:
    """Return the id of one input."""
    record_id = entry.get("id")
    if not isinstance(record_id, str) or not record_id:
        raise errors.invalid_json("Some required fields were not set: [id]")
    return record_id


def values_of(entry: Mapping[str, object]) -> dict[str, str]:
    """Return the `properties` of one input as strings; numbers and booleans become text."""
    properties = entry.get("properties")
    if not isinstance(properties, dict):
        raise errors.invalid_json("Some required fields were not set: [properties]")
    if all(type(value) is str for value in properties.values()):
        return properties
    values: dict[str, str] = {}
    for name, value in properties.items():
        if isinstance(value, str):
            values[name] = value
        elif isinstance(value, bool):
            values[name] = "true" if value else "false"
        elif isinstance(value, int | float):
            values[name] = str(value)
        else:
            raise errors.invalid_json("Cannot deserialize value of type `java.lang.String`")
    return values


def shown(record: Record, names: Sequence[str]) -> dict[str, object]:
    """Return a record as the API shows it; a property that is not set is null."""
    values = record.values
    return {
        "id": record.id,
        "properties": {name: values.get(name) for name in names},
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": record.archived,
    }


def chosen_names(contacts: Contacts, wanted: object) -> list[str]:
    """Return the names to show: the fixed ones and the wanted ones that exist."""
    if not isinstance(wanted, list) or not wanted:
        return [*_ALWAYS, *_WITHOUT_CHOICE]
    known = [name for name in wanted if isinstance(name, str) and name in contacts.catalog]
    return list(dict.fromkeys([*_ALWAYS, *known]))


def read_contacts(
    contacts: Contacts, body: Body, *, archived: bool, dated: bool, at: str
) -> Answer:
    """Answer `batch/read` of contacts."""
    history = body.get("propertiesWithHistory") or []
    if not isinstance(history, list):
        raise errors.invalid_json("propertiesWithHistory must be an array")
    limit = HISTORY_LIMIT if history else LIMIT
    inputs = inputs_of(body, limit=limit, with_history=bool(history))
    id_property = body.get("idProperty")
    if id_property not in (None, "", "email", "hs_object_id"):
        raise errors.invalid(f"Unable to read by non-unique property {id_property}")
    names = chosen_names(contacts, body.get("properties"))
    found: list[dict[str, object]] = []
    missing: list[str] = []
    for record_id in dict.fromkeys(id_of(entry) for entry in inputs):
        if archived:
            record = contacts.archived.get(record_id)
        else:
            record = contacts.find(record_id, str(id_property) if id_property else None)
        if record is None:
            missing.append(record_id)
            continue
        entry = shown(record, names)
        if history:
            entry["propertiesWithHistory"] = _versions(record, history)
        found.append(entry)
    return batch_answer(found, missing, dated=dated, at=at)


def _versions(record: Record, names: Sequence[str]) -> dict[str, object]:
    return {
        name: [
            {"value": value, "timestamp": at, "sourceType": source}
            for value, at, source in record.history.get(name, ())
        ]
        for name in names
    }


def read_activities(
    records: Mapping[str, Record],
    body: Body,
    kind: str,
    *,
    defines: Callable[[str], bool],
    dated: bool,
    at: str,
) -> Answer:
    """Answer `batch/read` of one type of activity."""
    wanted = body.get("properties")
    listed = wanted if isinstance(wanted, list) else []
    names = list(dict.fromkeys([*_ACTIVITY_ALWAYS, *(name for name in listed if defines(name))]))
    ids = list(dict.fromkeys(id_of(entry) for entry in inputs_of(body)))
    found = [shown(records[each], names) for each in ids if each in records]
    missing = [each for each in ids if each not in records]
    return batch_answer(found, missing, dated=dated, at=at, kind=kind[:-1].upper())


def update_contacts(
    contacts: Contacts, body: Body, *, dated: bool, at: str, source: str, required: Sequence[str]
) -> Answer:
    """Answer `batch/update`: all values are checked before any is written."""
    inputs = inputs_of(body)
    ids = [id_of(entry) for entry in inputs]
    if len(set(ids)) < len(ids):
        raise errors.duplicate_ids(dict.fromkeys(each for each in ids if ids.count(each) > 1))
    keep = contacts.catalog.kept
    writes: list[tuple[Record, dict[str, str]]] = []
    missing: list[str] = []
    for record_id, entry in zip(ids, inputs, strict=True):
        if entry.get("idProperty") not in (None, "", "hs_object_id"):
            # Source: HubSpot/hubspot-api-nodejs issue 548.
            raise errors.invalid("Unable to perform update/upsert by non-unique 0-1 property")
        values = keep(values_of(entry), by_api=True)
        record = contacts.live.get(record_id)
        if record is None:
            missing.append(record_id)
        else:
            contacts.check_email(values.get("email"), owner=record_id)
            writes.append((record, values))
    if required:
        check_required(writes, required)
    found: list[dict[str, object]] = []
    for record, values in writes:
        contacts.update(record, values, source=source)
        found.append(shown(record, (*_ALWAYS, *values)))
    return batch_answer(found, missing, dated=dated, at=at)


def check_required(
    writes: Sequence[tuple[Record, Mapping[str, str]]], required: Sequence[str]
) -> None:
    """Raise the 400 of an admin's rule for the first record left without a required value.

    Source: HubSpot changelog "CRM API Write Validation Enforcement"; the text is illustrative.
    """
    for record, values in writes:
        for name in required:
            if not values.get(name, record.values.get(name)):
                raise errors.invalid(
                    f"Required property '{name}' is missing.", context={"ids": [record.id]}
                )


def create_contacts(contacts: Contacts, body: Body, *, at: str, source: str) -> Answer:
    """Answer `batch/create`: all or nothing."""
    keep = contacts.catalog.kept
    wanted = [keep(values_of(entry), by_api=True) for entry in inputs_of(body)]
    emails = [values["email"] for values in wanted if values.get("email")]
    for email in emails:
        contacts.check_email(email, owner=None)
    if len(set(emails)) < len(emails):
        raise errors.duplicate_ids(
            dict.fromkeys(each for each in emails if emails.count(each) > 1)
        )
    made = [contacts.create(values, source=source) for values in wanted]
    found = [
        shown(record, (*_ALWAYS, *values)) for record, values in zip(made, wanted, strict=True)
    ]
    return 201, batch_answer(found, [], dated=True, at=at)[1]


def upsert_contacts(contacts: Contacts, body: Body, *, at: str, source: str) -> Answer:
    """Answer `batch/upsert` by e-mail address."""
    inputs = inputs_of(body)
    ids = [id_of(entry).lower() for entry in inputs]
    if len(set(ids)) < len(ids):
        raise errors.duplicate_ids(dict.fromkeys(each for each in ids if ids.count(each) > 1))
    if any(entry.get("idProperty") != "email" for entry in inputs):
        raise errors.invalid("Unable to perform update/upsert by non-unique 0-1 property")
    keep = contacts.catalog.kept
    wanted = [
        keep({"email": email, **values_of(entry)}, by_api=True)
        for email, entry in zip(ids, inputs, strict=True)
    ]
    found: list[dict[str, object]] = []
    for email, values in zip(ids, wanted, strict=True):
        record = contacts.find(email, "email")
        is_new = record is None
        if record is None:
            record = contacts.create(values, source=source)
        else:
            contacts.update(record, values, source=source)
        found.append({**shown(record, (*_ALWAYS, *values)), "new": is_new})
    return batch_answer(found, [], dated=True, at=at)


def batch_answer(
    found: list[dict[str, object]],
    missing: list[str],
    *,
    dated: bool,
    at: str,
    kind: str = "CONTACT",
) -> Answer:
    """Return status and body of a batch with its missing ids, if any."""
    body: dict[str, object] = {"status": "COMPLETE", "results": found}
    if missing:
        body["numErrors"] = 1
        body["errors"] = [errors.absent_records(missing, kind)]
    body["startedAt"] = body["completedAt"] = at
    return (207 if missing and not dated else 200), body
