"""Erases all that is known of a record, and sees to it that it does not come back (S56, S57).

In one transaction go the record's data key and with it all that was sealed under it, its facts,
reasons, history, outcomes, its place among what is due, and its dead letters; a tombstone stays.
The tombstone is put into its file first: a copy of the database that misses it cannot bring the
record back.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, select

from store import accounts, schema
from store.audit import Act, Audit
from store.engine import forget_deleted, reading
from store.tombstones import Record, TombstoneFile, Tombstones

log = logging.getLogger(__name__)

#: Every table that names a record.
_TABLES = (schema.lead, schema.score_history, schema.outcome, schema.due, schema.dead_letter)
_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What became of an erasure."""

    records: int  #: Erased now; those that were erased before do not count.
    rows: int  #: Deleted.
    is_filed: bool  #: The tombstones are in their file, too.


class Erasure:
    """Erases records."""

    def __init__(
        self, *, ledger: Engine, tombstones: Tombstones, audit: Audit, file: TombstoneFile
    ) -> None:
        self._ledger = ledger
        self._tombstones = tombstones
        self._audit = audit
        self._file = file

    def erase(self, records: Sequence[Record], actor: str, now: datetime) -> Erased:
        """Erase `records`. Safe to repeat.

        An unwritable tombstone file does not stop it: `file_all` makes up for it.
        """
        wanted = list(dict.fromkeys(records))
        new = self._not_yet(wanted)
        is_filed = True
        try:
            self._file.append([self._tombstones.of(record, now) for record in new])
        except OSError as error:
            is_filed = False
            log.error("tombstones.not_filed", extra={"error": type(error).__name__})  # noqa: TRY400
        rows = 0
        for record in wanted:
            with self._ledger.begin() as connection:
                rows += self._erase(connection, record, actor, now, is_new=record in new)
        if new:
            log.info("records.erased", extra={"count": len(new)})
        return Erased(records=len(new), rows=rows, is_filed=is_filed)

    def _not_yet(self, records: Sequence[Record]) -> list[Record]:
        with reading(self._ledger).connect() as connection:
            return [
                record
                for record in records
                if not self._tombstones.among(
                    connection, record.account_id, record.object_type, [record.record_id]
                )
            ]

    def _erase(
        self, connection: Connection, record: Record, actor: str, now: datetime, *, is_new: bool
    ) -> int:
        # Whoever stores scores of this account right now ends first, and then sees the tombstone.
        accounts.hold(connection, record.account_id)
        stone = self._tombstones.of(record, now)
        self._tombstones.put(connection, [stone])
        rows = sum(
            connection.execute(
                delete(table).where(
                    table.c.account_id == record.account_id,
                    table.c.object_type == record.object_type,
                    table.c.record_id == record.record_id,
                )
            ).rowcount
            for table in _TABLES
        )
        if is_new or rows:
            # Without the id: the trail must not say for good who was here.
            act = Act(
                account_id=record.account_id,
                actor=actor,
                act="record.erased",
                object_type=record.object_type,
                fields=f"tombstone {stone.record_hash.hex()[:16]}",
                count=rows,
            )
            self._audit.append(connection, act, now)
        return rows

    def clear(self) -> bool:
        """Clear what was erased from where it may linger; False when it must be tried again.

        Not inside a transaction: on PostgreSQL it may take a while.
        """
        return forget_deleted(self._ledger, _TABLES)

    def file_all(self) -> int:
        """Put every tombstone that is not in the file there, too; return how many.

        Those of other machines, and of a moment when the file could not be written. Raises: OSError.
        """
        with reading(self._ledger).connect() as connection:
            stones = self._tombstones.all(connection)
        filed = {(stone.account_id, stone.record_hash) for stone in self._file.read()}
        missing = [s for s in stones if (s.account_id, s.record_hash) not in filed]
        self._file.append(missing)
        return len(missing)

    def apply_file(self, actor: str, now: datetime) -> int:
        """Erase from a restored copy what was erased since it was made (S57); return how many."""
        with self._ledger.begin() as connection:
            self._tombstones.put(connection, self._file.read())
        found = [
            Record(account_id, object_type, record_id)
            for account_id, object_type in self._kinds()
            for record_id in self._erased_ids(account_id, object_type)
        ]
        self.erase(found, actor, now)
        return len(found)

    def _kinds(self) -> list[tuple[str, str]]:
        with reading(self._ledger).connect() as connection:
            found = {
                (row.account_id, row.object_type)
                for table in _TABLES
                for row in connection.execute(
                    select(table.c.account_id, table.c.object_type).distinct()
                )
                if row.object_type
            }
        return sorted(found)

    def _erased_ids(self, account_id: str, object_type: str) -> set[str]:
        """Return what has both a tombstone and a row in any table."""
        erased: set[str] = set()
        for table in _TABLES:
            after = ""
            while True:
                with reading(self._ledger).connect() as connection:
                    ids = (
                        connection.execute(
                            select(table.c.record_id)
                            .distinct()
                            .where(
                                table.c.account_id == account_id,
                                table.c.object_type == object_type,
                                table.c.record_id > after,
                            )
                            .order_by(table.c.record_id)
                            .limit(_PAGE)
                        )
                        .scalars()
                        .all()
                    )
                    erased |= self._tombstones.among(connection, account_id, object_type, ids)
                if len(ids) < _PAGE:
                    break
                after = ids[-1]
        return erased
