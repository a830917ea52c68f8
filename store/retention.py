"""What is deleted when its time is over: raw deliveries, facts, score history (S58).

A run is bounded: it looks at so many rows of each table and goes on at the next run where it
stopped, so that it never holds the database up. What it deletes is recorded in the audit trail
first, as counts. The trail itself is kept for good.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, Row, Table, delete, literal, select, tuple_

from store import schema
from store.audit import Act, Audit
from store.engine import reading

#: Rows looked at in one run, for each table.
ROWS_A_RUN = 20_000
#: Rows deleted in one transaction.
ROWS_A_COMMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long each kind of data is kept."""

    deliveries: timedelta  #: Raw bodies that were unpacked, since they were received.
    facts: timedelta  #: What is known of a lead, since it was last scored.
    history: timedelta  #: Changes of scores.


class Retention:
    """Deletes what is older than its period."""

    def __init__(
        self, *, inbox: Engine, ledger: Engine, audit: Audit, rows_a_run: int = ROWS_A_RUN
    ) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._audit = audit
        self._rows_a_run = rows_a_run
        self._reached: dict[str, tuple[object, ...]] = {}  #: Table -> key of the last row seen.

    def purge(self, periods: Periods, now: datetime) -> dict[str, int]:
        """Delete what is too old among the next rows of each table; return how many, by kind."""
        return {
            "deliveries": self._purge(
                self._inbox,
                schema.delivery,
                schema.delivery.c.received_at,
                now - periods.deliveries,
                now,
            ),
            "facts": self._purge(
                self._ledger, schema.lead, schema.lead.c.scored_at, now - periods.facts, now
            ),
            "history": self._purge(
                self._ledger,
                schema.score_history,
                schema.score_history.c.scored_at,
                now - periods.history,
                now,
            ),
        }

    def _purge(
        self, engine: Engine, table: Table, at: Column[datetime], before: datetime, now: datetime
    ) -> int:
        keys = list(table.primary_key.columns)
        rows = self._next(engine, table, at)
        old = [
            tuple(row[: len(keys)])
            for row in rows
            if row[len(keys)] < before
            and (table is not schema.delivery or row.state == schema.UNPACKED)
        ]
        if not old:
            return 0
        for account, count in sorted(Counter(str(key[0]) for key in old).items()):
            act = Act(
                account_id=account,
                actor="service",
                act="retention.purged",
                object_type=table.name,
                count=count,
            )
            self._audit.record(act, now)
        for start in range(0, len(old), ROWS_A_COMMIT):
            part = old[start : start + ROWS_A_COMMIT]
            with engine.begin() as connection:
                # A row that was written anew meanwhile is young again: it stays.
                connection.execute(delete(table).where(tuple_(*keys).in_(part), at < before))
        return len(old)

    def _next(self, engine: Engine, table: Table, at: Column[datetime]) -> Sequence[Row[Any]]:
        """Return the next rows in the order of their key; at the end, begin anew next time."""
        keys = list(table.primary_key.columns)
        wanted = [*keys, at, *([table.c.state] if "state" in table.c else [])]
        query = select(*wanted).order_by(*keys).limit(self._rows_a_run)
        reached = self._reached.get(table.name)
        if reached is not None:
            # With the columns' types: PostgreSQL would compare an instant with a timestamp.
            typed = (literal(value, key.type) for key, value in zip(keys, reached, strict=True))
            query = query.where(tuple_(*keys) > tuple_(*typed))
        with reading(engine).connect() as connection:
            rows = connection.execute(query).all()
        if len(rows) < self._rows_a_run:
            self._reached.pop(table.name, None)
        else:
            self._reached[table.name] = tuple(rows[-1][: len(keys)])
        return rows
