"""Accounts: which worker holds one, and whether it is paused.

An account is worked by one worker at a time. A lease ends by itself; its fence number rises each
time it is taken, and whoever comes late with an old number cannot commit (S26).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, or_, select, update

from store import schema
from store.engine import insert_into, reading

_table = schema.account

#: A dead worker's account is taken over after this time.
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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ensure(self, accounts: Iterable[tuple[str, str, str]]) -> None:
        """Make rows for `(account_id, crm, external_id)` that have none. Safe to repeat."""
        rows = [
            {"account_id": account_id, "crm": crm, "external_id": external_id}
            for account_id, crm, external_id in accounts
        ]
        with self._engine.begin() as connection:
            connection.execute(insert_into(_table).on_conflict_do_nothing(), rows)

    def take(self, account_id: str, owner: str, now: datetime) -> Lease | None:
        """Return a lease, or None while another worker holds one."""
        with self._engine.begin() as connection:
            row = connection.execute(
                update(_table)
                .where(
                    _table.c.account_id == account_id,
                    or_(
                        _table.c.lease_owner.is_(None),
                        _table.c.lease_owner == owner,
                        _table.c.lease_until <= now,
                    ),
                )
                .values(
                    lease_owner=owner,
                    lease_until=now + timedelta(seconds=LEASE_S),
                    fence=_table.c.fence + 1,
                )
                .returning(_table.c.fence)
            ).first()
        return None if row is None else Lease(account_id, owner, row.fence)

    def renew(self, lease: Lease, now: datetime) -> bool:
        """Make the lease last longer; False when it was lost."""
        with self._engine.begin() as connection:
            found = connection.execute(
                update(_table)
                .where(_table.c.account_id == lease.account_id, _table.c.fence == lease.fence)
                .values(lease_until=now + timedelta(seconds=LEASE_S))
            )
        return found.rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give the account back, so that the next worker need not wait."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_table)
                .where(_table.c.account_id == lease.account_id, _table.c.fence == lease.fence)
                .values(lease_owner=None, lease_until=None)
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
    """Check inside a transaction that the lease is still ours. Raises: LeaseLostError."""
    fence = connection.execute(
        select(_table.c.fence).where(_table.c.account_id == lease.account_id)
    ).scalar_one_or_none()
    if fence != lease.fence:
        raise LeaseLostError(f"account {lease.account_id}: fence {lease.fence} is not the newest")
