"""Accounts: which worker holds one, and whether it is paused.

An account is worked by one worker at a time. Its holder counts up its beats; who sees neither fence
nor beats change for the length of a lease, by a clock that only runs forward, takes it over. So no
wall clock of any machine counts, and none can free a lease early or block it (S31). The fence rises
each time the account is taken, and whoever comes late with an old one cannot commit (S26).
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, or_, select, update

from store import schema
from store.engine import insert_into, reading

_table = schema.account

#: A dead worker's account is taken over after this time without a beat.
LEASE_S = 15.0


class LeaseLostError(Exception):
    """Another worker holds the account now: what this one did must not be stored."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work one account until its end."""

    account_id: str
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class Pause:
    """An account that waits: the CRM is away, or a person must act."""

    until: datetime
    code: str
    failures: int


class Accounts:
    """The account table."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._lock = threading.Lock()
        #: What was last seen of others' leases: fence, beats, and since when it stands still.
        self._seen: dict[str, tuple[int, int, float]] = {}

    def ensure(self, accounts: Iterable[tuple[str, str, str]]) -> None:
        """Make rows for `(account_id, crm, external_id)` that have none. Safe to repeat."""
        rows = [
            {"account_id": account_id, "crm": crm, "external_id": external_id}
            for account_id, crm, external_id in sorted(accounts)
        ]
        with self._engine.begin() as connection:
            connection.execute(insert_into(connection, _table).on_conflict_do_nothing(), rows)

    def names(self) -> list[str]:
        """Return the names of all accounts."""
        with reading(self._engine).connect() as connection:
            return list(
                connection.execute(select(_table.c.account_id).order_by(_table.c.account_id))
                .scalars()
                .all()
            )

    def crm_of(self, account_id: str) -> str | None:
        """Return the CRM of an account, or None when there is no such account."""
        with reading(self._engine).connect() as connection:
            found: str | None = connection.execute(
                select(_table.c.crm).where(_table.c.account_id == account_id)
            ).scalar_one_or_none()
        return found

    def take(self, account_id: str, owner: str) -> Lease | None:
        """Return a lease, or None while another worker holds one.

        Call it again and again: a lease that nobody renews is only known by watching it.
        """
        began = self._monotonic()
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_table.c.lease_owner, _table.c.fence, _table.c.beats).where(
                    _table.c.account_id == account_id
                )
            ).first()
        if row is None:
            return None
        if row.lease_owner not in {None, owner}:
            with self._lock:
                seen = self._seen.get(account_id)
                if seen is None or seen[:2] != (row.fence, row.beats):
                    # When the answer came, not when it was asked for: never too early.
                    self._seen[account_id] = (row.fence, row.beats, self._monotonic())
                    return None
            if began - seen[2] < LEASE_S:
                return None
        with self._engine.begin() as connection:
            taken = connection.execute(
                update(_table)
                .where(
                    _table.c.account_id == account_id,
                    # Only if nobody took, renewed or gave it back meanwhile.
                    _table.c.fence == row.fence,
                    _table.c.beats == row.beats,
                    or_(_table.c.lease_owner.is_(None), _table.c.lease_owner == row.lease_owner),
                )
                .values(lease_owner=owner, fence=_table.c.fence + 1)
                .returning(_table.c.fence)
            ).first()
        return None if taken is None else Lease(account_id, owner, taken.fence)

    def renew(self, owner: str) -> set[Lease]:
        """Make all leases of `owner` last longer, in one statement; return them."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                update(_table)
                .where(_table.c.lease_owner == owner)
                .values(beats=_table.c.beats + 1)
                .returning(_table.c.account_id, _table.c.fence)
            ).all()
        return {Lease(row.account_id, owner, row.fence) for row in rows}

    def sweeps_due(self, before: datetime) -> list[str]:
        """Return the accounts whose last sweep began earlier than `before`, longest ago first."""
        with reading(self._engine).connect() as connection:
            found = connection.execute(
                select(_table.c.account_id)
                .where(or_(_table.c.swept_at.is_(None), _table.c.swept_at < before))
                .order_by(_table.c.swept_at.asc().nulls_first(), _table.c.account_id)
            )
            return list(found.scalars())

    def begin_sweep(self, account_id: str, before: datetime, now: datetime) -> bool:
        """Take the account's turn of being swept if the last one began earlier than `before`."""
        with self._engine.begin() as connection:
            found = connection.execute(
                update(_table)
                .where(
                    _table.c.account_id == account_id,
                    or_(_table.c.swept_at.is_(None), _table.c.swept_at < before),
                )
                .values(swept_at=now)
            )
        return found.rowcount == 1

    def set_swept(self, account_id: str, at: datetime) -> None:
        """Note when the account was last swept."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table).where(_table.c.account_id == account_id).values(swept_at=at)
            )

    def release(self, lease: Lease) -> None:
        """Give the account back, so that the next worker need not wait."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(_table.c.account_id == lease.account_id, _table.c.fence == lease.fence)
                .values(lease_owner=None)
            )

    def pause(self, account_id: str, until: datetime, code: str) -> None:
        """Let the account rest until `until`, for the reason `code`."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(_table.c.account_id == account_id)
                .values(paused_until=until, pause_code=code, failures=_table.c.failures + 1)
            )

    def resume(self, account_id: str) -> None:
        """End a pause: the CRM answers again."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(_table.c.account_id == account_id)
                .values(paused_until=None, pause_code=None, failures=0)
            )

    def paused(self, account_id: str) -> Pause | None:
        """Return the account's last pause, also one that is over, until a call works again."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_table.c.paused_until, _table.c.pause_code, _table.c.failures).where(
                    _table.c.account_id == account_id
                )
            ).first()
        if row is None or row.paused_until is None:
            return None
        return Pause(row.paused_until, row.pause_code or "", row.failures)


def require(connection: Connection, lease: Lease) -> None:
    """Check that the lease is still ours, and keep it so until the transaction ends.

    On PostgreSQL the row is locked: nobody takes the account over before the commit.

    Raises:
        LeaseLostError: another worker took the account.
    """
    fence = connection.execute(
        select(_table.c.fence)
        .where(_table.c.account_id == lease.account_id)
        .with_for_update(key_share=True)
    ).scalar_one_or_none()
    if fence != lease.fence:
        raise LeaseLostError(f"account {lease.account_id}: fence {lease.fence} is not the newest")


def hold(connection: Connection, account_id: str) -> None:
    """Let nobody store scores of the account until the transaction ends.

    On PostgreSQL its row is locked, after whoever stores now has ended; see `require`.
    """
    connection.execute(
        select(_table.c.fence)
        .where(_table.c.account_id == account_id)
        .with_for_update(key_share=True)
    ).first()


def is_held(connection: Connection, lease: Lease) -> bool:
    """Tell whether the lease is the newest, without keeping it so."""
    fence = connection.execute(
        select(_table.c.fence).where(_table.c.account_id == lease.account_id)
    ).scalar_one_or_none()
    return bool(fence == lease.fence)
