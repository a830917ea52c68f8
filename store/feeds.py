"""How far an account's events were fetched, where we fetch them: the feed table.

One worker at a time fetches an account's feed, for as long as it says so again and again. Two that
do so at once, after a pause of one of them, do no harm: an event is a doorbell, and rings twice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, func, or_, select, update

from store import schema
from store.engine import insert_into, reading

_table = schema.feed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Where a feed stands."""

    position: str  #: The CRM's own mark; empty before the first portion.
    fetched_at: datetime | None  #: When the CRM last answered.


class Feeds:
    """The feed table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(self, account_id: str, kind: str) -> FeedState | None:
        """Return where a feed stands, or None when it was never fetched."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_table.c.position, _table.c.fetched_at).where(*_is(account_id, kind))
            ).one_or_none()
        return None if row is None else FeedState(position=row[0], fetched_at=row[1])

    def fetched(self) -> dict[str, datetime]:
        """Return when the CRM last answered, by account; without those that it never did."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(_table.c.account_id, func.max(_table.c.fetched_at).label("at"))
                .where(_table.c.fetched_at.is_not(None))
                .group_by(_table.c.account_id)
            ).all()
        return {row.account_id: row.at for row in rows}

    def take(
        self, account_id: str, kind: str, owner: str, *, now: datetime, lasts: timedelta
    ) -> FeedState | None:
        """Take a feed, or keep it; None while another worker has it.

        Args:
            account_id: The account.
            kind: The kind of its deliveries.
            owner: Who fetches.
            now: By the clock that all workers share.
            lasts: How long it is ours if we do not come again.
        """
        with self._engine.begin() as connection:
            connection.execute(
                insert_into(connection, _table)
                .values(account_id=account_id, kind=kind)
                .on_conflict_do_nothing()
            )
            row = connection.execute(
                update(_table)
                .where(
                    *_is(account_id, kind),
                    or_(
                        _table.c.holder.is_(None),
                        _table.c.holder == owner,
                        _table.c.held_until < now,
                    ),
                )
                .values(holder=owner, held_until=now + lasts)
                .returning(_table.c.position, _table.c.fetched_at)
            ).one_or_none()
        return None if row is None else FeedState(position=row[0], fetched_at=row[1])

    def advance(
        self, account_id: str, kind: str, owner: str, *, position: str, now: datetime
    ) -> None:
        """Keep how far the feed was fetched, if it is still ours: its events are stored."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(*_is(account_id, kind), _table.c.holder == owner)
                .values(position=position, fetched_at=now)
            )

    def release(self, account_id: str, kind: str, owner: str) -> None:
        """Give the feed back, so that the next worker need not wait."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(*_is(account_id, kind), _table.c.holder == owner)
                .values(holder=None)
            )


def _is(account_id: str, kind: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (_table.c.account_id == account_id, _table.c.kind == kind)
