"""Query jobs of Bulk API 2.0: made, asked about, fetched as CSV in parts.

Source: reference salesforce.md section 3.1, "Bulk API 2.0"; Bulk API 2.0 guide, "Create a Query
Job", "Get Results for a Query Job". A job is done when it was asked about `polls` times.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.simulator.salesforce.errors import ApiError, malformed_query, not_found
from integrations.simulator.salesforce.ids import numbered_id
from integrations.simulator.salesforce.query import Queries
from integrations.simulator.salesforce.soql import parse

JOB = "750"
MOST_ROWS = 250_000


@dataclass(slots=True)
class _Job:
    names: list[str]
    rows: list[dict[str, object]]
    polls_left: int


class QueryJobs:
    """The jobs of an org. Not locked: the caller is."""

    def __init__(self, queries: Queries, *, polls: int) -> None:
        self._queries = queries
        self._polls = polls
        self._jobs: dict[str, _Job] = {}
        self.fail_all = False  #: Jobs fail from now on.

    def create(self, body: Mapping[str, Any], version: str) -> dict[str, object]:
        """Make a job. Raises: ApiError, as its 400."""
        if body.get("operation") not in ("query", "queryAll"):
            raise ApiError(400, "INVALIDJOB", "operation must be query or queryAll")
        statement = str(body.get("query") or "")
        query = parse(statement)
        if not query.columns or query.groups or any(each.function for each in query.columns):
            raise malformed_query("aggregate queries are not supported by query jobs")
        rows = self._queries.all_rows(statement, version=version)
        job = numbered_id(JOB, len(self._jobs) + 1)
        self._jobs[job] = _Job([each.field for each in query.columns], rows, self._polls)
        return {"id": job, "operation": "query", "state": "UploadComplete", "contentType": "CSV"}

    def state(self, job: str) -> dict[str, object]:
        """Return how far a job is. Raises: ApiError, as its 404."""
        found = self._job(job)
        found.polls_left -= 1
        state = "InProgress" if found.polls_left >= 0 else "JobComplete"
        return {"id": job, "state": "Failed" if self.fail_all else state}

    def results(self, job: str, most: int, locator: str) -> tuple[str, dict[str, str]]:
        """Return a part of the results, and its headers. Raises: ApiError, as its 400 or 404."""
        found = self._job(job)
        if found.polls_left >= 0 or self.fail_all:
            raise ApiError(400, "INVALIDJOBSTATE", "the job is not complete")
        if locator and not locator.isdecimal():
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        start = int(locator or 0)
        end = start + min(max(most, 1), MOST_ROWS)
        part = found.rows[start:end]
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(found.names)
        writer.writerows([row.get(name) for name in found.names] for row in part)
        return out.getvalue(), {
            "Sforce-NumberOfRecords": str(len(part)),
            "Sforce-Locator": str(end) if end < len(found.rows) else "null",
        }

    def _job(self, job: str) -> _Job:
        if job not in self._jobs:
            raise not_found()
        return self._jobs[job]
