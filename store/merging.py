"""Folds what is known of a record that was merged away into the one that remains.

What was sealed under the loser's data key is sealed anew under the winner's, in its own place; then
the loser's rows go, and with them its key. The CRM's record decides the score, as ever: the winner
is due, and what is folded is its past.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from store import accounts, due, schema
from store.due import DueMark, Lane
from store.retired_keys import require_kept
from store.tombstones import Record, Tombstones
from store.vault import Cell, DataKey, Vault, VaultError, wrapped_under

_lead = schema.lead
_history = schema.score_history
_MICROSECOND = timedelta(microseconds=1)


class Merging:
    """Folds records."""

    def __init__(self, *, ledger: Engine, vault: Vault, tombstones: Tombstones) -> None:
        self._ledger = ledger
        self._vault = vault
        self._tombstones = tombstones

    def fold(self, loser: Record, winner: Record, now: datetime) -> bool:
        """Fold `loser` into `winner`, in one transaction; tell whether there was anything.

        Safe to repeat. Nothing happens where either was erased (S56), or a key does not open: what
        is left of the loser is deleted when the CRM says that it is gone.

        Raises:
            RetiredKeyError: A master key of this process is retired; nothing is changed.
        """
        with self._ledger.begin() as connection:
            # Whoever stores scores of this account right now ends first.
            accounts.hold(connection, loser.account_id)
            ids = [loser.record_id, winner.record_id]
            account_id, object_type = loser.account_id, loser.object_type
            if self._tombstones.among(connection, account_id, object_type, ids):
                return False
            if winner.object_type != object_type and self._tombstones.among(
                connection, account_id, winner.object_type, [winner.record_id]
            ):
                return False
            self._pass_on_due(connection, loser, winner, now)
            old = connection.execute(select(_lead).where(*_is(_lead, loser))).first()
            if old is None:
                return False
            try:
                key = self._vault.unwrap(old.wrapped_key, _cell(loser, "wrapped_key"))
                new_key = self._winners(connection, winner, old, key)
            except VaultError:
                return False
            moved = _fold_history(connection, loser, winner, key, new_key)
            connection.execute(
                update(_lead).where(*_is(_lead, winner)).values(key_uses=_lead.c.key_uses + moved)
            )
            for table in (_lead, _history):
                connection.execute(delete(table).where(*_is(table, loser)))
        return True

    def _pass_on_due(
        self, connection: Connection, loser: Record, winner: Record, now: datetime
    ) -> None:
        """Let the winner wait for what the loser waited for, since when it did."""
        waits = connection.execute(
            select(schema.due.c.since_at, schema.due.c.lane).where(*_is(schema.due, loser))
        ).first()
        if waits is None or waits.since_at is None:
            return
        mark = DueMark(
            account_id=winner.account_id,
            object_type=winner.object_type,
            record_id=winner.record_id,
            cause="merged",
            since_at=waits.since_at,
            lane=Lane(waits.lane),
        )
        due.mark(connection, self._tombstones, [mark], now)

    def _winners(
        self, connection: Connection, winner: Record, old: Row[Any], key: DataKey
    ) -> DataKey:
        """Return the winner's data key; one that was never scored takes over the loser's row."""
        cell = _cell(winner, "wrapped_key")
        known = connection.execute(
            select(_lead.c.wrapped_key).where(*_is(_lead, winner))
        ).scalar_one_or_none()
        if known is not None:
            return self._vault.unwrap(known, cell)
        new_key, wrapped = self._vault.new_key(cell)
        loser = Record(old.account_id, old.object_type, old.record_id)
        values: dict[str, Any] = {
            **old._mapping,  # noqa: SLF001  SQLAlchemy's public name for a row's columns
            "object_type": winner.object_type,  # a lead goes on as a contact
            "record_id": winner.record_id,
            "written_hash": None,  # what the CRM holds of the winner is not known
            "wrapped_key": wrapped,
            "key_uses": 2,
        }
        for column in ("sealed_facts", "sealed_reasons"):
            plain = key.open(values[column], _cell(loser, column))
            values[column] = new_key.seal(plain, _cell(winner, column))
        connection.execute(insert(_lead), [values])
        require_kept(connection, {wrapped_under(wrapped)})
        return new_key


def _fold_history(
    connection: Connection, loser: Record, winner: Record, key: DataKey, new_key: DataKey
) -> int:
    """Give the winner the loser's history, sealed anew; return how many entries."""
    taken = set(
        connection.execute(select(_history.c.scored_at).where(*_is(_history, winner))).scalars()
    )
    rows: list[dict[str, Any]] = []
    for row in connection.execute(select(_history).where(*_is(_history, loser))).mappings():
        try:
            plain = key.open(row["sealed_reasons"], _past(loser, row["scored_at"]))
        except VaultError:
            continue  # sealed under a key that was worn: nobody can read it
        at = row["scored_at"]
        while at in taken:  # both were scored in one batch
            at += _MICROSECOND
        taken.add(at)
        sealed = new_key.seal(plain, _past(winner, at))
        new = {"object_type": winner.object_type, "record_id": winner.record_id}
        rows.append({**row, **new, "scored_at": at, "sealed_reasons": sealed})
    if rows:
        connection.execute(insert(_history), rows)
    return len(rows)


def _is(table: Any, record: Record) -> tuple[Any, ...]:
    return (
        table.c.account_id == record.account_id,
        table.c.object_type == record.object_type,
        table.c.record_id == record.record_id,
    )


def _cell(record: Record, column: str) -> Cell:
    name = f"{record.object_type}:{record.record_id}"
    return Cell(record.account_id, "lead", column, name)


def _past(record: Record, scored_at: datetime) -> Cell:
    name = f"{record.object_type}:{record.record_id}:{scored_at.isoformat()}"
    return Cell(record.account_id, "score_history", "sealed_reasons", name)
