"""Who an activity is with, and what happened around a contact: by associations, in batches.

Associations are read under a budget of their own (`ASSOCIATIONS`), activities under the account's.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from integrations.base import Happening
from integrations.errors import AccessError, TransientCrmError
from integrations.hubspot import wire
from integrations.hubspot.activities import PROPERTIES, happening
from integrations.refusals import Refusals

log = logging.getLogger(__name__)

#: The kind of calls that read associations.
ASSOCIATIONS = "associations"
ACTIVITY_READ = "activity_read"
#: Of one contact's activities of a type are read: the first, for the first answer, and the latest.
FIRST, LATEST = 10, 90
#: Pages of one contact's associations; 500 are in a page.
MOST_PAGES = 20

Post = Callable[[str, str, object], dict[str, Any]]


class Links:
    """Reads associations and activities of one portal."""

    def __init__(self, post: Post, *, account: str) -> None:
        self._post = post  #: Makes one call: kind, path, body.
        self._account = account
        self._refused = Refusals()  #: Types that the token may not read.

    def people(self, activity_type: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """See `ActivityClient.people`."""
        return self._linked(activity_type, "contact", ids)[0]

    def activities(
        self, object_type: str, ids: Sequence[str], types: Collection[str]
    ) -> tuple[dict[str, list[Happening]], Counter[str]]:
        """Return what `ActivityClient.activities` does, and how many calls of each kind it took.

        A type that the token may not read (e-mails need a scope of their own) is left out, and
        asked for again after an hour.
        """
        found: dict[str, list[Happening]] = {}
        calls: Counter[str] = Counter()
        for activity_type in sorted(self._refused.without(types)):
            try:
                linked, asked = self._linked(object_type, activity_type, ids)
                wanted = {one: _chosen(all_of) for one, all_of in linked.items()}
                told, made = self._read(activity_type, wanted.values())
            except AccessError as error:
                if error.code != "MISSING_SCOPES":
                    raise  # the token itself: nothing of the account works
                self._refused.add(activity_type)
                log.error(  # noqa: TRY400  a constant code says it all
                    "activities.refused",
                    extra={
                        "account": self._account,
                        "object_type": activity_type,
                        "code": error.code,
                    },
                )
                continue
            calls.update({ACTIVITY_READ: made, ASSOCIATIONS: asked})
            for record_id, each in wanted.items():
                known = [told[one] for one in each if one in told]
                found.setdefault(record_id, []).extend(known)
        return found, calls

    def _read(
        self, activity_type: str, wanted: Collection[Sequence[str]]
    ) -> tuple[dict[str, Happening], int]:
        ids = list(dict.fromkeys(one for each in wanted for one in each))
        told: dict[str, Happening] = {}
        for part in _parts(ids, wire.BATCH_SIZE):
            reply = self._post(
                ACTIVITY_READ,
                wire.ACTIVITY_READ.format(f"{activity_type}s"),
                {
                    "properties": list(PROPERTIES[activity_type]),
                    "propertiesWithHistory": [],
                    "inputs": [{"id": one} for one in part],
                },
            )
            for row in _rows(reply):
                properties = row.get("properties")
                if not isinstance(properties, dict):
                    raise TransientCrmError("bad_reply", "an activity without properties")
                seen = happening(activity_type, properties)
                if seen is not None:
                    told[str(row.get("id"))] = seen
        return told, -(-len(ids) // wire.BATCH_SIZE)

    def _linked(
        self, start: str, end: str, ids: Sequence[str]
    ) -> tuple[dict[str, list[str]], int]:
        """Return who is linked with each of `ids`, and how many calls it took."""
        path = wire.ASSOCIATIONS.format(f"{start}s", f"{end}s")
        found: dict[str, list[str]] = {}
        inputs = [{"id": one} for one in ids]
        calls = 0
        for _ in range(MOST_PAGES):
            more = []
            for part in _parts(inputs, wire.ASSOCIATION_BATCH):
                calls += 1
                for row in _rows(self._post(ASSOCIATIONS, path, {"inputs": part})):
                    one, linked, after = _row(row)
                    found.setdefault(one, []).extend(linked)
                    more += [{"id": one, "after": after}] if after else []
            inputs = more
            if not inputs:
                break
        return {one: list(dict.fromkeys(linked)) for one, linked in found.items()}, calls


def _chosen(ids: Sequence[str]) -> list[str]:
    """Return the first and the latest of many ids; they rise with time."""
    rising = sorted(ids, key=lambda one: (len(one), one))
    return rising if len(rising) <= FIRST + LATEST else rising[:FIRST] + rising[-LATEST:]


def _row(row: Mapping[str, Any]) -> tuple[str, list[str], str]:
    try:
        # Version 4 gave numbers here, date versions give text.
        linked = [str(int(each["toObjectId"])) for each in row["to"]]
        after = ((row.get("paging") or {}).get("next") or {}).get("after") or ""
        return str(int(row["from"]["id"])), linked, str(after)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TransientCrmError("bad_reply", "an association without ids") from None


def _rows(reply: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = reply.get("results")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TransientCrmError("bad_reply", "no results")
    return rows


def _parts(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
