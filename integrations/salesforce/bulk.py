"""Lists a large object by a query job of Bulk API 2.0: ten thousand ids a call.

Scores are not written this way: what became of each record must be known while the account is ours,
and collections take five calls for a thousand (docs/decisions/0029).
Source: reference salesforce.md section 3.1, "Bulk API 2.0"; Bulk API 2.0 guide, "Query".
"""

import csv
import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from integrations.base import Page
from integrations.errors import CrmError, PermanentCrmError, TransientCrmError
from integrations.salesforce import wire
from integrations.salesforce.calls import OrgCalls

log = logging.getLogger(__name__)

#: From so many records on. Salesforce advises it from 2,000; a job takes its time to begin, and
#: plain queries list so many in ten calls.
FROM = 20_000
#: Ids in one answer. Bounds what is marked due in one transaction.
PAGE = 10_000
#: How long to wait before asking again whether the job is done, and how often in one call.
WAIT_S, WAITS = 2.0, 5
#: Pages that may be waited for a job, 8 s each: after 20 minutes plain queries are sooner done.
MOST_WAITED = 150
#: Where a listing by plain queries begins.
FROM_THE_START = "/"

_JOBS = "jobs/query"
#: A job, then where its results go on, or how often it was waited for.
_CURSOR = re.compile(r"bulk/([a-zA-Z0-9]{15,18})/(?:([A-Za-z0-9]{1,60})|(~[0-9]{1,4})?)")
_OVER = frozenset({"Failed", "Aborted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkListing:
    """Query jobs of one org."""

    calls: OrgCalls
    sleep: Callable[[float], None]

    def begin(self, soql: str, total: int) -> Page:
        """Begin a job; the page is empty, its cursor leads to the first ids. Raises: CrmError."""
        body = {"operation": "query", "query": soql}
        made = self.calls.call("bulk", _JOBS, method="POST", json=body)
        job = made.get("id") if isinstance(made, dict) else None
        if not isinstance(job, str) or not wire.RECORD_ID.match(job):
            raise TransientCrmError("bad_reply", "a job without an id")
        return Page(ids=[], cursor=f"bulk/{job}/", total=total)

    def page(self, cursor: str) -> Page:
        """Return the ids at a cursor of ours; none while the job is not done.

        A job that failed, is gone or does not end makes way for a listing by plain queries.

        Raises:
            CrmError: The call failed.
            ValueError: The cursor is not one of ours.
        """
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise ValueError("not a cursor of a query job")
        job, locator, waited = found.groups()
        turn = int((waited or "~0")[1:]) + 1
        try:
            if not locator and not self._is_done(job, turn):
                return Page(ids=[], cursor=f"bulk/{job}/~{turn}")
            return self._results(job, locator or "")
        except PermanentCrmError as error:
            self._log(error)
            return Page(ids=[], cursor=FROM_THE_START)

    def _is_done(self, job: str, turn: int) -> bool:
        """Wait a while for the job, for the `turn`th time. Raises: PermanentCrmError: no use."""
        for look in range(WAITS):
            if look:
                self.sleep(WAIT_S)
            found = self.calls.call("bulk", f"{_JOBS}/{job}", method="GET")
            state = found.get("state") if isinstance(found, dict) else None
            if state == "JobComplete":
                return True
            if state in _OVER:
                raise PermanentCrmError("bulk_failed", "the job failed")
        if turn > MOST_WAITED:
            raise PermanentCrmError("bulk_slow", "the job does not end")
        return False

    def _results(self, job: str, locator: str) -> Page:
        more = f"&locator={locator}" if locator else ""
        text, headers = self.calls.fetch("bulk", f"{_JOBS}/{job}/results?maxRecords={PAGE}{more}")
        rows = csv.DictReader(io.StringIO(text))
        ids = [row.get("Id") or "" for row in rows]
        if not all(wire.RECORD_ID.match(one) for one in ids):
            raise TransientCrmError("bad_reply", "results: not an id")
        after = headers.get("Sforce-Locator", "null")
        cursor = None if after == "null" else f"bulk/{job}/{after}"
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise TransientCrmError("bad_reply", "results: not a locator")
        return Page(ids=[wire.full_id(one) for one in ids], cursor=cursor)

    def _log(self, error: CrmError) -> None:
        account = self.calls.caller.account
        log.warning("bulk.failed", extra={"account": account, "code": error.code})


def is_bulk(cursor: str) -> bool:
    """Tell whether a cursor is of a query job."""
    return cursor.startswith("bulk/")
