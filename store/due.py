"""What to score next: one row for a record whose score may be stale, whatever the cause.

New events, retries, decay and quiet re-checks are all a record with a `due_at`. The primary key
collapses repeats: a thousand events of one record are one row (S22). A row's version rises with
each event; who finishes a claim names the version it saw, so an event that came in between keeps
the record due.

Rows stand in lanes: a live inquiry goes before what a sweep found or what decayed, and those go
before a backfill, however long it waits. A row moves up when a more urgent cause names it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from store import schema
from store.engine import insert_into, lock_in_order, reading
from store.tombstones import Tombstones

_table = schema.due

#: The cause of a record whose score was written by a worker that had lost its lease: what the CRM
#: holds is not known, so that it is written again whatever the ledger says (I3, I7).
WRITTEN_LATE = "written_late"
#: Causes that the CRM's events bring. Source: `integrations.base.CrmEvent`.
CREATED, CHANGED = "created", "changed"
DECAY = "decay"
#: The cause of a record that a sweep found.
SWEPT = "swept"
#: A cause -> those whose place it takes; any other cause takes every place. A record is created
#: while its properties are told of, in whatever order, a plain change hides no other cause, and a
#: sweep that finds what an event told of says nothing new.
_OVER = {CREATED: (CREATED, CHANGED, DECAY), CHANGED: (CHANGED, DECAY), SWEPT: (SWEPT, DECAY)}


class Lane(IntEnum):
    """What goes first."""

    LIVE = 0  #: The CRM just told us.
    LATER = 1  #: Found by a sweep, or decayed.
    BACKFILL = 2  #: Everything the account has.


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMark:
    """A record to look at again."""

    account_id: str
    object_type: str
    record_id: str
    cause: str
    since_at: datetime | None  #: When the event arrived.
    lane: Lane = Lane.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A due record in a worker's hands."""

    record_id: str
    cause: str
    version: int
    attempts: int
    first_failed_at: datetime | None
    since_at: datetime | None
    lane: Lane = Lane.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A claim to try again later."""

    claim: Claim
    due_at: datetime
    error_code: str
    first_failed_at: datetime


def _claim_statement(last: Lane) -> Executable:
    """Return the statement of a claim: each lane is a seek of its own, whatever the others hold."""
    lanes = [
        select(_table)
        .where(
            _table.c.account_id == bindparam("account"),
            _table.c.lane == literal(int(lane)),
            _table.c.due_at <= bindparam("now"),
        )
        .order_by(_table.c.due_at)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
        for lane in Lane
        if lane <= last
    ]
    found = union_all(*(select(lane) for lane in lanes)).subquery()
    return (
        select(found)
        .order_by(found.c.lane, found.c.due_at)
        .limit(bindparam("limit", type_=Integer))
    )


def _next_statement(last: Lane) -> Executable:
    return union_all(
        *(
            select(func.min(_table.c.due_at).label("due_at")).where(
                _table.c.account_id == bindparam("account"), _table.c.lane == literal(int(lane))
            )
            for lane in Lane
            if lane <= last
        )
    )


def _with_due_statement() -> Executable:
    named = schema.account.c.account_id
    waits = {
        lane: exists(
            select(_table.c.record_id).where(
                _table.c.account_id == named,
                _table.c.lane == literal(int(lane)),
                _table.c.due_at <= bindparam("now"),
            )
        )
        for lane in Lane
    }
    return (
        select(named)
        .where(or_(*waits.values()))
        .order_by(waits[Lane.LIVE].desc(), waits[Lane.LATER].desc(), named)
    )


#: Made once: SQLAlchemy takes longer to make them than the database to answer.
_CLAIM = {lane: _claim_statement(lane) for lane in Lane}
_NEXT = {lane: _next_statement(lane) for lane in Lane}
_WITH_DUE = _with_due_statement()


class Due:
    """The due table."""

    def __init__(self, engine: Engine, tombstones: Tombstones) -> None:
        self._engine = engine
        self._tombstones = tombstones
        self._mark = _mark_statement(engine)

    def mark(self, marks: Sequence[DueMark], now: datetime) -> None:
        """Mark records due now, in one transaction. Repeats among `marks` collapse first.

        Records that were erased are passed over (S56).
        """
        if marks:
            with self._engine.begin() as connection:
                _mark_all(connection, self._mark, _kept(connection, self._tombstones, marks), now)

    def claim(
        self,
        account_id: str,
        limit: int,
        now: datetime,
        *,
        beside: Collection[tuple[str, str]] = (),
        last: Lane = Lane.BACKFILL,
    ) -> tuple[str, list[Claim]]:
        """Return the object type and the claims of the next batch, first lanes first.

        All are of one type, since a CRM batch is. The caller holds the account's lease, so nothing
        is locked: the rows stay due until `finish`.

        Args:
            account_id: The account.
            limit: Claims at most.
            now: What is due by then.
            beside: Object type and record id of claims still in the caller's hands.
            last: The last lane to look at.
        """
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                _CLAIM[last],
                {"account": account_id, "now": now, "limit": limit + len(beside)},
            ).all()
        rows = [row for row in rows if (row.object_type, row.record_id) not in beside][:limit]
        if not rows:
            return "", []
        object_type = rows[0].object_type
        return object_type, [
            Claim(
                record_id=row.record_id,
                cause=row.cause,
                version=row.version,
                attempts=row.attempts,
                first_failed_at=row.first_failed_at,
                since_at=row.since_at,
                lane=Lane(row.lane),
            )
            for row in rows
            if row.object_type == object_type
        ]

    def accounts(self, now: datetime) -> list[str]:
        """Return the accounts that have something due, those with a live inquiry first."""
        with reading(self._engine).connect() as connection:
            return list(connection.execute(_WITH_DUE, {"now": now}).scalars())

    def next_at(self, account_id: str, last: Lane = Lane.BACKFILL) -> datetime | None:
        """Return when the account's next record falls due, up to the lane `last`, or None."""
        with reading(self._engine).connect() as connection:
            found = connection.execute(_NEXT[last], {"account": account_id}).scalars().all()
        return min((at for at in found if at is not None), default=None)

    def waiting(self, account_id: str, now: datetime) -> int:
        """Return how many of the account's records are due."""
        with reading(self._engine).connect() as connection:
            return connection.execute(
                select(func.count())
                .select_from(_table)
                .where(
                    _table.c.account_id == account_id,
                    _table.c.lane.in_(list(Lane)),  # so that the index is of use
                    _table.c.due_at <= now,
                )
            ).scalar_one()

    def mark_known(self, account_id: str, cause: str, now: datetime) -> int:
        """Mark every record of the account that has a score due, last of all; return how many."""
        known = select(
            schema.lead.c.account_id,
            schema.lead.c.object_type,
            schema.lead.c.record_id,
            literal(now, schema.Instant()),
            literal(cause),
            literal(int(Lane.BACKFILL)),
        ).where(schema.lead.c.account_id == account_id)
        names = ["account_id", "object_type", "record_id", "due_at", "cause", "lane"]
        with self._engine.begin() as connection:
            new = insert_into(connection, _table).from_select(names, known)
            return connection.execute(_where_known(new)).rowcount


def _mark_statement(engine: Engine | Connection) -> Executable:
    statement: Executable = _where_known(insert_into(engine, _table))
    return statement


def _where_known(new: Any) -> Any:
    """Return the insert `new`, with what becomes of a row that is there already."""
    # A sweep finds a failing record again and again: its tries count on, at their own times.
    fails_on = and_(new.excluded.cause == SWEPT, _table.c.attempts > 0)
    return new.on_conflict_do_update(
        index_elements=["account_id", "object_type", "record_id"],
        set_={
            "due_at": case(
                (or_(_table.c.due_at < new.excluded.due_at, fails_on), _table.c.due_at),
                else_=new.excluded.due_at,
            ),
            "cause": case(
                # It stays until it is served, whatever events come in between.
                (_table.c.cause == WRITTEN_LATE, _table.c.cause),
                *(
                    (
                        and_(
                            new.excluded.cause == cause, *(_table.c.cause != one for one in weaker)
                        ),
                        _table.c.cause,
                    )
                    for cause, weaker in _OVER.items()
                ),
                else_=new.excluded.cause,
            ),
            "version": _table.c.version + 1,
            "attempts": case((fails_on, _table.c.attempts), else_=0),
            "first_failed_at": case((fails_on, _table.c.first_failed_at)),
            "error_code": case((fails_on, _table.c.error_code)),
            "since_at": func.coalesce(_table.c.since_at, new.excluded.since_at),
            "lane": case(
                (_table.c.lane < new.excluded.lane, _table.c.lane), else_=new.excluded.lane
            ),
        },
    )


_SAME = (
    (_table.c.account_id == bindparam("b_account"))
    & (_table.c.object_type == bindparam("b_type"))
    & (_table.c.record_id == bindparam("b_record"))
    & (_table.c.version == bindparam("b_version"))
)
_DROP = delete(_table).where(_SAME)
_LATER = (
    update(_table)
    .where(_SAME)
    .values(
        due_at=bindparam("b_due_at"),
        cause=bindparam("b_cause"),
        attempts=bindparam("b_attempts"),
        error_code=bindparam("b_code"),
        first_failed_at=bindparam("b_first"),
        since_at=bindparam("b_since"),
        lane=bindparam("b_lane"),
    )
)


def mark(
    connection: Connection, tombstones: Tombstones, marks: Sequence[DueMark], now: datetime
) -> None:
    """Mark records due now inside the caller's transaction; see `Due.mark`."""
    if marks:
        kept = _kept(connection, tombstones, marks)
        _mark_all(connection, _mark_statement(connection), kept, now)


def _kept(
    connection: Connection, tombstones: Tombstones, marks: Sequence[DueMark]
) -> Sequence[DueMark]:
    """Return the marks of records that were not erased."""
    ids: dict[tuple[str, str], set[str]] = {}
    for m in marks:
        ids.setdefault((m.account_id, m.object_type), set()).add(m.record_id)
    erased = {kind: tombstones.among(connection, *kind, named) for kind, named in ids.items()}
    if not any(erased.values()):
        return marks
    return [m for m in marks if m.record_id not in erased[(m.account_id, m.object_type)]]


def _mark_all(
    connection: Connection, statement: Executable, marks: Sequence[DueMark], now: datetime
) -> None:
    if not marks:
        return
    rows: dict[tuple[str, str, str], DueMark] = {}
    for m in marks:
        key = (m.account_id, m.object_type, m.record_id)
        first = rows.get(key)
        rows[key] = m if first is None else replace(first, cause=_stronger(first.cause, m.cause))
    connection.execute(
        statement,
        [
            {
                "account_id": m.account_id,
                "object_type": m.object_type,
                "record_id": m.record_id,
                "cause": m.cause,
                "due_at": now,
                "since_at": m.since_at,
                "lane": m.lane,
            }
            # In one order everywhere: two that mark the same rows wait for each other,
            # and never both at once.
            for _, m in sorted(rows.items())
        ],
    )


def _stronger(first: str, later: str) -> str:
    """Return the cause that stays of two: as in the statement above."""
    return later if first in _OVER.get(later, (first,)) else first


def finish(
    connection: Connection,
    account_id: str,
    object_type: str,
    *,
    done: Sequence[tuple[Claim, datetime | None]],
    retries: Sequence[Retry],
) -> None:
    """End claims inside the caller's transaction.

    Args:
        connection: The transaction that stores the scores, too.
        account_id: The account of all claims.
        object_type: The type of all claims.
        done: Claims that are served, each with the instant its score changes by itself, or None.
        retries: Claims to try again.
    """
    ended = [claim for claim, _ in done] + [retry.claim for retry in retries]
    shared = {"account_id": account_id, "object_type": object_type}
    # In the order of `mark`, which may want the same rows at the same time.
    lock_in_order(connection, _table, shared, "record_id", [claim.record_id for claim in ended])

    def key(claim: Claim) -> dict[str, object]:
        return {
            "b_account": account_id,
            "b_type": object_type,
            "b_record": claim.record_id,
            "b_version": claim.version,
        }

    dropped = [key(claim) for claim, next_at in done if next_at is None]
    if dropped:
        connection.execute(_DROP, dropped)
    later = [
        {
            **key(claim),
            "b_due_at": next_at,
            "b_cause": DECAY,
            "b_attempts": 0,
            "b_code": None,
            "b_first": None,
            "b_since": None,
            "b_lane": Lane.LATER,
        }
        for claim, next_at in done
        if next_at is not None
    ]
    later += [
        {
            **key(retry.claim),
            "b_due_at": retry.due_at,
            "b_cause": retry.claim.cause,
            "b_attempts": retry.claim.attempts + 1,
            "b_code": retry.error_code,
            "b_first": retry.first_failed_at,
            "b_since": retry.claim.since_at,
            "b_lane": retry.claim.lane,
        }
        for retry in retries
    ]
    if later:
        connection.execute(_LATER, later)
