"""Dead letters: what a person must look at, with its reason.

Two kinds: a *record* that will not be tried again by itself, and an *event* of a delivery that
could not be read while the others were. A person may replay or purge them; each act is recorded in
the audit trail in the same transaction (S32).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from store import due, schema
from store.audit import Act, Audit
from store.due import Claim, DueMark
from store.engine import insert_into, reading
from store.tombstones import Tombstones

_table = schema.dead_letter


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableEvent:
    """One event of a delivery that could not be read, while the others were."""

    account_id: str
    delivery_id: str
    place: str  #: As in `body[3]`.
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What a person must look at."""

    account_id: str
    id: str
    object_type: str  #: Empty for an event.
    record_id: str  #: Empty for an event.
    delivery_id: str  #: Empty for a record.
    place: str  #: Where in the delivery.
    cause: str
    error_code: str
    attempts: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant; what is empty means all."""

    account_id: str = ""
    id: str = ""
    error_code: str = ""

    def condition(self) -> ColumnElement[bool]:
        """Return the filter as a condition."""
        parts = [
            _table.c[name] == value
            for name in ("account_id", "id", "error_code")
            if (value := getattr(self, name))
        ]
        return and_(True, *parts)  # noqa: FBT003  SQLAlchemy's way to write "no condition"


class DeadLetters:
    """The dead letter table."""

    def __init__(self, engine: Engine, audit: Audit, tombstones: Tombstones) -> None:
        self._engine = engine
        self._tombstones = tombstones
        self._audit = audit

    def add_events(self, events: list[UnreadableEvent]) -> None:
        """Keep unreadable events, by delivery and place. Safe to repeat (S17)."""
        rows = [
            {
                "account_id": event.account_id,
                "id": f"{event.delivery_id}:{event.place}"[:64],
                "delivery_id": event.delivery_id,
                "place": event.place,
                "cause": "event",
                "error_code": "unreadable",
                "attempts": 1,
                "first_at": event.received_at,
                "last_at": event.received_at,
            }
            for event in events
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(insert_into(connection, _table).on_conflict_do_nothing(), rows)

    def counts(self) -> dict[str, int]:
        """Return how many dead letters there are, by error code."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(_table.c.error_code, func.count()).group_by(_table.c.error_code)
            ).all()
        return {row[0]: row[1] for row in rows}

    def find(self, wanted: Filter, limit: int) -> list[DeadLetter]:
        """Return the newest dead letters that are meant."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(_table)
                .where(wanted.condition())
                .order_by(_table.c.last_at.desc(), _table.c.account_id, _table.c.id)
                .limit(limit)
            ).all()
        return [
            DeadLetter(
                account_id=row.account_id,
                id=row.id,
                object_type=row.object_type or "",
                record_id=row.record_id or "",
                delivery_id=row.delivery_id or "",
                place=row.place or "",
                cause=row.cause,
                error_code=row.error_code,
                attempts=row.attempts,
                first_at=row.first_at,
                last_at=row.last_at,
            )
            for row in rows
        ]

    def replay(self, letters: Sequence[DeadLetter], actor: str, now: datetime) -> None:
        """Make records due again and forget their dead letters, in one transaction.

        Events are forgotten only: their delivery must wait again first (`Inbox.wait_again`), and
        one that still cannot be read comes back.
        """
        marks = [
            DueMark(
                account_id=letter.account_id,
                object_type=letter.object_type,
                record_id=letter.record_id,
                cause="replayed",
                since_at=None,
            )
            for letter in letters
            if letter.record_id
        ]
        with self._engine.begin() as connection:
            due.mark(connection, self._tombstones, marks, now)
            self._forget(connection, letters, "dead_letter.replayed", actor, now)

    def purge(self, letters: Sequence[DeadLetter], actor: str, now: datetime) -> None:
        """Forget dead letters for good."""
        with self._engine.begin() as connection:
            self._forget(connection, letters, "dead_letter.purged", actor, now)

    def _forget(
        self,
        connection: Connection,
        letters: Sequence[DeadLetter],
        act: str,
        actor: str,
        now: datetime,
    ) -> None:
        for letter in letters:
            connection.execute(
                delete(_table).where(
                    _table.c.account_id == letter.account_id,
                    _table.c.id == letter.id,
                    # One that failed again meanwhile is another one.
                    or_(_table.c.last_at == letter.last_at, _table.c.record_id.is_(None)),
                )
            )
            self._audit.append(
                connection,
                Act(
                    account_id=letter.account_id,
                    actor=actor,
                    act=act,
                    object_type=letter.object_type or "delivery",
                    record_id=letter.record_id,
                    fields="" if letter.record_id else letter.id,
                ),
                now,
            )


def add_record(
    connection: Connection,
    account_id: str,
    object_type: str,
    claim: Claim,
    *,
    error_code: str,
    now: datetime,
) -> None:
    """Keep a record that will not be tried again, inside the caller's transaction."""
    new = insert_into(connection, _table).values(
        account_id=account_id,
        id=f"{object_type}:{claim.record_id}",
        object_type=object_type,
        record_id=claim.record_id,
        cause=claim.cause,
        error_code=error_code,
        attempts=claim.attempts + 1,
        first_at=claim.first_failed_at or now,
        last_at=now,
    )
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["account_id", "id"],
            set_={
                name: new.excluded[name] for name in ("cause", "error_code", "attempts", "last_at")
            },
        )
    )
