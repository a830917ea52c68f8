"""Lists records by SOQL, page after page, and leaves none out.

Each page begins behind the last row of the page before, in the order of change and id, so that no
query cursor has to be kept alive. Converted leads are left out: they can't be written.
Source: reference salesforce.md sections 1.6 and 3.1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.base import Page
from integrations.errors import TransientCrmError
from integrations.salesforce import wire
from integrations.salesforce.names import ACCOUNT

_MODIFIED = "SystemModstamp"
_CURSOR = re.compile(r"([0-9TZ:.+-]*)/([a-zA-Z0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Only:
    """What is listed: records of an object, of some record types or of all."""

    object_type: str
    record_types: Sequence[str] = ()  #: Developer names, of a checked form.

    def conditions(self) -> list[str]:
        """Return what a record must be like, in SOQL."""
        found = []
        if self.object_type == "Lead":
            found.append("IsConverted = FALSE")
        elif self.object_type == ACCOUNT:
            found.append("IsPersonAccount = TRUE")
        if self.record_types:
            names = ", ".join(f"'{name}'" for name in self.record_types)
            found.append(f"RecordType.DeveloperName IN ({names})")
        return found


def question(only: Only, since: datetime | None, cursor: str) -> str:
    """Return the SOQL of a page.

    >>> question(Only("Contact"), None, "")
    'SELECT Id, SystemModstamp FROM Contact ORDER BY Id LIMIT 2000'

    Raises:
        ValueError: The cursor is not one of ours.
    """
    at, after = "", ""
    if cursor:
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise ValueError("not a cursor of a Salesforce listing")
        at, after = found.groups()
    elif since is not None:
        at = _literal(since)
    conditions = only.conditions()
    order = "Id"
    if at:
        order = f"{_MODIFIED}, Id"
        later = f"{_MODIFIED} {'>' if after else '>='} {at}"
        same = f"{_MODIFIED} = {at} AND Id > '{after}'"
        conditions.append(f"({later} OR ({same}))" if after else later)
    elif after:
        conditions.append(f"Id > '{after}'")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    # Our own names, and values whose form was checked: nothing a message could bring.
    rows = f"Id, {_MODIFIED} FROM {only.object_type}{where} ORDER BY {order}"
    return f"SELECT {rows} LIMIT {wire.QUERY_PAGE}"


def all_of(only: Only) -> str:
    """Return the SOQL of all records, in whatever order, for a query job."""
    return f"SELECT Id FROM {only.object_type}{_where(only)}"  # noqa: S608  # our own names


def _where(only: Only) -> str:
    conditions = only.conditions()
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def counting(only: Only) -> str:
    """Return the SOQL that counts all records of a full listing."""
    return f"SELECT COUNT() FROM {only.object_type}{_where(only)}"  # noqa: S608  # our own names


def page(rows: Sequence[Mapping[str, Any]], *, by_change: bool, total: int | None) -> Page:
    """Return the page that `rows` make.

    Raises:
        TransientCrmError: A row has no id or no time of change.
    """
    try:
        ids = [str(row["Id"]) for row in rows]
        newest = max((_instant(row[_MODIFIED]) for row in rows), default=None)
        last = _instant(rows[-1][_MODIFIED]) if rows else None
    except (KeyError, ValueError, TypeError):
        raise TransientCrmError("bad_reply", "query: a row without Id or SystemModstamp") from None
    if not all(wire.RECORD_ID.match(record_id) for record_id in ids):
        raise TransientCrmError("bad_reply", "query: not an id")
    cursor = None
    if len(rows) == wire.QUERY_PAGE and last is not None:
        cursor = f"{_literal(last) if by_change else ''}/{ids[-1]}"
    return Page(ids=[wire.full_id(i) for i in ids], cursor=cursor, newest=newest, total=total)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    return at.astimezone(UTC)


def _literal(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
