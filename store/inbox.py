"""The inbox: accepted deliveries, sealed, appended by receivers and unpacked by workers.

Appending is the hot path. Requests that wait at the same time share one commit, and a delivery of a
hundred events costs one row.
"""

import logging
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from store import schema
from store.dialect import StoreError
from store.engine import (
    check_writable,
    impatient,
    insert_into,
    is_disk_full,
    locks_rows,
    new_appender,
    reading,
)
from store.group_commit import GroupCommit, NotStoredError
from store.reserve import Reserve
from store.retired_keys import require_kept
from store.vault import (
    MAX_USES,
    Cell,
    DataKey,
    Vault,
    VaultError,
    random_bytes,
    wrapped_under,
)

log = logging.getLogger(__name__)

#: Source: SECURITY-REQUIREMENTS S21.
STORE_TIMEOUT_S = 3.0

#: Seals counted ahead in one write, so that counting costs nothing: at most this many of a key's
#: uses are given up at a restart.
_COUNT_AHEAD = 2**14

#: Why a delivery is in quarantine that may open again: its master key is not here (S53).
KEY_MISSING = "key_missing"

_table = schema.delivery
_keys = schema.delivery_key


#: A smaller body gains nothing from compression.
_PACK_FROM_BYTES = 1_024
_PLAIN, _ZLIB = b"\x00", b"\x01"


def packed(body: bytes) -> bytes:
    r"""Return a body as it is sealed: one byte that names its form, then the content.

    A delivery of a hundred events is mostly the same names a hundred times: it shrinks to a
    tenth, and with it what is sealed, logged ahead, synced and kept. Source: RFC 1950 (zlib).

    >>> packed(b"small"), len(packed(b"[{}]" * 1000)) < 50
    (b'\x00small', True)
    """
    if len(body) < _PACK_FROM_BYTES:
        return _PLAIN + body
    return _ZLIB + zlib.compress(body, 1)


def unpacked(content: bytes) -> bytes:
    """Return the body that `packed` packed; only what was sealed by us comes here.

    >>> unpacked(packed(b"[{}]" * 1000)) == b"[{}]" * 1000
    True
    """
    return zlib.decompress(content[1:]) if content[:1] == _ZLIB else content[1:]


class InboxError(Exception):
    """A delivery was not stored. The sender must be told to try again."""


class DiskFullError(Exception):
    """The disk reserve is not held: what room there is belongs to the worker (S83)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDelivery:
    """A delivery to unpack. `body` is None when it does not open; `fault` says why."""

    account_id: str
    id: str
    kind: str
    received_at: datetime
    body: bytes | None = field(repr=False)
    fault: str = ""  #: `key_missing`, or `changed` for a body that is not what was sealed.


@dataclass(frozen=True, slots=True)
class QuarantinedDelivery:
    """A delivery that could not be read as a whole (S16)."""

    account_id: str
    id: str
    kind: str
    received_at: datetime
    error_code: str


def new_delivery_id(at: datetime) -> str:
    """Return a unique id that sorts by time: 12 hex digits of milliseconds, 20 random ones."""
    return f"{int(at.timestamp() * 1000):012x}{random_bytes(10).hex()}"


class Inbox:
    """Appends, takes and marks deliveries. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        *,
        timeout_s: float = STORE_TIMEOUT_S,
        max_uses: int = MAX_USES,
        count_ahead: int = _COUNT_AHEAD,
        reserve: Reserve | None = None,
    ) -> None:
        """Take the inbox database and what seals.

        Args:
            engine: The inbox database.
            vault: Seals and opens.
            timeout_s: A delivery that is not stored in this time is given back to its sender.
            max_uses: Bodies sealed under one key at most (S49).
            count_ahead: Uses counted in one write.
            reserve: Nothing is appended while it is not held.
        """
        self._timeout_s = timeout_s
        self._max_uses = max_uses
        self._count_ahead = count_ahead
        self._reserve = reserve
        self._engine = engine
        self._vault = vault
        self._append_rows = new_appender(engine, _table, _APPENDED)
        self._group = GroupCommit(self._commit)
        self._sealing: dict[str, _SealingKey] = {}
        self._opening: dict[tuple[str, bytes], DataKey] = {}

    def close(self) -> None:
        """Give up the connection that appends."""
        self._append_rows.close()

    def last_received_at(self, account_id: str, kind: str) -> datetime | None:
        """Return when the newest delivery of a kind that is still kept arrived; None: none is."""
        with reading(self._engine).connect() as connection:
            found: datetime | None = connection.execute(
                select(func.max(_table.c.received_at)).where(
                    _table.c.account_id == account_id, _table.c.kind == kind
                )
            ).scalar_one()
        return found

    def append(self, *, account_id: str, kind: str, body: bytes, at: datetime) -> str:
        """Seal a delivery and store it durably; return its id only after the commit (S21).

        Raises:
            InboxError: not stored within 3 s.
        """
        draft = _Draft(account_id, kind, body, at)
        try:
            self._group.store(draft, self._timeout_s)
        except NotStoredError as error:
            raise InboxError(str(error)) from None
        return draft.id

    def _commit(self, drafts: Sequence["_Draft"], timeout_s: float) -> None:
        """Seal a group of deliveries and append them in one commit.

        One group is committed at a time, so the sealing keys need no lock.
        """
        ends = time.monotonic() + timeout_s
        self._check_room()
        rows = []
        for draft in drafts:
            draft.id = new_delivery_id(draft.at)
            key = self._key_for(draft.account_id, draft.at, ends)
            cell = _body_cell(draft.account_id, draft.id)
            sealed = key.seal(packed(draft.body), cell)
            at = schema.microseconds(draft.at)
            rows.append((draft.account_id, draft.id, at, draft.kind, sealed))
        try:
            self._append_rows(rows, max(0.0, ends - time.monotonic()))
        except Exception as error:
            if self._reserve is not None and is_disk_full(error):
                self._reserve.release()
            raise

    def _check_room(self) -> None:
        """Raise: DiskFullError when the disk was full and still has no room for the reserve."""
        if self._reserve is not None and not self._reserve.hold():
            raise DiskFullError

    def _key_for(self, account_id: str, at: datetime, ends: float) -> DataKey:
        """Return the account's sealing key, counting this use (S49)."""
        held = self._sealing.get(account_id)
        if held is None or held.left == 0:
            held = self._count_uses(account_id, at, max(0.0, ends - time.monotonic()))
            self._sealing[account_id] = held
        held.left -= 1
        return held.key

    def _count_uses(self, account_id: str, at: datetime, timeout_s: float) -> "_SealingKey":
        """Count uses ahead for the account's newest key, or make a new key when it is worn.

        Also when it does not unwrap: under another master key deliveries are still stored (S53).
        """
        ends = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, ends - time.monotonic())
            with impatient(self._engine, left_s).begin() as connection:
                found = self._count_newest(connection, account_id, at)
            if found is not None:
                return found

    def _count_newest(
        self, connection: Connection, account_id: str, at: datetime
    ) -> "_SealingKey | None":
        """See `_count_uses`. None when another receiver made a new key in the same moment."""
        ahead = self._count_ahead
        row = connection.execute(
            select(_keys.c.number, _keys.c.wrapped_key, _keys.c.uses)
            .where(_keys.c.account_id == account_id)
            .order_by(_keys.c.number.desc())
            .limit(1)
            .with_for_update()  # two receivers must not count the same uses
        ).first()
        newest = None if row is None else self._unwrap(account_id, row.number, row.wrapped_key)
        if row is not None and newest is not None and row.uses + ahead <= self._max_uses:
            connection.execute(
                update(_keys)
                .where(_keys.c.account_id == account_id, _keys.c.number == row.number)
                .values(uses=row.uses + ahead)
            )
            return _SealingKey(newest, ahead)
        number = 1 if row is None else row.number + 1
        key, wrapped = self._vault.new_key(_key_cell(account_id, number))
        made = connection.execute(
            insert_into(connection, _keys)
            .values(
                account_id=account_id,
                number=number,
                wrapped_key=wrapped,
                uses=ahead,
                created_at=at,
            )
            .on_conflict_do_nothing()
            .returning(_keys.c.number)
        ).first()
        require_kept(connection, {wrapped_under(wrapped)}, schema.retired_delivery_key)
        return None if made is None else _SealingKey(key, ahead)

    def _unwrap(self, account_id: str, number: int, wrapped: bytes) -> DataKey | None:
        """Return a delivery key, or None when its master key is not here."""
        try:
            return self._vault.unwrap(wrapped, _key_cell(account_id, number))
        except VaultError:
            log.error(  # noqa: TRY400  the class says all
                "delivery_key.does_not_open", extra={"account": account_id, "version": number}
            )
            return None

    def waiting(self, limit: int) -> list[WaitingDelivery]:
        """Return the oldest deliveries that wait to be unpacked, opened."""
        with reading(self._engine).connect() as connection:
            return self._oldest(connection, limit)

    @contextmanager
    def take(self, limit: int) -> Iterator["Taken"]:
        """Give the oldest waiting deliveries, and store at the end what became of them.

        On PostgreSQL no other worker is given the same ones meanwhile: their rows are locked, by a
        transaction that ends with its process or connection, and at the latest when the server
        finds it idle for 10 s. On SQLite, where locking would hold up the receiver, two workers
        may take the same ones: that costs time and does no harm. When the block raises, nothing is
        stored: the deliveries wait as before.
        """
        if not locks_rows(self._engine):
            taken = Taken(self.waiting(limit))
            yield taken
            if taken.marks:
                with self._engine.begin() as connection:
                    connection.execute(_MARK, taken.marks)
            return
        with self._engine.begin() as connection:
            taken = Taken(self._oldest(connection, limit, is_locked=True))
            yield taken
            if taken.marks:
                connection.execute(_MARK, taken.marks)

    def _oldest(
        self, connection: Connection, limit: int, *, is_locked: bool = False
    ) -> list[WaitingDelivery]:
        query = _WAITING.limit(limit)
        if is_locked:
            query = query.with_for_update(skip_locked=True)
        rows = connection.execute(query).all()
        found = []
        for row in rows:
            body, fault = self._open(row.account_id, row.id, row.sealed_body)
            item = WaitingDelivery(
                account_id=row.account_id,
                id=row.id,
                kind=row.kind,
                received_at=row.received_at,
                body=body,
                fault=fault,
            )
            found.append(item)
        return found

    def _open(self, account_id: str, delivery_id: str, sealed: bytes) -> tuple[bytes | None, str]:
        """Return a body, or None and why it does not open."""
        name = (account_id, sealed[2:10])
        if name not in self._opening:
            self._load_opening_keys(account_id)
        key = self._opening.get(name)
        if key is None:
            return None, KEY_MISSING
        try:
            return unpacked(key.open(sealed, _body_cell(account_id, delivery_id))), ""
        except VaultError:
            return None, "changed"

    def _load_opening_keys(self, account_id: str) -> None:
        """Unwrap all keys of an account; one that does not open must not hide the others."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(_keys.c.number, _keys.c.wrapped_key).where(_keys.c.account_id == account_id)
            ).all()
        for row in rows:
            key = self._unwrap(account_id, row.number, row.wrapped_key)
            if key is not None:
                self._opening[(account_id, key.key_id)] = key

    def look_again(self) -> int:
        """Let what no key opened wait again, and return how many; for a start (S53).

        A key that was missing may be back. What still does not open is put aside again.
        """
        with self._engine.begin() as connection:
            found = connection.execute(
                update(_table)
                .where(_table.c.state == schema.QUARANTINED, _table.c.error_code == KEY_MISSING)
                .values(state=schema.WAITING, error_code=None)
            )
        return found.rowcount

    def quarantined(self, limit: int) -> list[QuarantinedDelivery]:
        """Return the oldest deliveries in quarantine, unopened."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(
                    _table.c.account_id,
                    _table.c.id,
                    _table.c.kind,
                    _table.c.received_at,
                    _table.c.error_code,
                )
                .where(_table.c.state == schema.QUARANTINED)
                .order_by(_table.c.id)
                .limit(limit)
            ).all()
        return [QuarantinedDelivery(*row) for row in rows]

    def wait_again(self, account_id: str, delivery_id: str) -> bool:
        """Let a delivery be unpacked once more; False when it is not kept any longer."""
        with self._engine.begin() as connection:
            found = connection.execute(
                update(_table)
                .where(_table.c.account_id == account_id, _table.c.id == delivery_id)
                .values(state=schema.WAITING, error_code=None)
            )
        return found.rowcount == 1

    def drop(self, account_id: str, delivery_id: str) -> None:
        """Delete a delivery in quarantine for good."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(_table).where(
                    _table.c.account_id == account_id,
                    _table.c.id == delivery_id,
                    _table.c.state == schema.QUARANTINED,
                )
            )

    def counts(self) -> dict[str, int]:
        """Return how many deliveries wait and how many are quarantined."""
        with reading(self._engine).connect() as connection:
            waiting = connection.execute(
                select(func.count()).select_from(_table).where(_table.c.state == schema.WAITING)
            ).scalar_one()
            quarantined = connection.execute(
                select(func.count())
                .select_from(_table)
                .where(_table.c.state == schema.QUARANTINED)
            ).scalar_one()
        return {"waiting": waiting, "quarantined": quarantined}

    def check_writable(self) -> None:
        """Do nothing, durably. Raises: InboxError when a delivery could not be stored now."""
        try:
            self._check_room()
            with impatient(self._engine, self._timeout_s).begin() as connection:
                check_writable(connection, _table)
        except (SQLAlchemyError, StoreError, DiskFullError) as error:
            raise InboxError(type(error).__name__) from None


class Taken:
    """Deliveries that one worker unpacks, and what became of each."""

    def __init__(self, deliveries: Sequence[WaitingDelivery]) -> None:
        self.deliveries = deliveries
        self.marks: list[dict[str, object]] = []

    def unpacked(self, item: WaitingDelivery) -> None:
        """Say that all records of a delivery are marked due."""
        self._mark(item, schema.UNPACKED, None)

    def quarantine(self, item: WaitingDelivery, error_code: str) -> None:
        """Keep a delivery that cannot be read, sealed as it came, for a person to look at (S16)."""
        self._mark(item, schema.QUARANTINED, error_code)

    def _mark(self, item: WaitingDelivery, state: int, code: str | None) -> None:
        self.marks.append(
            {"b_account": item.account_id, "b_id": item.id, "b_state": state, "b_code": code}
        )


@dataclass(slots=True)
class _Draft:
    """A delivery on its way into the inbox; its group's commit gives it its id."""

    account_id: str
    kind: str
    body: bytes = field(repr=False)
    at: datetime
    id: str = ""


@dataclass(slots=True)
class _SealingKey:
    key: DataKey
    left: int


#: What is appended, in the order of a row.
_APPENDED = ("account_id", "id", "received_at", "kind", "sealed_body")
_WAITING = (
    select(
        _table.c.account_id,
        _table.c.id,
        _table.c.kind,
        _table.c.received_at,
        _table.c.sealed_body,
    )
    .where(_table.c.state == schema.WAITING)
    .order_by(_table.c.id)
)
_MARK = (
    update(_table)
    .where(_table.c.account_id == bindparam("b_account"), _table.c.id == bindparam("b_id"))
    .values(state=bindparam("b_state"), error_code=bindparam("b_code"))
)


def _body_cell(account_id: str, delivery_id: str) -> Cell:
    return Cell(account_id, "delivery", "sealed_body", delivery_id)


def _key_cell(account_id: str, number: int) -> Cell:
    return Cell(account_id, "delivery_key", "wrapped_key", str(number))
