"""Reads and writes records of one org by sObject collections.

`simple-salesforce` in session mode makes the calls, over our guarded session (time limits, one
host, no redirect) and our own token store; its login, its retries and its `sf.Lead.*` calls are
not used (reference salesforce.md section 4.2).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from integrations.base import Change, Found, Outcome, Page
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
from integrations.salesforce import listing, wire
from integrations.salesforce.auth import TokenStore


class SalesforceClient:
    """See `CrmClient`. One org, one login, one connection pool."""

    batch_size = wire.BATCH_SIZE

    def __init__(
        self,
        *,
        base_url: str,
        api_version: str,
        consumer_key: str,
        consumer_secret: str,
        caller: Caller,
        clock: Callable[[], float],
    ) -> None:
        self._base_url = base_url
        self._api_version = api_version
        self._caller = caller
        self._session = guarded_session(base_url, headers=wire.CALL_HEADERS)
        self._session.hooks["response"].append(self._heed)
        self._tokens = TokenStore(
            session=self._session,
            base_url=base_url,
            consumer_key=consumer_key,
            consumer_secret=consumer_secret,
            clock=clock,
        )

    def read(self, object_type: str, ids: Sequence[str], properties: Sequence[str]) -> Found:
        """See `CrmClient.read`. One collections read; a row of null is gone or hidden."""
        rows = self._call(
            "collections_read",
            f"composite/sobjects/{_name(object_type)}",
            method="POST",
            json={"ids": list(ids), "fields": list(dict.fromkeys(("Id", *properties)))},
        )
        if not isinstance(rows, list) or len(rows) != len(ids):
            raise TransientCrmError("bad_reply", "collections read: not one row for each id")
        return Found(
            records={
                record_id: row
                for record_id, row in zip(ids, rows, strict=True)
                if isinstance(row, dict) and not row.get("IsDeleted")
            }
        )

    def write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        """See `CrmClient.write`. `allOrNone` is false: one bad record does not undo the others."""
        name = _name(object_type)
        rows = self._call(
            "collections_update",
            "composite/sobjects",
            method="PATCH",
            json={
                "allOrNone": False,
                "records": [
                    {"attributes": {"type": name}, "id": change.record_id, **change.properties}
                    for change in changes
                ],
            },
        )
        if not isinstance(rows, list) or len(rows) != len(changes):
            raise TransientCrmError("bad_reply", "collections update: not one result for each")
        return _outcome(rows, [change.record_id for change in changes])

    def describe(self, object_type: str) -> dict[str, Any]:
        """Return an object's description; `fields` has name, type and updateable of each."""
        found = self._call("describe", f"sobjects/{_name(object_type)}/describe", method="GET")
        if not isinstance(found, dict):
            raise TransientCrmError("bad_reply", "describe: not an object")
        return found

    def list_ids(self, object_type: str, *, since: datetime | None, cursor: str = "") -> Page:
        """See `CrmClient.list_ids`: by SOQL, 2,000 a call."""
        name = _name(object_type)
        total = None
        if since is None and not cursor:
            total = self._query(listing.counting(name)).get("totalSize")
        rows = self._query(listing.question(name, since, cursor)).get("records")
        if not isinstance(rows, list):
            raise TransientCrmError("bad_reply", "query: no records")
        return listing.page(
            rows, by_change=since is not None, total=total if isinstance(total, int) else None
        )

    def _query(self, soql: str) -> dict[str, Any]:
        found = self._call("query", f"query/?{urlencode({'q': soql})}", method="GET")
        if not isinstance(found, dict):
            raise TransientCrmError("bad_reply", "query: not an object")
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
        """See `CrmClient.ready_at`: a batch is a read and a write."""
        return self._caller.ready_at(2, since)

    def close(self) -> None:
        """See `CrmClient.close`."""
        self._session.close()

    def _heed(self, response: requests.Response, *_: object, **__: object) -> None:
        """Heed how many of the day's calls are spent, by whomever."""
        found = wire.USAGE.search(response.headers.get(wire.USAGE_HEADER, ""))
        if found is not None:
            spent, limit = map(int, found.groups())
            self._caller.day.observe(limit=limit, left=max(0, limit - spent))

    def _call(self, kind: str, path: str, *, method: str, json: object = None) -> object:
        def send() -> object:
            token = self._tokens.token()
            try:
                return self._send(token, path, method, json)
            except SalesforceExpiredSession:
                # One renewal for all threads, then one more try; a second 401 is final.
                token = self._tokens.renew(token)
            try:
                return self._send(token, path, method, json)
            except SalesforceExpiredSession:
                raise AccessError("session_refused", "check the user's permissions") from None

        return self._caller.call(kind, send)

    def _send(self, token: str, path: str, method: str, json: object) -> object:
        client = Salesforce(
            session_id=token,
            instance_url=self._base_url,
            version=self._api_version,
            session=self._session,
        )
        try:
            return client.restful(path, method=method, json=json)
        except SalesforceExpiredSession:
            raise
        except SalesforceError as error:
            # `str(error)` holds the whole reply: only status and code leave this place.
            raise _error(error.status, error.content) from None
        except requests.exceptions.JSONDecodeError:
            raise TransientCrmError("bad_reply", "not JSON") from None


def _name(object_type: str) -> str:
    # The name becomes a part of the address.
    if object_type not in {"Lead", "Contact"}:
        raise PermanentCrmError("object_type", "only leads and contacts are scored in Salesforce")
    return object_type


def _error(status: int, content: object) -> CrmError:
    """Return the error for a call that failed as a whole.

    Source: reference salesforce.md section 3.4.
    """
    code = _first_code(content) or str(status)
    if code in wire.PAUSE_CODES:
        return RateLimitedError(code.lower(), retry_after_s=wire.PAUSE_S)
    if code in wire.SETUP_CODES:
        return _setup_error(code)
    if status >= 500 or status == 429 or code in wire.RETRY_CODES:
        return TransientCrmError(code.lower())
    if status in {401, 403}:
        return AccessError(code.lower(), "check the user's permissions")
    if status == 400:
        return RefusedError(code.lower())
    return PermanentCrmError(code.lower())


def _setup_error(code: str) -> AccessError:
    return AccessError(code.lower(), "a field or object is missing or hidden; run doctor")


def _first_code(content: object) -> str:
    rows = content if isinstance(content, list) else [content]
    for row in rows:
        if isinstance(row, dict) and row.get("errorCode"):
            return plain_code(row["errorCode"])
    return ""


def _outcome(rows: Sequence[object], ids: Sequence[str]) -> Outcome:
    """Sort results by what became of them; a failed row may lack its id: place decides."""
    written: set[str] = set()
    gone: set[str] = set()
    refused: dict[str, str] = {}
    retry: dict[str, str] = {}
    for record_id, row in zip(ids, rows, strict=True):
        if isinstance(row, dict) and row.get("success") is True:
            written.add(record_id)
            continue
        code, message = _row_error(row)
        if code in wire.SETUP_CODES:
            # The same for every record: no use to try, or to bury, each of them.
            raise _setup_error(code)
        if code in wire.GONE_CODES:
            gone.add(record_id)
        elif code in wire.RETRY_CODES or "UNABLE_TO_LOCK_ROW" in message:
            retry[record_id] = code.lower()
        else:
            refused[record_id] = code.lower()
    return Outcome(written=frozenset(written), gone=frozenset(gone), refused=refused, retry=retry)


def _row_error(row: object) -> tuple[str, str]:
    errors = row.get("errors") if isinstance(row, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        return plain_code(first.get("statusCode") or "UNKNOWN"), str(first.get("message") or "")
    return "UNKNOWN", ""
