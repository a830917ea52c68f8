"""Turns master keys: wraps every data key anew, counts which ones are still needed, retires (S50).

Only wrapped keys change, never a sealed value: the data keys stay. Keys are wrapped anew in bounded
batches, each a transaction that replaces a wrapped key only as it was read, while receivers and
workers go on. Whoever is killed begins again and finds only what is left.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    Table,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from store import schema
from store.audit import SYSTEM, Act, Audit
from store.engine import hold_off_writers, insert_into, reading
from store.retired_keys import number_of
from store.vault import MAX_USES, Cell, Vault, VaultError

#: Keys wrapped anew in one transaction.
KEYS_A_COMMIT = 500
#: Keys read at once where nothing is changed.
_READ_AT_ONCE = 5_000
#: Passes over the tables; in a second one is what a running process wrapped meanwhile.
_MOST_PASSES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapped:
    """A table with a column `wrapped_key`."""

    table: Table
    retired: Table
    row_name: Callable[[Row[Any]], str]  #: As bound into the wrapped key.


_LEADS = _Wrapped(
    table=schema.lead,
    retired=schema.retired_key,
    row_name=lambda row: f"{row.object_type}:{row.record_id}",
)
_TOKENS = _Wrapped(
    table=schema.token,
    retired=schema.retired_key,
    row_name=lambda row: str(row.account_id),
)
_DELIVERIES = _Wrapped(
    table=schema.delivery_key,
    retired=schema.retired_delivery_key,
    row_name=lambda row: str(row.number),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeys:
    """The data keys of one kind."""

    name: str
    purpose: str
    count: int
    most_uses: int  #: Of the one that sealed most.
    oldest_at: datetime | None  #: None where it is not kept.
    limit: int = MAX_USES


class KeyNeededError(Exception):
    """A master key that cannot be retired: data keys are wrapped under it."""


class Rotation:
    """Turns the keys of inbox and ledger."""

    def __init__(
        self,
        *,
        inbox: Engine,
        ledger: Engine,
        vault: Vault,
        audit: Audit,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inbox, self._ledger = inbox, ledger
        self._parts = ((inbox, _DELIVERIES), (ledger, _LEADS), (ledger, _TOKENS))
        self._vault = vault
        self._audit = audit
        self._sleep = sleep

    def uses(self) -> dict[int, dict[str, int]]:
        """Return how many data keys each master key wraps, by table."""
        found: dict[int, dict[str, int]] = {}
        for engine, part in self._parts:
            with reading(engine).connect() as connection:
                for number, count in _count(connection, part).items():
                    found.setdefault(number, {})[part.table.name] = count
        return found

    def data_keys(self) -> list[DataKeys]:
        """Return what is known of the data keys, by kind."""
        with reading(self._inbox).connect() as connection:
            table = schema.delivery_key
            number, uses, oldest_at = connection.execute(
                select(func.count(), func.max(table.c.uses), func.min(table.c.created_at))
            ).one()
        found = [
            DataKeys(
                name="delivery keys",
                purpose="seal deliveries, one at a time for each account",
                count=number,
                most_uses=uses or 0,
                oldest_at=oldest_at,
            )
        ]
        with reading(self._ledger).connect() as connection:
            number, uses = connection.execute(
                select(func.count(), func.max(schema.lead.c.key_uses))
            ).one()
            tokens = connection.execute(
                select(func.count()).select_from(schema.token)
            ).scalar_one()
        found.append(
            DataKeys(
                name="lead keys",
                purpose="seal facts and reasons, one for each record",
                count=number,
                most_uses=uses or 0,
                oldest_at=None,
            )
        )
        if tokens:
            found.append(
                DataKeys(
                    name="token keys",
                    purpose="seal tokens of installed apps, a new one at each refresh",
                    count=tokens,
                    most_uses=1,
                    oldest_at=None,
                )
            )
        return found

    def left(self) -> int:
        """Return how many data keys are wrapped under another key than the primary one.

        Only those that can be wrapped anew: those of a key that is not here wait for it (S53).
        """
        primary = self._vault.primary
        return sum(
            sum(counts.values())
            for number, counts in self.uses().items()
            if number != primary and self._vault.opens_with(number)
        )

    def rewrap(
        self,
        actor: str,
        now: datetime,
        advance: Callable[[int], None] = lambda _: None,
        *,
        keys_a_commit: int = KEYS_A_COMMIT,
    ) -> int:
        """Wrap every data key under the primary master key; return how many were.

        Safe to repeat, and to be killed. Keys that do not open stay as they are.

        Args:
            actor: Who wants it.
            now: For the audit trail.
            advance: Called with the number of keys of each batch.
            keys_a_commit: Keys in one transaction.
        """
        self._vault.look(is_urgent=True)
        done = 0
        for _ in range(_MOST_PASSES):
            before = done
            for engine, part in self._parts:
                done += self._pass(engine, part, advance, keys_a_commit)
            if done == before or not self.left():
                break
        if done:
            fields = f"key {self._vault.primary}"
            self._record("keys.rewrapped", actor, now, fields=fields, count=done)
        return done

    def _pass(
        self, engine: Engine, part: _Wrapped, advance: Callable[[int], None], limit: int
    ) -> int:
        done = 0
        after: tuple[object, ...] | None = None
        while True:
            began = time.monotonic()
            with engine.begin() as connection:
                rows = self._next(connection, part, after, limit)
                count = self._wrap_anew(connection, part, rows)
            done += count
            advance(count)
            if len(rows) < limit:
                return done
            after = tuple(rows[-1][:-1])
            # Half of the time is others': on SQLite a transaction holds the whole file.
            self._sleep(min(time.monotonic() - began, 0.05))

    def _next(
        self,
        connection: Connection,
        part: _Wrapped,
        after: tuple[object, ...] | None,
        limit: int,
    ) -> Sequence[Any]:
        """Return the next keys that are wrapped under another master key, by their key."""
        primary = self._vault.primary.to_bytes(4, "big")
        query = (
            _after(part, after)
            .where(number_of(part.table.c.wrapped_key) != primary)
            .limit(limit)
            # Never waits for a row that a worker holds: the next pass finds it.
            .with_for_update(skip_locked=True)
        )
        return connection.execute(query).all()

    def _wrap_anew(self, connection: Connection, part: _Wrapped, rows: Sequence[Any]) -> int:
        names = [column.name for column in part.table.primary_key.columns]
        changed = []
        for row in rows:
            cell = Cell(row.account_id, part.table.name, "wrapped_key", part.row_name(row))
            try:
                new = self._vault.rewrap(row.wrapped_key, cell)
            except VaultError:
                continue
            key = {f"b_{name}": getattr(row, name) for name in names}
            changed.append({**key, "b_old": row.wrapped_key, "b_new": new})
        if changed:
            same = [part.table.c[name] == bindparam(f"b_{name}") for name in names]
            connection.execute(
                update(part.table)
                .where(*same, part.table.c.wrapped_key == bindparam("b_old"))
                .values(wrapped_key=bindparam("b_new")),
                changed,
            )
        return len(changed)

    def check(self) -> tuple[int, int]:
        """Open every wrapped key; return how many opened and how many did not."""
        counts = [0, 0]
        for engine, part in self._parts:
            after: tuple[object, ...] | None = None
            while True:
                with reading(engine).connect() as connection:
                    rows = connection.execute(_after(part, after).limit(_READ_AT_ONCE)).all()
                for row in rows:
                    cell = Cell(row.account_id, part.table.name, "wrapped_key", part.row_name(row))
                    try:
                        self._vault.unwrap(row.wrapped_key, cell)
                    except VaultError:
                        counts[1] += 1
                    else:
                        counts[0] += 1
                if len(rows) < _READ_AT_ONCE:
                    break
                after = tuple(rows[-1][:-1])
        return counts[0], counts[1]

    def retire(self, number: int, actor: str, now: datetime) -> None:
        """See to it that nothing is wrapped under master key `number` now or ever again.

        Only then may the key itself be destroyed. Safe to repeat.

        Raises:
            KeyNeededError: data keys are wrapped under it.
        """
        with ExitStack() as stack:
            # One transaction a database: on SQLite a second would wait for the first.
            engines = {engine for engine, _ in self._parts}
            connections = {e: stack.enter_context(e.begin()) for e in engines}
            for engine, part in self._parts:
                connection = connections[engine]
                hold_off_writers(connection, part.table)
                count = _count(connection, part).get(number, 0)
                if count:
                    raise KeyNeededError(
                        f"master key {number} still wraps {count} keys of {part.table.name};"
                        " run: leadscore keys rotate"
                    )
                connection.execute(
                    insert_into(connection, part.retired)
                    .values(number=number)
                    .on_conflict_do_nothing()
                )
        self._record("keys.retired", actor, now, fields=f"key {number}")

    def record_new(self, number: int, state: str, actor: str, now: datetime) -> None:
        """Record that master key `number` is now `state`."""
        self._record(f"keys.{state}", actor, now, fields=f"key {number}")

    def _record(self, act: str, actor: str, now: datetime, *, fields: str, count: int = 1) -> None:
        self._audit.record(
            Act(
                account_id=SYSTEM,
                actor=actor,
                act=act,
                object_type="master_key",
                fields=fields,
                count=count,
            ),
            now,
        )


def _after(part: _Wrapped, after: tuple[object, ...] | None) -> Select[Any]:
    """Return the question for wrapped keys in the order of their rows, behind the row `after`."""
    keys = list(part.table.primary_key.columns)
    query = select(*keys, part.table.c.wrapped_key).order_by(*keys)
    return query if after is None else query.where(tuple_(*keys) > tuple_(*after))


def _count(connection: Connection, part: _Wrapped) -> Counter[int]:
    number = number_of(part.table.c.wrapped_key)
    rows = connection.execute(select(number, func.count()).group_by(number)).all()
    return Counter({int.from_bytes(row[0], "big"): row[1] for row in rows})
