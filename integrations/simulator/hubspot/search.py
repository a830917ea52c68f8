"""Search for contacts: filters, one sort, pages, and the limits that make callers re-anchor.

Source: reference hubspot.md section 4, row Search; HubSpot docs "Search the CRM"; openapi
`contacts.2026-09`, PublicObjectSearchRequest. The texts of the 400s are illustrative.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.batches import Answer, Body, chosen_names, shown
from integrations.simulator.hubspot.records import Contacts, Record
from integrations.simulator.hubspot.values import instant

PAGE = 10
PAGE_LIMIT = 200
RESULT_LIMIT = 10_000
GROUP_LIMIT = 5
FILTER_LIMIT = 6
FILTERS_IN_ALL = 18
QUERY_LIMIT = 3_000

Test = Callable[[Record], bool]
_Key = float | str


def search_contacts(contacts: Contacts, body: Body) -> Answer:
    """Answer `search` of contacts."""
    tests = _groups(contacts, body.get("filterGroups", []))
    limit = _whole(body.get("limit"), PAGE, "limit")
    after = _whole(body.get("after"), 0, "after")
    if not 1 <= limit <= PAGE_LIMIT:
        raise errors.invalid(f"limit must be between 1 and {PAGE_LIMIT}.")
    if after + limit > RESULT_LIMIT:
        raise errors.invalid(f"after and limit reach past {RESULT_LIMIT} results.")
    name, descending = _sort(contacts, body.get("sorts", []))
    query = str(body.get("query") or "").lower()
    if len(query) > QUERY_LIMIT:
        raise errors.invalid(f"The query has more than {QUERY_LIMIT} characters.")
    found = [
        record
        for record in contacts.live.values()
        if (not tests or any(all(test(record) for test in group) for group in tests))
        and (not query or _mentions(record, query))
    ]
    if name is not None:
        key = _key_of(contacts, name)
        known = [record for record in found if name in record.values]
        known.sort(key=lambda record: key(record.values[name]), reverse=descending)
        found = known + [record for record in found if name not in record.values]
    page = found[after : after + limit]
    names = chosen_names(contacts, body.get("properties"))
    answer: dict[str, object] = {
        "total": len(found),
        "results": [shown(record, names) for record in page],
    }
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return 200, answer


def _whole(given: object, default: int, field: str) -> int:
    if given in (None, ""):
        return default
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, str) and re.fullmatch(r"\d{1,9}", given):
        return int(given)
    raise errors.invalid_json(f"Cannot deserialize value of field `{field}`")


def _sort(contacts: Contacts, sorts: object) -> tuple[str | None, bool]:
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise errors.invalid("At most 1 sort is allowed.")
    if not sorts:
        return None, False
    sort = sorts[0]
    if isinstance(sort, str):
        name, descending = sort.removeprefix("-"), sort.startswith("-")
    elif isinstance(sort, dict):
        name = str(sort.get("propertyName"))
        descending = sort.get("direction") == "DESCENDING"
    else:
        raise errors.invalid_json("Cannot deserialize value of field `sorts`")
    if name not in contacts.catalog:
        raise errors.invalid(f"There was a problem with the request: no property {name}.")
    return name, descending


def _groups(contacts: Contacts, groups: object) -> list[list[Test]]:
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise errors.invalid_json("Cannot deserialize value of field `filterGroups`")
    filters = [group.get("filters") for group in groups]
    if not all(isinstance(each, list) and each for each in filters):
        raise errors.invalid("A filter group needs filters.")
    sizes = [len(each) for each in filters]
    if (
        len(groups) > GROUP_LIMIT
        or sum(sizes) > FILTERS_IN_ALL
        or max(sizes, default=0) > FILTER_LIMIT
    ):
        raise errors.invalid(
            f"At most {GROUP_LIMIT} groups of {FILTER_LIMIT} filters, {FILTERS_IN_ALL} in all."
        )
    return [[_test(contacts, each) for each in group] for group in filters]


def _test(contacts: Contacts, given: object) -> Test:
    if not isinstance(given, dict):
        raise errors.invalid_json("Cannot deserialize a filter")
    name, operator = given.get("propertyName"), given.get("operator")
    if not isinstance(name, str) or name not in contacts.catalog:
        raise errors.invalid(f"There was a problem with the request: no property {name}.")
    if operator == "HAS_PROPERTY":
        return lambda record: name in record.values
    if operator == "NOT_HAS_PROPERTY":
        return lambda record: name not in record.values
    key = _key_of(contacts, name)
    if operator in ("IN", "NOT_IN"):
        return _membership(name, key, given)
    value = given.get("value")
    if value is None:
        raise errors.invalid(f"Operator {operator} needs a value.")
    wanted = key(str(value))
    if operator == "BETWEEN":
        highest = key(str(given.get("highValue", "")))
        return partial(_holds, name, key, partial(_lies_between, highest), wanted)
    compare = _COMPARISONS.get(str(operator))
    if compare is None:
        raise errors.invalid_json(f"Cannot deserialize operator `{operator}`")
    return partial(_holds, name, key, compare, wanted)


def _membership(name: str, key: Callable[[str], _Key], given: Mapping[str, object]) -> Test:
    operator, values = given["operator"], given.get("values")
    if not isinstance(values, list) or not values:
        raise errors.invalid(f"Operator {operator} needs values.")
    wanted = {key(str(value)) for value in values}
    if operator == "IN":
        return lambda record: name in record.values and key(record.values[name]) in wanted
    return lambda record: name in record.values and key(record.values[name]) not in wanted


def _lies_between(highest: _Key, value: _Key, lowest: _Key) -> bool:
    return _at_most(lowest, value) and _at_most(value, highest)


def _holds(
    name: str,
    key: Callable[[str], _Key],
    compare: Callable[[_Key, _Key], bool],
    wanted: _Key,
    record: Record,
) -> bool:
    value = record.values.get(name)
    return value is not None and compare(key(value), wanted)


def _key_of(contacts: Contacts, name: str) -> Callable[[str], _Key]:
    """Return what turns a value of the property into something that compares rightly."""
    kind = contacts.catalog.kind(name)
    if kind == "number":
        return _number
    if kind in ("datetime", "date"):
        return _milliseconds
    return str.lower


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise errors.invalid(f"{value} was not a valid number.") from None


def _milliseconds(value: str) -> float:
    at = instant(value)
    if at is None:
        raise errors.invalid(f"{value} was not a valid long.")
    return at.timestamp() * 1000


def _at_most(left: _Key, right: _Key) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return str(left) <= str(right)
    return left <= right


def _has_tokens(value: _Key, wanted: _Key) -> bool:
    tokens = re.split(r"[^\w*]+", str(wanted))
    words = re.split(r"\W+", str(value))
    return all(
        any(re.fullmatch(re.escape(token).replace(r"\*", ".*"), word) for word in words)
        for token in tokens
        if token
    )


_COMPARISONS: Mapping[str, Callable[[_Key, _Key], bool]] = {
    "EQ": lambda value, wanted: value == wanted,
    "NEQ": lambda value, wanted: value != wanted,
    "LT": lambda value, wanted: not _at_most(wanted, value),
    "LTE": _at_most,
    "GT": lambda value, wanted: not _at_most(value, wanted),
    "GTE": lambda value, wanted: _at_most(wanted, value),
    "CONTAINS_TOKEN": _has_tokens,
    "NOT_CONTAINS_TOKEN": lambda value, wanted: not _has_tokens(value, wanted),
}


def _mentions(record: Record, query: str) -> bool:
    searched: Sequence[str] = ("firstname", "lastname", "email", "phone", "company")
    return any(query in record.values.get(name, "").lower() for name in searched)
