"""Calls of one org: one login, one connection pool, every failure one of ours.

`simple-salesforce` in session mode makes the calls, over our guarded session (time limits, one
host, no redirect) and our own token store; its login, its retries and its `sf.Lead.*` calls are
not used (reference salesforce.md section 4.2).
"""

from collections.abc import Callable, Mapping

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

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
from integrations.salesforce import wire
from integrations.salesforce.auth import Grant, TokenStore


class OrgCalls:
    """Makes REST calls below one org's API version. Thread-safe."""

    def __init__(
        self,
        *,
        base_url: str,
        api_version: str,
        grant: Grant,
        caller: Caller,
        clock: Callable[[], float],
    ) -> None:
        self._base_url = base_url
        self.api_version = api_version
        self.caller = caller
        self._session = guarded_session(base_url, headers=wire.CALL_HEADERS)
        self._session.hooks["response"].append(self._heed)
        self._tokens = TokenStore(
            session=self._session, base_url=base_url, grant=grant, clock=clock
        )

    def token(self) -> str:
        """Return the present access token; log in when there is none. Raises: CrmError."""
        return self._tokens.token()

    def renew(self, refused: str) -> str:
        """Return another token than the `refused` one. Raises: CrmError."""
        return self._tokens.renew(refused)

    @property
    def user_id(self) -> str:
        """Whom we act as; empty before the first login."""
        return self._tokens.user_id

    def versions(self) -> list[str]:
        """Return the API versions that the org serves, as `63.0`. Raises: CrmError."""

        def send() -> list[str]:
            response = self._session.get(f"{self._base_url.rstrip('/')}/services/data")
            if response.status_code != requests.codes.ok:
                raise error_of(response.status_code, None)
            try:
                return [str(row["version"]) for row in response.json()]
            except (ValueError, TypeError, KeyError):
                raise TransientCrmError("bad_reply", "no versions") from None

        return self.caller.call("versions", send)

    def fetch(self, kind: str, path: str) -> tuple[str, Mapping[str, str]]:
        """Return text and headers of an answer that is no JSON. Raises: CrmError."""

        def send() -> tuple[str, Mapping[str, str]]:
            token = self._tokens.token()
            response = self._get(path, token)
            if response.status_code == requests.codes.unauthorized:
                response = self._get(path, self._tokens.renew(token))
            if response.status_code != requests.codes.ok:
                try:
                    content = response.json()
                except ValueError:
                    content = None
                raise error_of(response.status_code, content)
            response.encoding = "utf-8"
            return response.text, response.headers

        return self.caller.call(kind, send)

    def _get(self, path: str, token: str) -> requests.Response:
        url = f"{self._base_url.rstrip('/')}/services/data/v{self.api_version}/{path}"
        return self._session.get(url, headers={"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _heed(self, response: requests.Response, *_: object, **__: object) -> None:
        """Heed how many of the day's calls are spent, by whomever."""
        found = wire.USAGE.search(response.headers.get(wire.USAGE_HEADER, ""))
        if found is not None:
            spent, limit = map(int, found.groups())
            self.caller.day.observe(limit=limit, left=max(0, limit - spent))

    def call(self, kind: str, path: str, *, method: str, json: object = None) -> object:
        """Return the JSON answer of `path`, which lies below the version. Raises: CrmError."""

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

        return self.caller.call(kind, send)

    def _send(self, token: str, path: str, method: str, json: object) -> object:
        client = Salesforce(
            session_id=token,
            instance_url=self._base_url,
            version=self.api_version,
            session=self._session,
        )
        try:
            return client.restful(path, method=method, json=json)
        except SalesforceExpiredSession:
            raise
        except SalesforceError as error:
            # `str(error)` holds the whole reply: only status and code leave this place.
            raise error_of(error.status, error.content) from None
        except requests.exceptions.JSONDecodeError:
            raise TransientCrmError("bad_reply", "not JSON") from None


def error_of(status: int, content: object) -> CrmError:
    """Return the error for a call that failed as a whole.

    Source: reference salesforce.md section 3.4.
    """
    code = _first_code(content) or str(status)
    if code in wire.PAUSE_CODES:
        return RateLimitedError(code.lower(), retry_after_s=wire.PAUSE_S)
    if code in wire.SETUP_CODES:
        return setup_error(code)
    if status >= 500 or status == 429 or code in wire.RETRY_CODES:
        return TransientCrmError(code.lower())
    if status in {401, 403}:
        return AccessError(code.lower(), "check the user's permissions")
    if status == 400:
        return RefusedError(code.lower())
    return PermanentCrmError(code.lower())


def setup_error(code: str) -> AccessError:
    """Return the error of a field or object that is missing or hidden."""
    return AccessError(code.lower(), "a field or object is missing or hidden; run doctor")


def _first_code(content: object) -> str:
    rows = content if isinstance(content, list) else [content]
    for row in rows:
        if isinstance(row, dict) and row.get("errorCode"):
            return plain_code(row["errorCode"])
    return ""
