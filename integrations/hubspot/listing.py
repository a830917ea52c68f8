"""Lists contacts by search, page after page, and leaves none out.

A search gives 10,000 results at most and has no order among equal values, and a contact that is
changed between two pages moves in the order of changes. So no page is asked for by its number: each
begins at the last value of the page before. Where 200 contacts or more were changed in the same
millisecond (an import), those are listed by id. Source: reference hubspot.md section 4, Search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.base import Page
from integrations.errors import TransientCrmError
from integrations.hubspot import wire

_MODIFIED, _ID = "lastmodifieddate", "hs_object_id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: at an instant, after an id, or after an id within an instant."""

    modified_ms: int | None
    after_id: int | None

    def cursor(self) -> str:
        """Return the place as text."""
        parts = (self.modified_ms, self.after_id)
        return "/".join("" if part is None else str(part) for part in parts)


def place_of(since: datetime | None, cursor: str) -> Place:
    """Return the place that `cursor` names; without one, the beginning of the listing."""
    if cursor:
        modified, _, after = cursor.partition("/")
        return Place(int(modified) if modified else None, int(after) if after else None)
    if since is None:
        return Place(None, 0)
    return Place((since - _EPOCH) // _MILLISECOND, None)


def question(place: Place) -> dict[str, Any]:
    """Return the body of the search for the page at `place`."""
    filters = []
    if place.modified_ms is not None:
        operator = "GTE" if place.after_id is None else "EQ"
        filters.append(_filter(_MODIFIED, operator, place.modified_ms))
    if place.after_id is not None:
        filters.append(_filter(_ID, "GT", place.after_id))
    order = _MODIFIED if place.after_id is None else _ID
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        "properties": [_MODIFIED],
        "limit": wire.SEARCH_PAGE,
    }


def page(place: Place, rows: Sequence[Mapping[str, Any]], total: object) -> Page:
    """Return the page at `place` from the rows that were found.

    Raises:
        TransientCrmError: A row has no id or no time of change.
    """
    try:
        ids = [str(int(row["id"])) for row in rows]
        changes = [_milliseconds(row["properties"][_MODIFIED]) for row in rows]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise TransientCrmError("bad_reply", "search: a row without id or change") from None
    is_full = len(rows) == wire.SEARCH_PAGE
    following: Place | None = None
    if place.after_id is None:
        if is_full:
            # All of one instant: the next page would be this one again.
            is_stuck = changes[-1] == place.modified_ms
            following = Place(changes[-1], 0 if is_stuck else None)
    elif is_full:
        following = Place(place.modified_ms, int(ids[-1]))
    elif place.modified_ms is not None:
        following = Place(place.modified_ms + 1, None)
    return Page(
        ids=ids,
        cursor=None if following is None else following.cursor(),
        newest=_EPOCH + max(changes) * _MILLISECOND if changes else None,
        total=total if place == Place(None, 0) and isinstance(total, int) else None,
    )


def _filter(name: str, operator: str, value: int) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _milliseconds(text: str) -> int:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    return (at - _EPOCH) // _MILLISECOND
