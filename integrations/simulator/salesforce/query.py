"""Answers SOQL: which records, in what order, in pages of 2,000.

Source: reference salesforce.md section 3.1. Nulls sort first unless told otherwise, both ways
(SOQL reference, ORDER BY); text compares without regard to case.
"""

import re
from collections.abc import Callable, Sequence

from integrations.simulator.salesforce.aggregates import aggregated
from integrations.simulator.salesforce.errors import ApiError, no_such_column, not_found
from integrations.simulator.salesforce.fields import Field, parsed
from integrations.simulator.salesforce.ids import LOCATOR, numbered_id, short_id
from integrations.simulator.salesforce.records import Records, Values
from integrations.simulator.salesforce.soql import (
    Comparison,
    Condition,
    Junction,
    Literal,
    Order,
    Query,
    parse,
)

PAGE = 2_000
OFFSET_LIMIT = 2_000

Test = Callable[[Values], bool]
_Key = float | str | bool | None

_KINDS = {
    "double": ("number",),
    "boolean": ("boolean",),
    "datetime": ("datetime",),
    "date": ("datetime",),
}


class Queries:
    """Runs statements and keeps the pages still to be fetched. Not locked: the caller is."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._cursors: dict[str, tuple[str, list[dict[str, object]]]] = {}
        self._made = 0

    def first(self, statement: str, *, version: str, deleted: bool) -> dict[str, object]:
        """Return the first page; `deleted` shows records in the recycle bin, too."""
        query = parse(statement)
        entity = _entity(self._records, query.entity)
        found = self._found(query, entity, deleted=deleted)
        if query.groups or any(column.function for column in query.columns):
            return aggregated(self._records, entity, query, found)
        names = [_readable(self._records, entity, each.field).name for each in query.columns]
        if not names:
            return {"totalSize": len(found), "done": True, "records": []}
        rows = [shown(entity, record, names, version) for record in found]
        self._made += 1
        locator = numbered_id(LOCATOR, self._made)
        self._cursors[locator] = (version, rows)
        return self._page(locator, 0)

    def all_rows(self, statement: str, *, version: str) -> list[dict[str, object]]:
        """Return all rows of a statement without functions, for a query job."""
        query = parse(statement)
        entity = _entity(self._records, query.entity)
        names = [_readable(self._records, entity, each.field).name for each in query.columns]
        found = self._found(query, entity, deleted=False)
        return [shown(entity, record, names, version) for record in found]

    def next(self, cursor: str) -> dict[str, object]:
        """Return the page a `nextRecordsUrl` names."""
        locator, _, start = cursor.partition("-")
        if locator not in self._cursors or not start.isdecimal():
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(locator, int(start))

    def _page(self, locator: str, start: int) -> dict[str, object]:
        version, rows = self._cursors[locator]
        page = rows[start : start + PAGE]
        answer: dict[str, object] = {"totalSize": len(rows), "done": True}
        if start + PAGE < len(rows):
            answer["done"] = False
            answer["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{start + PAGE}"
        else:
            del self._cursors[locator]
        answer["records"] = page
        return answer

    def _found(self, query: Query, entity: str, *, deleted: bool) -> list[Values]:
        test = _test(self._records, entity, query.where) if query.where else None
        found = [
            record
            for record in self._records.tables[entity].values()
            if (deleted or not record.get("IsDeleted"))
            and (deleted or not record.get("IsArchived"))
            and (test is None or test(record))
        ]
        for order in reversed(query.orders):
            _sort(self._records, entity, found, order)
        if query.offset > OFFSET_LIMIT:
            message = f"Maximum SOQL offset allowed is {OFFSET_LIMIT}"
            raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", message)
        end = None if query.limit is None else query.offset + query.limit
        return found[query.offset : end]


def shown(entity: str, record: Values, names: list[str], version: str) -> dict[str, object]:
    """Return a record as REST answers show it; a field without value is null."""
    get = record.get
    row: dict[str, object] = {
        "attributes": {
            "type": entity,
            "url": f"/services/data/v{version}/sobjects/{entity}/{record['Id']}",
        }
    }
    for name in names:
        row[name] = get(name)
    return row


def _entity(records: Records, name: str) -> str:
    for known in records.objects:
        if known.lower() == name.lower():
            return known
    raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")


def _readable(records: Records, entity: str, name: str) -> Field:
    field = records.visible(entity, name)
    if field is None:
        raise no_such_column(name, entity)
    return field


def _test(records: Records, entity: str, condition: Condition) -> Test:
    if isinstance(condition, Comparison):
        return _comparison(records, entity, condition)
    tests = [_test(records, entity, part) for part in condition.parts]
    return _joined(condition, tests)


def _joined(junction: Junction, tests: list[Test]) -> Test:
    if junction.word == "AND":
        return lambda record: all(test(record) for test in tests)
    if junction.word == "OR":
        return lambda record: any(test(record) for test in tests)
    [only] = tests
    return only if junction.word == "GROUP" else lambda record: not only(record)


def _comparison(records: Records, entity: str, condition: Comparison) -> Test:
    field = _readable(records, entity, condition.field)
    name = field.name
    if field.is_long:
        message = f"field '{name}' can not be filtered in a query call"
        raise ApiError(400, "INVALID_FIELD", message)
    keys = [_literal_key(field, literal) for literal in condition.values]
    operator = condition.operator
    if operator == "IN":
        wanted = set(keys)
        return lambda record: _key(field, record.get(name)) in wanted
    if operator == "NOT IN":
        unwanted = set(keys)
        return lambda record: _key(field, record.get(name)) not in unwanted
    [key] = keys
    if operator == "=":
        return lambda record: _key(field, record.get(name)) == key
    if operator == "!=":
        return lambda record: _key(field, record.get(name)) != key
    if operator == "LIKE":
        pattern = re.compile(_like(str(key)), re.DOTALL)
        return lambda record: (
            pattern.fullmatch(str(_key(field, record.get(name)) or "")) is not None
        )
    return lambda record: _ranks(_key(field, record.get(name)), operator, key)


def _ranks(value: _Key, operator: str, wanted: _Key) -> bool:
    """Compare; null is neither more nor less than anything."""
    if value is None or wanted is None:
        return False
    if isinstance(value, str) or isinstance(wanted, str):
        below, equal = str(value) < str(wanted), str(value) == str(wanted)
    else:
        below, equal = value < wanted, value == wanted
    return {"<": below, "<=": below or equal, ">": not below and not equal, ">=": not below}[
        operator
    ]


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in pattern)


def _literal_key(field: Field, literal: Literal) -> _Key:
    if literal.kind == "null":
        return None
    allowed = _KINDS.get(field.type, ("string",))
    if literal.kind not in allowed:
        quotes = "should not" if literal.kind == "string" else "should"
        message = (
            f"value of filter criterion for field '{field.name}' must be of type {field.type} "
            f"and {quotes} be enclosed in quotes"
        )
        raise ApiError(400, "INVALID_FIELD", message)
    return _key(field, literal.value)


def _key(field: Field, value: object) -> _Key:
    """Return what makes values of the field compare as Salesforce compares them."""
    if value is None:
        return None
    if field.type in ("datetime", "date"):
        at = parsed(value)
        return None if at is None else at.timestamp()
    if isinstance(value, bool | float | int):
        return value
    if field.type in ("id", "reference"):
        return short_id(value) or str(value)
    return str(value).lower()


def _sort(records: Records, entity: str, found: list[Values], order: Order) -> None:
    field = _readable(records, entity, order.field)
    if field.is_long or field.type == "multipicklist":
        message = f"field '{field.name}' can not be sorted in a query call"
        raise ApiError(400, "INVALID_FIELD", message)
    keyed = [(_key(field, record.get(field.name)), record) for record in found]
    known = [(key, record) for key, record in keyed if key is not None]
    blank = [record for key, record in keyed if key is None]
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    ordered = [record for _, record in known]
    found[:] = ordered + blank if order.nulls_last else blank + ordered


def read_by_ids(
    records: Records, entity: str, ids: Sequence[object], names: Sequence[object], *, version: str
) -> list[object]:
    """Answer a collections read: null for an id that is gone, 400 for any unreadable field."""
    if entity not in records.objects:
        raise not_found()
    shown_names: list[str] = []
    for name in names:
        field = records.visible(entity, str(name))
        if field is None:
            message = f"No such column '{name}' on sobject of type {entity}"
            raise ApiError(400, "INVALID_FIELD", message)
        shown_names.append(field.name)
    found: list[object] = []
    for each in ids:
        if short_id(each) is None:
            raise ApiError(400, "MALFORMED_ID", f"malformed id {each}")
        record = records.find(entity, each)
        found.append(None if record is None else shown(entity, record, shown_names, version))
    return found
