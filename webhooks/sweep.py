"""The sweep: asks the CRM what changed, and marks it due (S30).

Webhooks get lost: a receiver that was down for longer than the CRM tries, an address typed wrong,
a subscription that was never made. So each account is asked what was modified since the newest
modification the last sweep has seen, less an overlap, since a CRM's index lags behind.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from store.due import SWEPT, Due, DueMark, Lane
from store.listings import Listings
from webhooks.pipeline import AccountWork

log = logging.getLogger(__name__)

#: Asked for again each time. Source: reference hubspot.md section 4: "overlap a few minutes".
OVERLAP = timedelta(minutes=5)
#: How far the first sweep of an account looks back; `leadscore backfill` looks at everything.
FIRST = timedelta(hours=24)


class Sweeper:
    """Sweeps accounts."""

    def __init__(self, *, listings: Listings, due: Due, clock: Callable[[], datetime]) -> None:
        self._listings = listings
        self._due = due
        self._clock = clock
        #: Account and type -> the newest change, since when it is, whether all before it was seen.
        self._newest: dict[tuple[str, str], tuple[datetime, datetime, bool]] = {}

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
        since = began - FIRST if until is None else self._since(work.name, object_type, until)
        cursor: str | None = ""
        found = 0
        is_whole = True
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
                is_whole = is_whole and page.newest <= began
                cursor = None if page.newest > began else cursor
        if cursor is None and is_whole:
            self._settle(work.name, object_type, began)
        if found:
            log.info(
                "sweep.done",
                extra={"account": work.name, "object_type": object_type, "count": found},
            )
        return found

    def _since(self, account: str, object_type: str, until: datetime) -> datetime:
        """Return from when on to ask: nothing of before is new where nothing changed for long.

        Else a quiet account's last records, as those that a backfill wrote, would be read again
        at each sweep. Only time that passed here is measured, so that no clock need be right.
        """
        newest, _, is_settled = self._newest.get((account, object_type), (until, until, False))
        return until if is_settled and newest == until else until - OVERLAP

    def _settle(self, account: str, object_type: str, began: datetime) -> None:
        """Note that all was listed that the CRM knew when the sweep began."""
        until = self._listings.swept_until(account, object_type)
        if until is None:
            return
        newest, first, is_settled = self._newest.get((account, object_type), (until, began, False))
        if newest != until:
            first, is_settled = began, False
        is_settled = is_settled or began - first > OVERLAP
        self._newest[account, object_type] = (until, first, is_settled)
