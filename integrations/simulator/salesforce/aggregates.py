"""Answers aggregate queries: groups of records, counted, with their first and last values.

Source: SOQL reference, "GROUP BY", "Aggregate Functions", "Date Functions". An answer holds 2,000
rows and no more: there is no next page of an aggregate query.
"""

from collections.abc import Sequence

from integrations.simulator.salesforce.errors import ApiError, malformed_query, no_such_column
from integrations.simulator.salesforce.fields import Field, parsed
from integrations.simulator.salesforce.records import Records, Values
from integrations.simulator.salesforce.soql import DATE_FUNCTIONS, Column, Query

MOST_ROWS = 2_000


def aggregated(
    records: Records, entity: str, query: Query, found: Sequence[Values]
) -> dict[str, object]:
    """Return the rows of a query with GROUP BY or a function. Raises: ApiError."""
    groups = [(column, _groupable(records, entity, column)) for column in query.groups]
    for column in query.columns:
        field = _field(records, entity, column.field)
        if column.function in ("", *DATE_FUNCTIONS) and not any(
            each.name == field.name and group.function == column.function for group, each in groups
        ):
            raise malformed_query(f"Field must be grouped or aggregated: {column.field}")
        if column.function in ("MIN", "MAX") and (field.is_long or field.type == "boolean"):
            raise malformed_query(f"field {field.name} does not support aggregate operator")
    members: dict[tuple[object, ...], list[Values]] = {}
    if not groups:
        members[()] = list(found)
    for record in found:
        key = tuple(_value(record.get(field.name), column) for column, field in groups)
        members.setdefault(key, []).append(record)
    if len(members) > MOST_ROWS:
        message = (
            "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a"
            " single batch"
        )
        raise ApiError(400, "EXCEEDED_ID_LIMIT", message)
    rows = [_row(records, entity, query.columns, each) for each in members.values()]
    return {"totalSize": len(rows), "done": True, "records": rows}


def _row(
    records: Records, entity: str, columns: Sequence[Column], members: Sequence[Values]
) -> dict[str, object]:
    row: dict[str, object] = {"attributes": {"type": "AggregateResult"}}
    unnamed = 0
    for column in columns:
        field = _field(records, entity, column.field)
        values = [value for each in members if (value := each.get(field.name)) is not None]
        name = column.alias or field.name
        if column.function and not column.alias:
            name, unnamed = f"expr{unnamed}", unnamed + 1
        row[name] = _result(column, field, values, members)
    return row


def _result(
    column: Column, field: Field, values: list[object], members: Sequence[Values]
) -> object:
    match column.function:
        case "COUNT":
            return len(values)
        case "MIN" | "MAX":
            ordered = sorted(values, key=str)
            return (ordered[0] if column.function == "MIN" else ordered[-1]) if ordered else None
        case _:
            return _value(members[0].get(field.name), column)


def _value(value: object, column: Column) -> object:
    if column.function not in DATE_FUNCTIONS:
        return value
    at = parsed(value)
    if at is None:
        return None
    return f"{at:%Y-%m-%d}" if column.function == "DAY_ONLY" else at.hour + 1  # 1 to 24, in UTC


def _field(records: Records, entity: str, name: str) -> Field:
    field = records.visible(entity, name)
    if field is None:
        raise no_such_column(name, entity)
    return field


def _groupable(records: Records, entity: str, column: Column) -> Field:
    field = _field(records, entity, column.field)
    if column.function:
        if field.type != "datetime":
            raise malformed_query(f"{column.function} is not valid on field {field.name}")
    elif field.is_long or field.type in ("datetime", "double", "multipicklist"):
        raise malformed_query(f"field '{field.name}' can not be grouped in a query call")
    return field
