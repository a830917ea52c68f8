"""Dead letters: what a person must look at, with its reason."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select

from store import schema
from store.due import Claim
from store.engine import insert_into, reading

_table = schema.dead_letter


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableEvent:
    """One event of a delivery that could not be read, while the others were."""

    account_id: str
    delivery_id: str
    place: str  #: As in `body[3]`.
    received_at: datetime


class DeadLetters:
    """The dead letter table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
