"""The audit trail: who did what to which object, in a keyed chain (S73 to S75).

A row is written in the transaction of the act itself: an act that cannot be recorded does not
happen. Each row's hash covers the row and the hash before it, under a key derived from the master
key, outside the database. So an edited, deleted, inserted or swapped row shows at its place. The
newest hash of each account, its *head*, is also kept in a file apart from the database: a trail
that was cut at its end, or a database that was rolled back, shows against it.

Source: the forward-secure chain of Schneier and Kelsey, "Secure Audit Logs to Support Computer
Forensics", ACM TISSEC 2(2), 1999, section 3, without its evolving key.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select

from store import schema
from store.engine import reading, take_turns
from store.vault import Vault

#: The trail of acts that concern no single account, as those on master keys. No account is called so.
SYSTEM = "(system)"

_table = schema.audit
_FIRST = b"\x00" * 32
#: Rows read at once.
_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that somebody did. Names and ids only, never a value."""

    account_id: str
    actor: str  #: A person's log-in name, or `service`.
    act: str  #: As in `dead_letter.replayed`.
    object_type: str = ""
    record_id: str = ""
    fields: str = ""  #: Names of what was touched, joined by commas.
    outcome: str = "done"
    count: int = 1  #: Of objects, where one act touches several.


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the trail."""

    seq: int
    at: datetime
    act: Act


@dataclass(frozen=True, slots=True)
class Break:
    """Where a trail does not hold, and how."""

    account_id: str
    seq: int
    what: str


class Audit:
    """The audit table."""

    def __init__(self, engine: Engine, vault: Vault, heads: Path) -> None:
        """Take the ledger, what hashes, and the file of heads, which is made when needed."""
        self._engine = engine
        self._vault = vault
        self._heads = heads

    def append(self, connection: Connection, act: Act, now: datetime) -> None:
        """Record `act` inside the caller's transaction, which must write to the ledger."""
        take_turns(connection, f"audit {act.account_id}")
        last = connection.execute(
            select(_table.c.seq, _table.c.chain_hash)
            .where(_table.c.account_id == act.account_id)
            .order_by(_table.c.seq.desc())
            .limit(1)
        ).first()
        row = Row(seq=1 if last is None else last.seq + 1, at=now, act=act)
        before = _FIRST if last is None else last.chain_hash
        connection.execute(
            insert(_table).values(
                account_id=act.account_id,
                seq=row.seq,
                at=now,
                actor=act.actor,
                act=act.act,
                object_type=act.object_type,
                record_id=act.record_id,
                fields=act.fields,
                outcome=act.outcome,
                objects=act.count,
                chain_hash=self._hash(before, row),
            )
        )

    def record(self, act: Act, now: datetime) -> None:
        """Record `act` in a transaction of its own, before an act on another database."""
        with self._engine.begin() as connection:
            self.append(connection, act, now)

    def _hash(self, before: bytes, row: Row) -> bytes:
        act = row.act
        parts = (
            act.account_id,
            str(row.seq),
            str(schema.microseconds(row.at)),
            act.actor,
            act.act,
            act.object_type,
            act.record_id,
            act.fields,
            act.outcome,
            str(act.count),
        )
        encoded = [part.encode() for part in parts]
        lengths = struct.pack(f">{len(encoded)}I", *map(len, encoded))
        return self._vault.keyed_hash(
            "audit", act.account_id, before + lengths + b"".join(encoded)
        )

    def rows(self, account_id: str) -> Iterator[Row]:
        """Yield the account's rows, oldest first, without holding them all in memory."""
        for row, _ in self._stored(account_id):
            yield row

    def _stored(self, account_id: str) -> Iterator[tuple[Row, bytes]]:
        """Yield rows with their hashes, a page at a time: no transaction stays open meanwhile."""
        after = -(2**62)
        while True:
            with reading(self._engine).connect() as connection:
                page = connection.execute(
                    select(_table)
                    .where(_table.c.account_id == account_id, _table.c.seq > after)
                    .order_by(_table.c.seq)
                    .limit(_PAGE)
                ).all()
            for stored in page:
                act = Act(
                    account_id=stored.account_id,
                    actor=stored.actor,
                    act=stored.act,
                    object_type=stored.object_type or "",
                    record_id=stored.record_id or "",
                    fields=stored.fields,
                    outcome=stored.outcome,
                    count=stored.objects,
                )
                yield Row(seq=stored.seq, at=stored.at, act=act), stored.chain_hash
            if len(page) < _PAGE:
                return
            after = page[-1].seq

    def accounts(self) -> list[str]:
        """Return the accounts that have a trail, or once had a head."""
        with reading(self._engine).connect() as connection:
            found = connection.execute(select(_table.c.account_id).distinct()).scalars().all()
        return sorted({*found, *self._kept_heads()})

    def keep_heads(self) -> None:
        """Write the newest hash of each account to the file of heads, durably. Safe to repeat."""
        kept = self._kept_heads()
        lines = [
            json.dumps({"account": account, "seq": seq, "hash": digest.hex()}) + "\n"
            for account, (seq, digest) in self.heads().items()
            if kept.get(account, {}).get(seq) is None
        ]
        if lines:
            self._heads.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._heads, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write("".join(lines))
                file.flush()
                os.fsync(file.fileno())

    def heads(self) -> dict[str, tuple[int, bytes]]:
        """Return the number and the hash of each account's newest row."""
        newest = (
            select(_table.c.account_id, func.max(_table.c.seq).label("seq"))
            .group_by(_table.c.account_id)
            .subquery()
        )
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(_table.c.account_id, _table.c.seq, _table.c.chain_hash).join(
                    newest,
                    (_table.c.account_id == newest.c.account_id) & (_table.c.seq == newest.c.seq),
                )
            ).all()
        return {account: (seq, digest) for account, seq, digest in rows}

    def _kept_heads(self) -> Mapping[str, Mapping[int, bytes]]:
        try:
            text = self._heads.read_text("ascii")
        except FileNotFoundError:
            return {}
        found: dict[str, dict[int, bytes]] = {}
        for line in text.splitlines():
            head = json.loads(line)
            found.setdefault(head["account"], {})[head["seq"]] = bytes.fromhex(head["hash"])
        return found

    def verify(self, account_id: str) -> tuple[int, Break | None]:
        """Return how many rows hold, and the first place where the trail does not, or None."""
        heads = dict(self._kept_heads().get(account_id, {}))
        before = _FIRST
        count = 0
        for row, stored in self._stored(account_id):
            if row.seq != count + 1:
                return count, Break(account_id, count + 1, "rows are missing")
            if self._hash(before, row) != stored:
                return count, Break(account_id, row.seq, "the row was changed, moved or put in")
            if heads.pop(row.seq, stored) != stored:
                return count, Break(account_id, row.seq, "the trail was written anew from here")
            before = stored
            count += 1
        if heads:
            what = "the trail was cut here, or the database rolled back"
            return count, Break(account_id, count + 1, what)
        return count, None
