"""How far an account's records were listed: where the sweep has come, where a backfill stands.

A page of a backfill is marked due and its cursor kept in one transaction, so that a backfill
that is killed goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, select, update

from store import due, schema
from store.due import DueMark, Lane
from store.engine import insert_into, reading
from store.tombstones import Tombstones

_table = schema.listing

#: The cause of a record that a backfill named.
BACKFILL = "backfill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Where a backfill of one record type stands."""

    object_type: str
    cursor: str  #: The CRM client's own; empty at the beginning.
    marked: int  #: Records marked due so far.
    total: int | None  #: As the CRM counted when it began.
    started_at: datetime
    listed_at: datetime | None  #: When the last record was marked due.


class Listings:
    """The listing table."""

    def __init__(self, engine: Engine, tombstones: Tombstones) -> None:
        self._engine = engine
        self._tombstones = tombstones

    def swept_until(self, account_id: str, object_type: str) -> datetime | None:
        """Return the newest modification the sweep has seen, by the CRM's clock."""
        with reading(self._engine).connect() as connection:
            found: datetime | None = connection.execute(
                select(_table.c.swept_until).where(*_is(account_id, object_type))
            ).scalar_one_or_none()
        return found

    def set_swept(self, account_id: str, object_type: str, until: datetime) -> None:
        """Move the sweep's mark on; never back, whoever comes late."""
        with self._engine.begin() as connection:
            _ensure(connection, account_id, object_type)
            connection.execute(
                update(_table)
                .where(
                    *_is(account_id, object_type),
                    (_table.c.swept_until.is_(None)) | (_table.c.swept_until < until),
                )
                .values(swept_until=until)
            )

    def backfill(self, account_id: str, object_type: str) -> Backfill | None:
        """Return the account's last backfill of a type, or None when there was none."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_table).where(*_is(account_id, object_type))
            ).one_or_none()
        if row is None or row.started_at is None:
            return None
        return Backfill(
            object_type=object_type,
            cursor=row.cursor,
            marked=row.marked,
            total=row.total,
            started_at=row.started_at,
            listed_at=row.listed_at,
        )

    def begin(self, account_id: str, object_type: str, now: datetime) -> None:
        """Begin a backfill at the first record, whatever was before."""
        with self._engine.begin() as connection:
            _ensure(connection, account_id, object_type)
            connection.execute(
                update(_table)
                .where(*_is(account_id, object_type))
                .values(cursor="", marked=0, total=None, started_at=now, listed_at=None)
            )

    def advance(
        self,
        account_id: str,
        object_type: str,
        ids: Sequence[str],
        *,
        cursor: str | None,
        total: int | None,
        now: datetime,
    ) -> None:
        """Mark a page's records due, behind all others, and keep where the next page begins.

        Args:
            account_id: The account.
            object_type: The records' type.
            ids: The page.
            cursor: Where the next page begins; None after the last.
            total: How many records there are, where the CRM said so with this page.
            now: When they are due.
        """
        marks = [
            DueMark(
                account_id=account_id,
                object_type=object_type,
                record_id=record_id,
                cause=BACKFILL,
                since_at=None,
                lane=Lane.BACKFILL,
            )
            for record_id in ids
        ]
        values: dict[str, object] = {"marked": _table.c.marked + len(ids)}
        values |= {"listed_at": now} if cursor is None else {"cursor": cursor}
        if total is not None:
            values["total"] = total
        with self._engine.begin() as connection:
            due.mark(connection, self._tombstones, marks, now)
            connection.execute(update(_table).where(*_is(account_id, object_type)).values(values))


def _is(account_id: str, object_type: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (_table.c.account_id == account_id, _table.c.object_type == object_type)


def _ensure(connection: Connection, account_id: str, object_type: str) -> None:
    connection.execute(
        insert_into(connection, _table)
        .values(account_id=account_id, object_type=object_type)
        .on_conflict_do_nothing()
    )
