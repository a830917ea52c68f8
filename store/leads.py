"""The sealed cache and ledger: what is known of each record, its score, and its history.

One transaction stores a whole batch: facts, scores, reasons, history, what was written, and when
each record falls due again. A record's values are sealed under a data key of its own (S45).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, Executable, Table, case, delete, select, update

from store import accounts, dead_letters, due, schema
from store.accounts import Lease
from store.due import WRITTEN_LATE, Claim, Due, DueMark, Retry
from store.engine import insert_into, reading
from store.retired_keys import commitment_of, require_kept
from store.tombstones import Tombstones
from store.vault import MAX_USES, Cell, DataKey, Vault, VaultError, wrapped_under

_table = schema.lead
_history = schema.score_history

#: Values sealed at each saving: facts and reasons of the lead, reasons of the history.
_SEALS_A_SAVE = 3


@dataclass(frozen=True, slots=True)
class LeadState:
    """What a batch must know of a record's last score."""

    score: int | None
    tier: str
    written_hash: bytes | None
    wrapped_key: bytes = field(repr=False)
    key_uses: int
    key: DataKey | None  #: None when its master key is not here: the row must stay as it is (S53).


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLead:
    """A record's new score, to be stored."""

    claim: Claim
    score: int | None
    tier: str
    model_version: str
    valid_until: datetime | None
    respond_by: datetime | None
    first_response_at: datetime | None
    facts: bytes = field(repr=False)
    reasons: bytes = field(repr=False)
    written_hash: bytes | None  #: Of what the CRM holds now; None when it holds no score of ours.


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of the claims of one batch."""

    object_type: str
    scored: Sequence[ScoredLead] = ()
    #: Scored leads whose write must be tried again: by record id.
    retries: Sequence[Retry] = ()
    gone: Sequence[Claim] = ()  #: The CRM has no such record any more.
    dead: Sequence[tuple[Claim, str]] = ()  #: With the error code.
    passed: Sequence[Claim] = ()  #: Served by making other records due: `marks`.
    marks: Sequence[DueMark] = ()

    def claims(self) -> dict[str, Claim]:
        """Return all its claims by record id."""
        claims = [item.claim for item in self.scored] + [retry.claim for retry in self.retries]
        claims += [*self.gone, *self.passed, *(claim for claim, _ in self.dead)]
        return {claim.record_id: claim for claim in claims}

    def beside(self, met: Collection[str]) -> "Batch":
        """Return the batch without the scored records in `met`, whose claims stay open."""
        return replace(
            self,
            scored=[item for item in self.scored if item.claim.record_id not in met],
            retries=[retry for retry in self.retries if retry.claim.record_id not in met],
            dead=[entry for entry in self.dead if entry[0].record_id not in met],
        )

    def without(self, erased: Collection[str]) -> "Batch":
        """Return the batch with the erased records as gone."""
        claims = [claim for name, claim in self.claims().items() if name in erased]
        return Batch(
            object_type=self.object_type,
            scored=[item for item in self.scored if item.claim.record_id not in erased],
            retries=[retry for retry in self.retries if retry.claim.record_id not in erased],
            gone=[*(c for c in self.gone if c.record_id not in erased), *claims],
            dead=[entry for entry in self.dead if entry[0].record_id not in erased],
            passed=self.passed,
        )


class Leads:
    """The lead table and the score history."""

    def __init__(self, engine: Engine, vault: Vault, *, max_uses: int = MAX_USES) -> None:
        self._max_uses = max_uses
        self._engine = engine
        self._vault = vault
        self._tombstones = Tombstones(vault)
        self._due = Due(engine, self._tombstones)
        self._save = _upsert(engine, _table, kept_key=_table.c.wrapped_key)
        # A clock that stands, or was set back, may name an instant twice: the later score is kept,
        # and the batch is not refused for it.
        self._remember = _upsert(engine, _history)

    def states(
        self, account_id: str, object_type: str, ids: Sequence[str]
    ) -> dict[str, LeadState]:
        """Return what is stored of the records among `ids` that were scored before."""
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(
                    _table.c.record_id,
                    _table.c.score,
                    _table.c.tier,
                    _table.c.written_hash,
                    _table.c.wrapped_key,
                    _table.c.key_uses,
                ).where(
                    _table.c.account_id == account_id,
                    _table.c.object_type == object_type,
                    _table.c.record_id.in_(ids),
                )
            ).all()
        return {
            row.record_id: LeadState(
                row.score,
                row.tier,
                row.written_hash,
                row.wrapped_key,
                row.key_uses,
                self._unwrapped(account_id, object_type, row.record_id, row.wrapped_key),
            )
            for row in rows
        }

    def _unwrapped(
        self, account_id: str, object_type: str, record_id: str, wrapped: bytes
    ) -> DataKey | None:
        cell = Cell(account_id, "lead", "wrapped_key", f"{object_type}:{record_id}")
        try:
            return self._vault.unwrap(wrapped, cell)
        except VaultError:
            return None

    def opens(self) -> bool:
        """Tell whether what was stored opens with our master keys, by a look at one row (S53)."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(
                    _table.c.account_id,
                    _table.c.object_type,
                    _table.c.record_id,
                    _table.c.wrapped_key,
                ).limit(1)
            ).first()
        return row is None or self._unwrapped(*row) is not None

    def erased(self, account_id: str, object_type: str, ids: Sequence[str]) -> set[str]:
        """Return which of `ids` were erased: they must be neither scored nor written (S56)."""
        with reading(self._engine).connect() as connection:
            return self._tombstones.among(connection, account_id, object_type, ids)

    def expect_write(self, lease: Lease, object_type: str, ids: Sequence[str]) -> None:
        """Forget what the CRM holds of `ids`, which are about to be written.

        Whatever becomes of the call, or of this process, a score that went out is not mistaken for
        the one before it: the next look writes again (I3).

        Raises:
            LeaseLostError: another worker has the account; nothing must be written.
        """
        with self._engine.begin() as connection:
            accounts.require(connection, lease)
            connection.execute(
                update(_table)
                .where(
                    _table.c.account_id == lease.account_id,
                    _table.c.object_type == object_type,
                    _table.c.record_id.in_(ids),
                )
                .values(written_hash=None)
            )

    def written_late(
        self, lease: Lease, object_type: str, ids: Sequence[str], now: datetime
    ) -> bool:
        """Mark `ids` to be written again if the lease was lost, and tell whether it was.

        A worker that slept in its call to the CRM may have put an older score over a newer one
        (I7). No fence can stop that call; so whoever holds the account writes once more.
        """
        with reading(self._engine).connect() as connection:
            if accounts.is_held(connection, lease):
                return False
        self._due.mark(
            [
                DueMark(
                    account_id=lease.account_id,
                    object_type=object_type,
                    record_id=record_id,
                    cause=WRITTEN_LATE,
                    since_at=None,
                )
                for record_id in ids
            ],
            now,
        )
        return True

    def hash_written(self, account_id: str, content: bytes) -> bytes:
        """Return a keyed hash of what is written to the CRM: a score alone is easily guessed."""
        return self._vault.keyed_hash("written", account_id, content)

    def save(
        self, lease: Lease, batch: Batch, states: Mapping[str, LeadState], now: datetime
    ) -> None:
        """Store a batch in one transaction; of records erased meanwhile, nothing.

        A record that another was merged into meanwhile stays due: its key is another one now.

        Args:
            lease: The right to work the account.
            batch: What became of each claim.
            states: What `states` returned for the batch.
            now: The time of scoring.

        Raises:
            LeaseLostError: another worker has the account; nothing is stored.
            RetiredKeyError: a master key of this process is retired; nothing is stored.
        """
        # Before what passed them on is done, and apart: others mark and end in one order each.
        self._due.mark(batch.marks, now)
        leads, history = [], []
        for item in batch.scored:
            row, entry = self._rows(lease.account_id, batch.object_type, item, states, now)
            leads.append(row)
            if entry is not None:
                history.append(entry)
        with self._engine.begin() as connection:
            accounts.require(connection, lease)
            erased = self._tombstones.among(
                connection, lease.account_id, batch.object_type, batch.claims()
            )
            if erased:
                batch = batch.without(erased)
                leads = [row for row in leads if row["record_id"] not in erased]
                history = [row for row in history if row["record_id"] not in erased]
            new = [row["record_id"] for row in leads if row["record_id"] not in states]
            met = self._met(connection, lease.account_id, batch.object_type, new)
            if met:
                batch = batch.beside(met)
                leads = [row for row in leads if row["record_id"] not in met]
                history = [row for row in history if row["record_id"] not in met]
            self._store(connection, lease, batch, leads=leads, history=history, now=now)

    @staticmethod
    def _met(
        connection: Connection, account_id: str, object_type: str, new: Sequence[str]
    ) -> set[str]:
        """Return which of `new`, which had no row when they were read, have one now."""
        if not new:
            return set()
        found = connection.execute(
            select(_table.c.record_id).where(
                _table.c.account_id == account_id,
                _table.c.object_type == object_type,
                _table.c.record_id.in_(new),
            )
        )
        return set(found.scalars())

    def _store(
        self,
        connection: Connection,
        lease: Lease,
        batch: Batch,
        *,
        leads: Sequence[dict[str, Any]],
        history: Sequence[dict[str, Any]],
        now: datetime,
    ) -> None:
        retried = {retry.claim.record_id for retry in batch.retries}
        dead = {claim.record_id for claim, _ in batch.dead}
        done: list[tuple[Claim, datetime | None]] = [
            (item.claim, item.valid_until)
            for item in batch.scored
            if item.claim.record_id not in retried | dead
        ]
        done += [(claim, None) for claim in (*batch.gone, *batch.passed)]
        done += [(claim, None) for claim, _ in batch.dead]
        if leads:
            connection.execute(self._save, leads)
            require_kept(connection, {wrapped_under(row["wrapped_key"]) for row in leads})
        if history:
            connection.execute(self._remember, history)
        for claim in batch.gone:
            for table in (_table, _history):
                connection.execute(
                    delete(table).where(
                        table.c.account_id == lease.account_id,
                        table.c.object_type == batch.object_type,
                        table.c.record_id == claim.record_id,
                    )
                )
        for claim, code in batch.dead:
            dead_letters.add_record(
                connection,
                lease.account_id,
                batch.object_type,
                claim,
                error_code=code,
                now=now,
            )
        due.finish(
            connection, lease.account_id, batch.object_type, done=done, retries=batch.retries
        )

    def _rows(
        self,
        account_id: str,
        object_type: str,
        item: ScoredLead,
        states: Mapping[str, LeadState],
        now: datetime,
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        record_id = item.claim.record_id
        row_name = f"{object_type}:{record_id}"
        state = states.get(record_id)
        key, wrapped, uses = self._key(account_id, row_name, state)
        lead = {
            "account_id": account_id,
            "object_type": object_type,
            "record_id": record_id,
            "score": item.score,
            "tier": item.tier,
            "model_version": item.model_version,
            "scored_at": now,
            "valid_until": item.valid_until,
            "respond_by": item.respond_by,
            "first_response_at": item.first_response_at,
            "written_hash": item.written_hash,
            "wrapped_key": wrapped,
            "key_uses": uses + _SEALS_A_SAVE,
            "sealed_facts": key.seal(
                item.facts, Cell(account_id, "lead", "sealed_facts", row_name)
            ),
            "sealed_reasons": key.seal(
                item.reasons, Cell(account_id, "lead", "sealed_reasons", row_name)
            ),
        }
        if state is not None and (state.score, state.tier) == (item.score, item.tier):
            return lead, None
        cell = Cell(account_id, "score_history", "sealed_reasons", f"{row_name}:{now.isoformat()}")
        return lead, {
            "account_id": account_id,
            "object_type": object_type,
            "record_id": record_id,
            "scored_at": now,
            "score": item.score,
            "tier": item.tier,
            "model_version": item.model_version,
            "cause": item.claim.cause,
            "sealed_reasons": key.seal(item.reasons, cell),
        }

    def _key(
        self, account_id: str, row_name: str, state: LeadState | None
    ) -> tuple[DataKey, bytes, int]:
        """Return the record's data key, its wrapped form and how often it sealed (S49)."""
        cell = Cell(account_id, "lead", "wrapped_key", row_name)
        if state is not None and state.key is None:
            raise VaultError("lead: its key does not open; it must not be overwritten")
        if state is None or state.key is None or state.key_uses + _SEALS_A_SAVE > self._max_uses:
            # A worn key's history becomes unreadable with it: 350,000 savings of one record.
            key, wrapped = self._vault.new_key(cell)
            return key, wrapped, 0
        return state.key, state.wrapped_key, state.key_uses

    def facts(self, account_id: str, object_type: str, record_id: str) -> bytes | None:
        """Return a record's opened facts, or None when it is not known."""
        return self._opened(account_id, object_type, record_id, "sealed_facts")

    def reasons(self, account_id: str, object_type: str, record_id: str) -> bytes | None:
        """Return a record's opened reasons, or None when it is not known."""
        return self._opened(account_id, object_type, record_id, "sealed_reasons")

    def _opened(
        self, account_id: str, object_type: str, record_id: str, column: str
    ) -> bytes | None:
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_table.c.wrapped_key, _table.c[column]).where(
                    _table.c.account_id == account_id,
                    _table.c.object_type == object_type,
                    _table.c.record_id == record_id,
                )
            ).first()
        if row is None:
            return None
        row_name = f"{object_type}:{record_id}"
        key = self._vault.unwrap(row[0], Cell(account_id, "lead", "wrapped_key", row_name))
        return key.open(row[1], Cell(account_id, "lead", column, row_name))


def _upsert(engine: Engine, table: Table, *, kept_key: Column[bytes] | None = None) -> Executable:
    """Return an insert that replaces what is there.

    Args:
        engine: Whose dialect.
        table: Where to.
        kept_key: A column of wrapped keys. The key that is there stays as it is wrapped when the
            new one is the same: it may have been wrapped anew meanwhile (S50).
    """
    new = insert_into(engine, table)
    values: dict[str, Any] = {
        column.name: new.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    if kept_key is not None:
        given = new.excluded[kept_key.name]
        is_same = commitment_of(kept_key) == commitment_of(given)
        values[kept_key.name] = case((is_same, kept_key), else_=given)
    return new.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key.columns], set_=values
    )
