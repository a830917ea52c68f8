"""The vendor's own client for rare calls, with our bounds on each.

`hubspot-api-client` 12.0.0 names v1 to v4 paths only, has no time limit and follows redirects
(reference hubspot.md section 6). Its `ApiClient` builds the requests here, on dated paths; they
leave through `guarded_session`: one host, no redirect, bounded in time and size (S37, S38).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

import requests
from hubspot import HubSpot

from integrations.errors import CrmError, TransientCrmError
from integrations.http import crm_errors, guarded_session
from integrations.hubspot.client import error_of

#: Makes our error of a reply that is none of success, and of its JSON object.
Fails = Callable[[requests.Response, dict[str, Any]], CrmError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful reply."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] = field(repr=False)  #: Empty where the reply was.


class VendorClient:
    """Calls one portal. Thread-safe; not tried again: whoever calls decides that."""

    def __init__(self, base_url: str, *, access_token: str = "", fails: Fails = error_of) -> None:
        self._session = guarded_session(base_url)
        # Each access to a property of `HubSpot` builds a new client: this one is kept.
        self._api = HubSpot(host=base_url.rstrip("/")).oauth.tokens_api.api_client
        self._api.rest_client = _Guarded(self._session, fails)
        self._headers = {"Accept": "application/json"}
        if access_token:
            self._headers["Authorization"] = f"Bearer {access_token}"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one request; `body` goes as JSON, `form` as a form.

        Raises:
            CrmError: the portal does not answer, or refuses.
        """
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = self._api.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=dict(body) if body is not None else None,
            post_params=list((form or {}).items()),
            auth_settings=[],
            _preload_content=False,  # as `_Guarded` made it
        )
        return cast("Answer", answer)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _Guarded:
    """Stands in for the vendor's `RESTClientObject`: the same calls through our session."""

    def __init__(self, session: requests.Session, fails: Fails) -> None:
        self._session = session
        self._fails = fails

    # The names are those that the vendor's `ApiClient.request` calls.
    def GET(self, url: str, **options: Any) -> Answer:  # noqa: N802
        return self._send("GET", url, **options)

    def POST(self, url: str, **options: Any) -> Answer:  # noqa: N802
        return self._send("POST", url, **options)

    def PATCH(self, url: str, **options: Any) -> Answer:  # noqa: N802
        return self._send("PATCH", url, **options)

    def _send(self, method: str, url: str, **options: Any) -> Answer:
        body, form = options.get("body"), options.get("post_params")
        headers = dict(options.get("headers") or {})
        data: str | None = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":"))
        elif form:
            data = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with crm_errors():
            response = self._session.request(
                method, url, params=options.get("query_params") or None, data=data, headers=headers
            )
        return self._answer(response)

    def _answer(self, response: requests.Response) -> Answer:
        try:
            found = json.loads(response.content) if response.content else {}
        except ValueError:
            found = None
        if not 200 <= response.status_code < 300:
            raise self._fails(response, found if isinstance(found, dict) else {})
        if not isinstance(found, dict):
            raise TransientCrmError("bad_reply", "not a JSON object")
        return Answer(status=response.status_code, headers=response.headers, body=found)
