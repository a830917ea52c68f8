"""Reads and writes contacts of one portal in batches, on date-versioned paths; see `links` too.

The batch calls go through one kept `requests.Session`: `hubspot-api-client` has only v1-v4 paths
and costs 15 times the CPU (reference hubspot.md section 6). Set-up uses the vendor's client.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import orjson
import requests

from integrations.base import Change, Found, Happening, Outcome, Page, RecordRef
from integrations.errors import (
    AccessError,
    CrmError,
    PermanentCrmError,
    RateLimitedError,
    RefusedError,
    TransientCrmError,
    plain_code,
)
from integrations.http import Caller, guarded_session
from integrations.hubspot import listing, wire
from integrations.hubspot.activities import TYPES
from integrations.hubspot.events import CONTACT
from integrations.hubspot.links import ACTIVITY_READ, ASSOCIATIONS, Links

#: Waits by status and policy. Source: reference hubspot.md sections 4.4 and 4.5.
_TEN_SECONDS = 10.0
_DAY_PAUSE_S = 900.0
_RATE = "X-HubSpot-RateLimit-"


class TokenSource(Protocol):
    """Where the access token comes from. Thread-safe."""

    def token(self) -> str:
        """Return the token of the next call. Raises: CrmError."""

    def refused(self, token: str) -> bool:
        """Hear of a 401 for `token`; return whether another one is worth a try."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A private app's token, which never ends. See `TokenSource`."""

    access_token: str = field(repr=False)

    def token(self) -> str:
        """See `TokenSource.token`."""
        return self.access_token

    def refused(self, token: str) -> bool:
        """See `TokenSource.refused`: there is no other."""
        del token
        return False


class HubSpotClient:
    """See `CrmClient` and `ActivityClient`. One portal, one source of tokens, one pool."""

    batch_size = wire.BATCH_SIZE
    activity_types: Collection[str] = TYPES

    def __init__(self, *, base_url: str, tokens: TokenSource, caller: Caller) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._caller = caller
        self._session = guarded_session(base_url)
        self._links = Links(self._post, account=caller.account)
        self._around: Mapping[str, int] = {}  #: Calls that the last batch's activities took.

    def read(self, object_type: str, ids: Sequence[str], properties: Sequence[str]) -> Found:
        """See `CrmClient.read`. A merged contact answers under its new id: the old one is gone."""
        _contacts_only(object_type)
        self._around = {}
        reply = self._post(
            "batch_read",
            wire.BATCH_READ,
            {
                "properties": list(properties),
                "propertiesWithHistory": [],
                "inputs": [{"id": record_id} for record_id in ids],
            },
        )
        wanted = set(ids)
        return Found(
            records={
                row["id"]: row["properties"] for row in _results(reply) if row["id"] in wanted
            }
        )

    def write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        """See `CrmClient.write`.

        A batch that HubSpot refuses as a whole (400: one record breaks an admin's rule) is halved
        until the record at fault stands alone; the others are written.
        """
        _contacts_only(object_type)
        try:
            reply = self._post(
                "batch_update",
                wire.BATCH_UPDATE,
                {"inputs": [_input(change) for change in changes]},
            )
        except RefusedError as error:
            if len(changes) == 1:
                return Outcome(refused={changes[0].record_id: error.code})
            half = len(changes) // 2
            return _joined(
                self.write(object_type, changes[:half]), self.write(object_type, changes[half:])
            )
        return _outcome(reply, [change.record_id for change in changes])

    def list_ids(self, object_type: str, *, since: datetime | None, cursor: str = "") -> Page:
        """See `CrmClient.list_ids`: by search, which has a rate limit of its own."""
        _contacts_only(object_type)
        place = listing.place_of(since, cursor)
        reply = self._post("search", wire.SEARCH, listing.question(place))
        return listing.page(place, _results(reply), reply.get("total"))

    def people(self, activity_type: str, ids: Sequence[str]) -> Mapping[str, Sequence[RecordRef]]:
        """See `ActivityClient.people`."""
        return {
            one: [RecordRef(CONTACT, each) for each in found]
            for one, found in self._links.people(activity_type, ids).items()
        }

    def activities(
        self, object_type: str, ids: Sequence[str], types: Collection[str]
    ) -> Mapping[str, Sequence[Happening]]:
        """See `ActivityClient.activities`."""
        _contacts_only(object_type)
        found, self._around = self._links.activities(object_type, ids, types)
        return found

    def calls(self) -> Mapping[str, int]:
        """See `CrmClient.calls`."""
        return self._caller.counts()

    def calls_left(self) -> Mapping[str, int]:
        """See `CrmClient.calls_left`."""
        return self._caller.left()

    def may_hurry(self) -> bool:
        """See `CrmClient.may_hurry`."""
        return self._caller.day.may_hurry()

    def ready_at(self, since: float) -> float:
        """See `CrmClient.ready_at`: a batch is a read, those of its activities, and a write."""
        around = self._around
        calls = 2 + around.get(ACTIVITY_READ, 0)
        return self._caller.ready_at(
            calls, since, apart={ASSOCIATIONS: around.get(ASSOCIATIONS, 0)}
        )

    def close(self) -> None:
        """See `CrmClient.close`."""
        self._session.close()

    def _post(self, kind: str, path: str, body: object) -> dict[str, Any]:
        data = orjson.dumps(body)

        def once(token: str) -> requests.Response:
            return self._session.post(
                self._base_url + path,
                data=data,
                headers={
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {token}",
                },
            )

        def send() -> dict[str, Any]:
            token = self._tokens.token()
            response = once(token)
            if response.status_code == 401 and self._tokens.refused(token):
                response = once(self._tokens.token())
            self._heed(response.headers, of_window=kind != ASSOCIATIONS)
            return read_reply(response)

        return self._caller.call(kind, send)

    def _heed(self, headers: Mapping[str, str], *, of_window: bool) -> None:
        """Heed the rate headers; a search has none. Source: reference hubspot.md section 4.4."""
        limit, left = (headers.get(_RATE + name, "") for name in ("Max", "Remaining"))
        if of_window and _is_count(limit) and _is_count(left):
            self._caller.budget.observe(limit=int(limit), left=int(left))
        limit, left = (headers.get(_RATE + name, "") for name in ("Daily", "Daily-Remaining"))
        if _is_count(limit) and _is_count(left):
            self._caller.day.observe(limit=int(limit), left=int(left))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _contacts_only(object_type: str) -> None:
    if object_type != "contact":
        raise PermanentCrmError("object_type", "only contacts are scored in HubSpot")


def _input(change: Change) -> dict[str, Any]:
    # All values travel as text, and an empty one clears (reference hubspot.md section 4.1).
    properties = {
        name: "" if value is None else str(value) for name, value in change.properties.items()
    }
    return {
        "id": change.record_id,
        "properties": properties,
        "objectWriteTraceId": change.record_id,
    }


def read_reply(response: requests.Response) -> dict[str, Any]:
    """Return a reply's JSON object. Raises: CrmError by status, policy and category.

    Source: reference hubspot.md section 4.5; every field of an error body is optional.
    """
    body: Any
    try:
        body = orjson.loads(response.content)
    except ValueError:
        body = None
    if response.status_code in {200, 201, 202, 204, 207}:
        if not isinstance(body, dict):
            raise TransientCrmError("bad_reply", "not a JSON object")
        return body
    raise error_of(response, body if isinstance(body, dict) else {})


def error_of(response: requests.Response, body: dict[str, Any]) -> CrmError:
    """Return our error of a reply that is none of success; `body` is its JSON object, or empty."""
    status = response.status_code
    category = plain_code(body.get("category") or body.get("errorType") or status)
    error: CrmError
    match status:
        case 400 if "PROPERTY_DOESNT_EXIST" in str(body.get("message")):
            error = AccessError("property_missing", "run `leadscore provision`")
        case 400:
            error = RefusedError(category)
        case 401 | 403:
            error = AccessError(category, "check the token and its scopes")
        case 423:
            error = RateLimitedError("locked", retry_after_s=2.0)
        case 429:
            policy = str(body.get("policyName") or "")
            wait_s = {"DAILY": _DAY_PAUSE_S, "SECONDLY": 1.0}.get(policy, _TEN_SECONDS)
            error = RateLimitedError(f"rate_{policy.lower() or 'limit'}", retry_after_s=wait_s)
        case 477:
            error = RateLimitedError("moving", retry_after_s=_seconds(response, default=3600.0))
        case _ if status >= 500:
            error = TransientCrmError(str(status))
        case _:
            error = PermanentCrmError(category)
    return error


def _seconds(response: requests.Response, *, default: float) -> float:
    """Return how long the CRM asks us to wait: seconds, or a date by the CRM's own clock."""
    given = response.headers.get("Retry-After", "")
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
        wait = until - parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError):
        return default
    return max(0.0, wait.total_seconds())


def _results(reply: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = reply.get("results")
    if not isinstance(rows, list) or not all(
        isinstance(row, dict)
        and isinstance(row.get("id"), str)
        and isinstance(row.get("properties"), dict)
        for row in rows
    ):
        raise TransientCrmError("bad_reply", "no results")
    return rows


def _outcome(reply: Mapping[str, Any], ids: Sequence[str]) -> Outcome:
    """Sort a batch's ids by what became of them, from `results` and `errors[].context.ids`."""
    written = {row["id"] for row in _results(reply)} & set(ids)
    gone: set[str] = set()
    refused: dict[str, str] = {}
    for error in reply.get("errors") or []:
        category = plain_code(error.get("category") or "refused")
        for record_id in (error.get("context") or {}).get("ids") or []:
            if category == "OBJECT_NOT_FOUND":
                gone.add(str(record_id))
            else:
                refused[str(record_id)] = category
    unsaid = set(ids) - written - gone - set(refused)
    return Outcome(
        written=frozenset(written),
        gone=frozenset(gone),
        refused=refused,
        retry=dict.fromkeys(unsaid, "unanswered"),
    )


def _joined(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(
        written=one.written | other.written,
        gone=one.gone | other.gone,
        refused={**one.refused, **other.refused},
        retry={**one.retry, **other.retry},
    )
