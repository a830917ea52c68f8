"""The webhooks journal: a portal's events, fetched by us. For sites that have no public address.

HubSpot keeps three days of events in files; a call says where the next file is. What is in a file
is turned into webhook events, so that one adapter reads both, and values are left out (S7).
Source: reference hubspot.md section 2.7; openapi `webhooks-journal.2026-03`. The shape of a file's
events is known for changes only; the other fields are read where they are there.
"""

from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import requests

from integrations.base import Portion
from integrations.errors import (
    AccessError,
    PayloadError,
    PositionLostError,
    TransientCrmError,
)
from integrations.http import Caller, guarded_session
from integrations.hubspot import wire
from integrations.hubspot.adapter import MAX_EVENTS
from integrations.hubspot.client import read_reply
from integrations.mapping import instant
from integrations.payload import loads

#: The kind of these calls; HubSpot counts them nowhere.
JOURNAL = "journal"
#: What a token of the app must be allowed. Source: section 2.7.
SCOPES = (
    "developer.webhooks_journal.read",
    "developer.webhooks_journal.subscriptions.read",
    "developer.webhooks_journal.subscriptions.write",
)
#: Where the files lie: HubSpot's own hosts and its storage. Not documented.
FILE_HOSTS = ("hubapi.com", "hubspot.com", "hubspotusercontent.com", "amazonaws.com")

#: The type of the events that tell of an app's removal. Source: section 2.7.
UNINSTALLS = "4-1916193"

#: So often a file is asked for that its host refuses; each time under a new address.
MOST_REFUSALS = 10

#: What stands in place of a file that cannot be read: its delivery is quarantined, and seen.
UNREADABLE = b'{"journal":"unreadable"}'

#: Action -> the last word of a webhook's type.
_KINDS = {
    "CREATE": "creation",
    "UPDATE": "propertyChange",
    "DELETE": "deletion",
    "RESTORE": "restore",
    "MERGE": "merge",
    "GDPR_DELETE": "privacyDeletion",
    "ASSOCIATION_ADDED": "associationChange",
    "ASSOCIATION_REMOVED": "associationChange",
}
#: What is kept of an event: ids and no values.
_IDS = (
    "portalId",
    "objectId",
    "objectTypeId",
    "primaryObjectId",
    "mergedObjectIds",
    "newObjectId",
    "fromObjectId",
    "fromObjectTypeId",
    "toObjectId",
    "toObjectTypeId",
)


class Credentials(Protocol):
    """Gives the app's own token; see `integrations.hubspot.oauth.ClientCredentials`."""

    def token(self) -> Any:
        """Return a token that lasts a while. Raises: CrmError."""

    def forget(self, token: Any, /) -> None:
        """Fetch another one next time."""


class Journal:
    """Calls of the journal's API, for one portal."""

    def __init__(
        self, *, base_url: str, portal_id: str, credentials: Credentials, caller: Caller
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self.portal_id = portal_id
        self._credentials = credentials
        self._caller = caller
        self._session = guarded_session(base_url)

    def ask(self, path: str, body: object = None) -> dict[str, Any] | None:
        """Return the answer to a GET, or to a POST of `body`; None when it is empty.

        Raises:
            PositionLostError: There is no such offset.
            CrmError: The call failed.
        """
        token = self._credentials.token()
        try:
            return self._caller.call(JOURNAL, lambda: self._send(path, body, token))
        except AccessError as error:
            if error.code not in {"INVALID_AUTHENTICATION", "EXPIRED_AUTHENTICATION", "401"}:
                raise
            self._credentials.forget(token)
        # Once more with a new token: this one may have been revoked before its time.
        token = self._credentials.token()
        return self._caller.call(JOURNAL, lambda: self._send(path, body, token))

    def _send(self, path: str, body: object, token: Any) -> dict[str, Any] | None:
        response = self._session.request(
            "GET" if body is None else "POST",
            self._base_url + path,
            data=None if body is None else orjson.dumps(body),
            headers={
                "Authorization": f"Bearer {token.access_token}",
                **({} if body is None else {"Content-Type": "application/json"}),
            },
        )
        if response.status_code == requests.codes.no_content:
            return None
        if response.status_code == requests.codes.not_found and path.startswith(wire.JOURNAL):
            raise PositionLostError("offset_unknown")
        return read_reply(response)

    def file(self, url: str) -> bytes:
        """Return a file of the journal. Its host gets no token of ours.

        Raises:
            AccessError: It lies on a host that is none of HubSpot's.
            TransientCrmError: It is not there, or not whole.
        """
        base, parts = urlsplit(self._base_url), urlsplit(url)
        host = parts.hostname or ""
        is_hubspots = any(host == one or host.endswith(f".{one}") for one in FILE_HOSTS)
        if not (parts.scheme == "https" and is_hubspots) and parts[:2] != base[:2]:
            raise AccessError("foreign_host", "the journal names a host that is not HubSpot's")

        def send() -> bytes:
            with guarded_session(url) as session:
                response = session.get(url)
            if response.status_code != requests.codes.ok:
                raise TransientCrmError(f"file_{response.status_code}")
            return response.content

        return self._caller.call("journal_file", send)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class JournalFeed:
    """See `Feed`. The position is the offset of the last file.

    A file may hold more events than a delivery: it becomes several. The position moves past it with
    the last; until then it has a number behind, and who begins there gets the whole file again.
    """

    kind = "hubspot"
    #: A person's inquiry waits so long at most; the calls count nowhere.
    pause_s = 5.0

    def __init__(self, journal: Journal, *, app_id: str, written: Collection[str]) -> None:
        """Fetch what is in `journal`; changes of `written` properties alone are our own."""
        self._journal = journal
        self._app_id = app_id
        self._written = frozenset(written)
        self._ready: deque[Portion] = deque()
        self._position = ""  #: Of the portion that was returned last.
        self._missing = ("", 0)  #: A file that is not there, and how often it was asked for.

    def fetch(self, position: str) -> Portion | None:
        """See `Feed.fetch`. Whoever asks for what follows has stored what came before."""
        if not self._ready or position != self._position:
            self._ready.clear()
            self._ready.extend(self._file(position.partition(".")[0]))
        if not self._ready:
            return None
        portion = self._ready.popleft()
        self._position = portion.position
        return portion

    def _file(self, position: str) -> list[Portion]:
        """Return what the file after `position` holds, as portions that the adapter takes."""
        place = f"offset/{position}/next" if position else "earliest"
        found = self._journal.ask(
            f"{wire.JOURNAL}/{place}?installPortalId={self._journal.portal_id}"
        )
        if found is None:
            return []
        url, offset = found.get("url"), found.get("currentOffset")
        if not isinstance(url, str) or not isinstance(offset, str) or not _is_offset(offset):
            raise TransientCrmError("bad_reply", "no file")
        try:
            events = _events(self._journal.file(url))
        except PayloadError:
            return [_unreadable(offset)]
        except TransientCrmError as error:
            # A large one is no smaller the next time; one that is not there may come.
            if error.code != "reply_too_large" and not self._stays_away(offset, error):
                raise
            return [_unreadable(offset)]
        ends = [instant(each.get("occurredAt")) for each in events if self._is_uninstall(each)]
        made = [self._webhook(event) for event in events]
        told = [event for event in made if event is not None]
        *before, last = [
            told[start : start + MAX_EVENTS] for start in range(0, len(told) or 1, MAX_EVENTS)
        ]
        portions = [
            Portion(body=orjson.dumps(part), position=f"{position}.{number}")
            for number, part in enumerate(before, 1)
        ]
        portions.append(
            Portion(
                body=orjson.dumps(last) if last else b"",
                position=offset,
                is_uninstalled=bool(ends),
                uninstalled_at=max((at for at in ends if at), default=None),
            )
        )
        return portions

    def close(self) -> None:
        """See `Feed.close`."""
        self._journal.close()

    def _stays_away(self, offset: str, error: TransientCrmError) -> bool:
        """Tell whether a file was refused so often that the feed must go on without it."""
        if not error.code.startswith("file_4"):
            return False  # the CRM's own trouble passes
        count = self._missing[1] + 1 if self._missing[0] == offset else 1
        self._missing = (offset, count)
        return count >= MOST_REFUSALS

    def _is_uninstall(self, event: Any) -> bool:
        return (
            isinstance(event, dict)
            and str(event.get("portalId")) == self._journal.portal_id
            and (event.get("action") == "APP_UNINSTALL" or UNINSTALLS in _kinds_of(event))
        )

    def _webhook(self, event: Any) -> dict[str, Any] | None:
        """Return the webhook event that says the same, without values; None for our own write."""
        if not isinstance(event, dict):
            return {}  # reported as unreadable, with its place
        kind = _KINDS.get(str(event.get("action")))
        if kind is None:
            return None
        changed = event.get("propertyChanges")
        if isinstance(changed, dict) and changed and self._written.issuperset(changed):
            return None
        subject = "object"
        if kind == "privacyDeletion":  # has no generic form
            subject = "contact" if event.get("objectTypeId") == wire.CONTACT_TYPE_ID else "other"
        elif kind == "merge" and not isinstance(event.get("mergedObjectIds"), list):
            kind = "propertyChange"  # it does not say who went: they are read, and are gone
        kept = {name: event[name] for name in _IDS if name in event}
        return {"subscriptionType": f"{subject}.{kind}", "appId": self._app_id, **kept}


def _unreadable(offset: str) -> Portion:
    return Portion(body=UNREADABLE, position=offset, has_gap=True)


def _kinds_of(event: Mapping[str, Any]) -> set[str]:
    return {str(event.get(name)) for name in ("eventTypeId", "objectTypeId")}


def _is_offset(value: str) -> bool:
    return 0 < len(value) <= 100 and value.replace("-", "").isalnum()


def _events(content: bytes) -> list[Any]:
    document = loads(content)
    events = document.get("journalEvents") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise PayloadError("journalEvents: missing")
    return events


def wanted_subscriptions(
    portal_id: str, properties: Collection[str], activities: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """Return what to subscribe to.

    Args:
        portal_id: The portal.
        properties: Of contacts: those that are read.
        activities: Object type id -> the properties whose changes count.
    """
    common = {"portalId": int(portal_id), "objectIds": []}
    contact = {**common, "objectTypeId": wire.CONTACT_TYPE_ID}
    wanted: list[dict[str, Any]] = [
        {
            **contact,
            "subscriptionType": "OBJECT",
            "actions": ["CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"],
            "properties": sorted(properties),
        },
        {
            "portalId": int(portal_id),
            "objectTypeId": wire.CONTACT_TYPE_ID,
            "subscriptionType": "GDPR_PRIVACY_DELETION",
            "actions": ["GDPR_DELETE"],
        },
    ]
    wanted.append(
        {
            "subscriptionType": "APP_LIFECYCLE_EVENT",
            "eventTypeId": UNINSTALLS,
            "properties": [],
        }
    )
    for type_id, changing in sorted(activities.items()):
        wanted.append(
            {
                **common,
                "objectTypeId": type_id,
                "subscriptionType": "OBJECT",
                "actions": ["CREATE", "UPDATE"] if changing else ["CREATE"],
                "properties": sorted(changing),
            }
        )
    if activities:
        wanted.append(
            {
                **contact,
                "subscriptionType": "ASSOCIATION",
                "actions": ["ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"],
                "associatedObjectTypeIds": sorted(activities),
            }
        )
    return wanted


def subscribe(
    journal: Journal, wanted: Collection[Mapping[str, Any]], *, dry_run: bool
) -> list[str]:
    """Make the subscriptions that are missing or narrower than `wanted`; return what they are for.

    Safe to repeat. Raises: CrmError.
    """
    reply = journal.ask(wire.JOURNAL_SUBSCRIPTIONS) or {}
    there = [row for row in reply.get("results") or [] if isinstance(row, dict)]
    made = []
    for each in wanted:
        if any(_covers(row, each) for row in there):
            continue
        if not dry_run:
            journal.ask(wire.JOURNAL_SUBSCRIPTIONS, each)
        kind = each.get("objectTypeId") or each.get("eventTypeId")
        made.append(f"{str(each['subscriptionType']).lower()} {kind}")
    return made


def _covers(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    lists = ("actions", "properties", "associatedObjectTypeIds")
    if wanted["subscriptionType"] == "APP_LIFECYCLE_EVENT":  # of the app, and of no portal
        return UNINSTALLS in _kinds_of(row) and not row.get("deletedAt")
    return (
        all(
            str(row.get(name)) == str(wanted[name])
            for name in ("subscriptionType", "objectTypeId", "portalId")
        )
        and not row.get("deletedAt")
        and not row.get("objectIds")  # only some records
        and all(set(wanted.get(name, ())) <= set(row.get(name) or ()) for name in lists)
    )
