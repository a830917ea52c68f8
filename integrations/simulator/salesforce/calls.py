"""Wraps a REST view: counted, let through, answered as JSON with the usage header.

Source: reference salesforce.md sections 3.2 and 3.3.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request

from integrations.simulator.counters import Counters
from integrations.simulator.faults import Faults
from integrations.simulator.salesforce.bulk import QueryJobs
from integrations.simulator.salesforce.errors import ApiError, limit_exceeded, unparsable
from integrations.simulator.salesforce.oauth import Sessions
from integrations.simulator.salesforce.query import Queries
from integrations.simulator.salesforce.records import Records
from integrations.simulator.salesforce.settings import SalesforceSettings

DAY = timedelta(hours=24)

View = Callable[..., tuple[int, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """Everything one org is made of; `lock` is held by whoever touches the rest."""

    settings: SalesforceSettings
    now: Callable[[], datetime]
    lock: threading.RLock
    counts: Counters
    faults: Faults
    records: Records
    queries: Queries
    jobs: QueryJobs
    sessions: Sessions
    usage: "Usage"


class Usage:
    """Calls of the last 24 hours. Not locked: the caller is."""

    def __init__(self, *, limit: int, now: Callable[[], datetime]) -> None:
        self.limit = limit
        self._now = now
        self._calls: deque[datetime] = deque()

    @property
    def used(self) -> int:
        """Calls counted in the last 24 hours."""
        oldest = self._now() - DAY
        while self._calls and self._calls[0] <= oldest:
            self._calls.popleft()
        return len(self._calls)

    def spend(self) -> None:
        """Count a call, or raise the 403."""
        if self.used >= self.limit:
            raise limit_exceeded()
        self._calls.append(self._now())

    def exhaust(self) -> None:
        """Use up what is left of the day."""
        self._calls.extend([self._now()] * (self.limit - self.used))


class Calls:
    """Makes views that the org guards."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def view(self, name: str, view: View) -> Callable[..., Response]:
        """Return the Flask view of `view`, counted as `name`."""
        org = self._org

        def answer(**path: str) -> Response:
            org.counts.add(name)
            try:
                with org.lock:
                    org.sessions.check(request.headers.get("Authorization", ""))
                    org.usage.spend()
                    status, body = view(**path)
            except ApiError as error:
                status, body = error.status, error.body
            headers = {"Sforce-Limit-Info": f"api-usage={org.usage.used}/{org.usage.limit}"}
            if isinstance(body, Csv):
                more = {**headers, **body.headers}
                return Response(body.text, status, more, content_type="text/csv")
            return json_answer(status, body, headers)

        return answer


@dataclass(frozen=True, slots=True)
class Csv:
    """An answer that is no JSON."""

    text: str
    headers: Mapping[str, str]


def json_answer(status: int, body: object, headers: Mapping[str, str]) -> Response:
    """Return an answer; a body of None is empty."""
    text = "" if body is None else json.dumps(body, separators=(",", ":"))
    return Response(text, status, dict(headers), content_type="application/json;charset=UTF-8")


def json_body() -> dict[str, Any]:
    """Return the request's JSON object, or raise the 400."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise unparsable("Unexpected character") from None
    if not isinstance(body, dict):
        raise unparsable("Cannot deserialize request body")
    return body
