"""The sweep: asks the CRM what changed, and marks it due (S30).

Webhooks get lost: a receiver that was down for longer than the CRM tries, an address typed wrong,
a subscription that was never made. So each account is asked what was modified since the newest
modification the last sweep has seen, less an overlap, since a CRM's index lags behind.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from store.due import Due, DueMark, Lane
from store.listings import Listings
from webhooks.pipeline import AccountWork

log = logging.getLogger(__name__)

#: Asked for again each time. Source: reference hubspot.md section 4: "overlap a few minutes".
OVERLAP = timedelta(minutes=5)
#: How far the first sweep of an account looks back; `leadscore backfill` looks at everything.
FIRST = timedelta(hours=24)
#: The cause of a record that a sweep found.
SWEPT = "swept"


class Sweeper:
    """Sweeps accounts."""

    def __init__(self, *, listings: Listings, due: Due, clock: Callable[[], datetime]) -> None:
        self._listings = listings
        self._due = due
        self._clock = clock

    def sweep(self, work: AccountWork, *, go_on: Callable[[], bool] = lambda: True) -> int:
        """Mark due what changed in the account; return how many records.

        Args:
            work: The account.
            go_on: Asked before each page; the next sweep goes on where this one ended.

        Raises:
            CrmError: The CRM does not answer; what was listed before is marked.
        """
        return sum(self._sweep(work, object_type, go_on) for object_type in work.object_types)

    def _sweep(self, work: AccountWork, object_type: str, go_on: Callable[[], bool]) -> int:
        began = self._clock()
        until = self._listings.swept_until(work.name, object_type)
        since = began - FIRST if until is None else until - OVERLAP
        cursor: str | None = ""
        found = 0
        while cursor is not None and go_on():
            page = work.client.list_ids(object_type, since=since, cursor=cursor)
            cursor = page.cursor
            now = self._clock()
            self._due.mark(
                [
                    DueMark(
                        account_id=work.name,
                        object_type=object_type,
                        record_id=record_id,
                        cause=SWEPT,
                        since_at=None,
                        lane=Lane.LATER,
                    )
                    for record_id in page.ids
                ],
                now,
            )
            found += len(page.ids)
            if page.newest is not None:
                self._listings.set_swept(work.name, object_type, page.newest)
                # Changed since we began: our own writes, mostly. The next sweep has the rest.
                cursor = None if page.newest > began else cursor
        if found:
            log.info(
                "sweep.done",
                extra={"account": work.name, "object_type": object_type, "count": found},
            )
        return found
