"""Writes of up to 200 records in one call, each with its own result.

Source: reference salesforce.md sections 3.1, 3.2 and 3.4; `samples/collections_*.json`.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

from integrations.simulator.salesforce.errors import ApiError, RecordError, unparsable
from integrations.simulator.salesforce.ids import PREFIXES, short_id
from integrations.simulator.salesforce.records import Records, Values

LIMIT = 200
CHUNK_LIMIT = 10

_NOT_FIELDS = frozenset({"id", "Id", "attributes"})

_ROLLED_BACK = (
    "Record rolled back because not all records were valid and the request was using AllOrNone "
    "header"
)

Result = dict[str, object]


def update_collection(
    records: Records, body: Mapping[str, object], *, assign: Callable[[Values], None]
) -> list[Result]:
    """Answer `PATCH composite/sobjects`; results stand in the order of the request.

    `assign` runs the lead assignment rules on one updated Lead.
    """
    given = _records_of(body)
    prepared: list[tuple[str, Values, Values] | RecordError] = []
    seen: set[object] = set()
    for entry in given:
        try:
            write = _prepared(records, entry)
        except RecordError as error:
            prepared.append(error)
            continue
        record_id = write[1]["Id"]
        if record_id in seen:
            twice = RecordError("DUPLICATE_VALUE", "duplicate id specified in list", ["Id"])
            prepared.append(twice)
        else:
            seen.add(record_id)
            prepared.append(write)
    failed = any(isinstance(each, RecordError) for each in prepared)
    rolled_back = RecordError("ALL_OR_NONE_OPERATION_ROLLED_BACK", _ROLLED_BACK)
    results: list[Result] = []
    for each in prepared:
        if isinstance(each, RecordError):
            results.append({"success": False, "errors": [each.entry()]})
        elif failed and body.get("allOrNone"):
            results.append({"success": False, "errors": [rolled_back.entry()]})
        else:
            entity, record, values = each
            records.apply(entity, record, values)
            if entity == "Lead":
                assign(record)
            results.append({"id": record["Id"], "success": True, "errors": []})
    return results


def _records_of(body: Mapping[str, object]) -> list[dict[str, object]]:
    given = body.get("records")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise unparsable("records must be an array")
    if len(given) > LIMIT:
        message = f"record limit reached. cannot submit more than {LIMIT} records into this call"
        raise ApiError(400, "EXCEEDED_ID_LIMIT", message)
    types = [_type_of(each) for each in given]
    chunks = 1 + sum(before != after for before, after in pairwise(types))
    if chunks > CHUNK_LIMIT:
        message = f"the request has {chunks} chunks of object types, at most {CHUNK_LIMIT} allowed"
        raise ApiError(400, "INVALID_OPERATION", message)
    return given


def _type_of(entry: Mapping[str, object]) -> str:
    attributes = entry.get("attributes")
    kind = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(kind, str):
        raise ApiError(400, "INVALID_TYPE", "attributes.type is missing")
    return kind


def _prepared(records: Records, entry: Mapping[str, object]) -> tuple[str, Values, Values]:
    entity = _type_of(entry)
    if entity not in PREFIXES:
        raise RecordError("INVALID_TYPE", f"sObject type '{entity}' is not supported.")
    given = {name: value for name, value in entry.items() if name not in _NOT_FIELDS}
    record = to_update(records, entity, entry.get("id", entry.get("Id")))
    return entity, record, records.prepared(entity, record, given, by_api=True)


def to_update(records: Records, entity: str, given: object) -> Values:
    """Return the record an id names, or raise why it can't be written."""
    if given is None:
        raise RecordError("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
    short = short_id(given)
    if short is None:
        raise RecordError(
            "MALFORMED_ID", f"{entity} ID: id value of incorrect type: {given}", ["Id"]
        )
    record = records.tables[entity].get(short)
    if record is None:
        code = "INVALID_CROSS_REFERENCE_KEY" if short[:3] == PREFIXES[entity] else "MALFORMED_ID"
        raise RecordError(code, "invalid cross reference id", [])
    if record.get("IsDeleted"):
        raise RecordError("ENTITY_IS_DELETED", "entity is deleted")
    return record
