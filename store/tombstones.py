"""Tombstones: which records were erased and must not come back (S56, S57).

A tombstone is a keyed hash of account, type and id: it tells a record that is named again, and
nothing to who reads it. The same hashes lie in a file that is in no backup, so that a copy from
before the erasure does not bring the record back.
"""

import json
import os
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select

from store import schema
from store.engine import insert_into
from store.vault import Vault

_table = schema.tombstone
#: Hashes in one question.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an account in the CRM."""

    account_id: str
    object_type: str
    record_id: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That a record was erased."""

    account_id: str
    record_hash: bytes
    erased_at: datetime


class Tombstones:
    """The table of tombstones, always inside a transaction of others."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def of(self, record: Record, now: datetime) -> Tombstone:
        """Return the tombstone of `record`."""
        parts = (record.object_type.encode(), record.record_id.encode())
        value = b"".join(struct.pack(">I", len(part)) + part for part in parts)
        digest = self._vault.keyed_hash("tombstone", record.account_id, value)
        return Tombstone(record.account_id, digest, now)

    def among(
        self, connection: Connection, account_id: str, object_type: str, ids: Collection[str]
    ) -> set[str]:
        """Return which of `ids` were erased."""
        found = connection.execute(
            select(_table.c.account_id).where(_table.c.account_id == account_id).limit(1)
        ).first()
        if found is None:
            return set()  # nearly always: not one hash is made
        at = schema.instant(0)
        named = {self.of(Record(account_id, object_type, i), at).record_hash: i for i in ids}
        hashes = sorted(named)
        erased: set[str] = set()
        for start in range(0, len(hashes), _AT_ONCE):
            part = hashes[start : start + _AT_ONCE]
            rows = connection.execute(
                select(_table.c.record_hash).where(
                    _table.c.account_id == account_id, _table.c.record_hash.in_(part)
                )
            ).scalars()
            erased |= {named[digest] for digest in rows}
        return erased

    def put(self, connection: Connection, stones: Iterable[Tombstone]) -> None:
        """Keep tombstones; one that is there stays as it is."""
        rows = [
            {
                "account_id": stone.account_id,
                "record_hash": stone.record_hash,
                "erased_at": stone.erased_at,
            }
            for stone in stones
        ]
        if rows:
            connection.execute(insert_into(connection, _table).on_conflict_do_nothing(), rows)

    def all(self, connection: Connection) -> list[Tombstone]:
        """Return every tombstone."""
        rows = connection.execute(
            select(_table.c.account_id, _table.c.record_hash, _table.c.erased_at)
        ).all()
        return [Tombstone(*row) for row in rows]


class TombstoneFile:
    """The tombstones apart from the database and its backups: one line of JSON each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, stones: Collection[Tombstone]) -> None:
        """Add lines, durably. Raises: OSError."""
        if not stones:
            return
        text = "".join(
            json.dumps(
                {
                    "account": stone.account_id,
                    "record": stone.record_hash.hex(),
                    "at": schema.microseconds(stone.erased_at),
                }
            )
            + "\n"
            for stone in stones
        )
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            # A line that a full disk cut off must not spoil this one.
            if size and os.pread(handle, 1, size - 1) != b"\n":
                file.write(b"\n")
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Tombstone]:
        """Return what is in the file; nothing when there is none.

        A line that was cut short is passed over: its erasure is not in the database either, or it
        is there and was added again.
        """
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            try:
                row = json.loads(line)
                at = schema.instant(row["at"])
                found.append(Tombstone(row["account"], bytes.fromhex(row["record"]), at))
            except (ValueError, KeyError, TypeError):
                continue
        return found
