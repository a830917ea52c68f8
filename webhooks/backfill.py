"""Backfill: lists every record an account has and lets the worker score it, behind all others.

The list is read a page at a time and only so far ahead that the due table stays small. Its place
is kept with each page: who is killed goes on there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from store.due import Due
from store.listings import Listings
from webhooks.pipeline import AccountWork

#: So many records of an account may wait before the next page is listed.
MOST_WAITING = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the backfill of one account has come."""

    marked: int  #: Records marked due so far.
    waiting: int  #: Records of the account that are due, of these or others.
    total: int | None  #: As the CRM counted; None where it did not say.
    is_listed: bool  #: Every record was marked due.

    @property
    def done(self) -> int:
        """Records scored."""
        return max(0, self.marked - self.waiting)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.is_listed and not self.waiting


class Backfiller:
    """Lists accounts for a backfill; does not score."""

    def __init__(self, *, listings: Listings, due: Due, clock: Callable[[], datetime]) -> None:
        self._listings = listings
        self._due = due
        self._clock = clock

    def begin(self, work: AccountWork, *, anew: bool = False) -> bool:
        """Begin, or go on with what was begun; return whether an earlier one goes on.

        Args:
            work: The account.
            anew: Forget where an earlier backfill stands.
        """
        goes_on = False
        for object_type in work.object_types:
            before = self._listings.backfill(work.name, object_type)
            if anew or before is None or before.listed_at is not None:
                self._listings.begin(work.name, object_type, self._clock())
            else:
                goes_on = True
        return goes_on

    def step(self, work: AccountWork) -> bool:
        """List one more page unless enough waits; return whether one was listed.

        Raises:
            CrmError: The CRM does not answer; the next step tries the same page.
        """
        if not work.client.may_hurry() or self._waiting(work) > MOST_WAITING:
            return False
        for object_type in work.object_types:
            now = self._listings.backfill(work.name, object_type)
            if now is None or now.listed_at is not None:
                continue
            page = work.client.list_ids(object_type, since=None, cursor=now.cursor)
            self._listings.advance(
                work.name,
                object_type,
                page.ids,
                cursor=page.cursor,
                total=page.total,
                now=self._clock(),
            )
            return True
        return False

    def progress(self, work: AccountWork) -> Progress:
        """Return how far the account's backfill has come."""
        states = [self._listings.backfill(work.name, kind) for kind in work.object_types]
        known = [state for state in states if state is not None]
        totals = [state.total for state in known if state.total is not None]
        return Progress(
            marked=sum(state.marked for state in known),
            waiting=self._waiting(work),
            total=sum(totals) if len(totals) == len(states) else None,
            is_listed=len(known) == len(states) and all(state.listed_at for state in known),
        )

    def _waiting(self, work: AccountWork) -> int:
        # In any lane: an event or a sweep may have moved a record up.
        return self._due.waiting(work.name, self._clock())


def chosen(works: Sequence[AccountWork], account: str) -> list[AccountWork]:
    """Return the accounts meant: the one named, or all where no name is given.

    Raises:
        KeyError: There is no account of that name.
    """
    found = [work for work in works if account in {"", work.name}]
    if not found:
        raise KeyError(account)
    return found
