"""One batch of due records: read, score, write back, store.

A batch is one read call, one write call and one transaction, whatever its size. A record the CRM
no longer has is done, not an error. A score that the CRM already shows is not written again (S35).
"""

import dataclasses
import json
import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integrations.base import ActivityClient, Change, CrmClient, Found, Happening, Outcome
from integrations.errors import CrmError, PermanentCrmError
from integrations.mapping import LeadReader, Reading, crm_values
from scoring.details import details_of
from scoring.engine import inquired_at, score
from scoring.lead import Lead
from scoring.model import ScoringModel
from scoring.result import LeadScore
from scoring.text.semantic import Meaning
from store.accounts import Lease, LeaseLostError
from store.due import CREATED, WRITTEN_LATE, Claim, DueMark
from store.leads import Batch, Leads, LeadState, ScoredLead
from store.merging import Merging
from store.tombstones import Record
from webhooks.failures import DATA_TRIES, Failures
from webhooks.following import followed
from webhooks.health import Health

log = logging.getLogger(__name__)

#: The cause of a record that another one went on as.
MERGED = "merged"
#: So long after its creation was told, a record's activities are not asked for: also at the end
#: of a burst, when calls are scarce.
NEW_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWork:
    """All that is needed to work one account."""

    name: str
    crm: str
    client: CrmClient = field(repr=False)
    reader: LeadReader = field(repr=False)
    model: ScoringModel = field(repr=False)
    outputs: Mapping[str, str]  #: Meaning -> property name.
    object_types: Sequence[str]  #: What is scored of it.
    meaning: Meaning | None = field(default=None, repr=False)  #: Adds flags to the gate's.
    activities: ActivityClient | None = field(default=None, repr=False)
    sweep_every: timedelta = timedelta(minutes=15)
    activity_types: Collection[str] = ()  #: Those that model and response clock need.


@dataclass(slots=True)
class _Scored:
    claim: Claim
    lead: Lead
    result: LeadScore
    values: Mapping[str, str | int | None]
    hash: bytes
    is_new: bool  #: Differs from what the CRM holds.


class Pipeline:
    """Works batches of any account."""

    def __init__(
        self,
        *,
        leads: Leads,
        merging: Merging,
        health: Health,
        clock: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._leads = leads
        self._merging = merging
        self._health = health
        self._clock = clock
        self._rng = rng

    def run(
        self, work: AccountWork, lease: Lease, object_type: str, claims: Sequence[Claim]
    ) -> None:
        """Serve `claims`, all of one type.

        Raises:
            CrmError: a call as a whole failed; nothing is stored, the claims stay due.
            LeaseLostError: another worker has the account; nothing is stored.
        """
        began = self._clock()
        if work.activities is not None and object_type in work.activities.activity_types:
            batch = followed(
                work.activities,
                account=work.name,
                scored_types=work.object_types,
                activity_type=object_type,
                claims=claims,
                now=began,
            )
            self._leads.save(lease, batch, {}, began)
            self._report(work, object_type, batch, Outcome(), began)
            return
        ids = [claim.record_id for claim in claims]
        erased = self._leads.erased(work.name, object_type, ids)
        asked = [record_id for record_id in ids if record_id not in erased]
        found = (
            work.client.read(object_type, asked, work.reader.properties)
            if asked
            else Found(records={})
        )
        now = self._clock()
        moved = self._follow(work, object_type, claims, found, now)
        states = self._leads.states(work.name, object_type, ids)
        new = {claim.record_id for claim in claims if _is_new(claim, now)} - states.keys()
        around = [record_id for record_id in found.records if record_id not in new]
        happenings = self._happenings(work, object_type, around)
        gone = [claim for claim in claims if claim.record_id not in found.records]
        scored: list[_Scored] = []
        poison: list[Claim] = []
        locked: list[Claim] = []
        for claim in claims:
            record = found.records.get(claim.record_id)
            if record is None:
                continue
            state = states.get(claim.record_id)
            if state is not None and state.key is None:
                locked.append(claim)  # never overwritten: its master key may come back (S53)
                continue
            try:
                reading = work.reader.read(record, happenings.get(claim.record_id, ()))
                scored.append(self._score(work, claim, reading, states, now))
            except Exception:
                # One record that breaks the engine must not hold up the others (S88).
                log.exception(
                    "record.not_scored",
                    extra={"account": work.name, "record_id": claim.record_id},
                )
                poison.append(claim)
        outcome = self._write(work, lease, object_type, scored)
        batch = self._batch(
            object_type,
            scored=scored,
            gone=gone,
            poison=poison,
            locked=locked,
            outcome=outcome,
            states=states,
            now=now,
        )
        batch = dataclasses.replace(batch, marks=moved)
        try:
            self._leads.save(lease, batch, states, now)
        except LeaseLostError:
            self._written_late(lease, object_type, scored)
            raise
        self._report(work, object_type, batch, outcome, began)

    def _follow(
        self,
        work: AccountWork,
        object_type: str,
        claims: Sequence[Claim],
        found: Found,
        now: datetime,
    ) -> list[DueMark]:
        """Let records that go on as others go on; return what is due of these.

        A converted lead's history belongs to the contact that it became, if contacts are scored.
        """
        marks = []
        for claim in claims:
            into = found.moved.get(claim.record_id)
            if into is None or into.object_type not in work.object_types:
                continue
            loser = Record(work.name, object_type, claim.record_id)
            self._merging.fold(loser, Record(work.name, into.object_type, into.record_id), now)
            marks.append(
                DueMark(
                    account_id=work.name,
                    object_type=into.object_type,
                    record_id=into.record_id,
                    cause=MERGED,
                    since_at=claim.since_at,
                    lane=claim.lane,
                )
            )
        return marks

    @staticmethod
    def _happenings(
        work: AccountWork, object_type: str, ids: Sequence[str]
    ) -> Mapping[str, Sequence[Happening]]:
        """Return what happened around records, as far as model and response clock need it."""
        if work.activities is None or not work.activity_types or not ids:
            return {}
        return work.activities.activities(object_type, ids, work.activity_types)

    def _score(
        self,
        work: AccountWork,
        claim: Claim,
        reading: Reading,
        states: Mapping[str, LeadState],
        now: datetime,
    ) -> _Scored:
        if reading.unfit:
            log.info(
                "record.unfit_fields",
                extra={
                    "account": work.name,
                    "record_id": claim.record_id,
                    "reason": ",".join(reading.unfit),
                },
            )
        result = score(reading.lead, work.model, now, work.meaning)
        state = states.get(claim.record_id)
        values = crm_values(result, work.outputs, trend=_trend(state, result), now=now)
        # When it was scored changes each time, and the trend with it: neither makes a write.
        passing = {work.outputs.get("updated_at"), work.outputs.get("trend")}
        if inquired_at(reading.lead) is None:
            # Without a time of its own, the response clock starts anew at each scoring.
            passing.add(work.outputs.get("respond_by"))
        content = {name: value for name, value in values.items() if name not in passing}
        digest = self._leads.hash_written(work.name, json.dumps(content, sort_keys=True).encode())
        return _Scored(
            claim=claim,
            lead=reading.lead,
            result=result,
            values=values,
            hash=digest,
            is_new=state is None or state.written_hash != digest or claim.cause == WRITTEN_LATE,
        )

    def _write(
        self, work: AccountWork, lease: Lease, object_type: str, scored: Sequence[_Scored]
    ) -> Outcome:
        changes = [
            Change(record_id=item.claim.record_id, properties=item.values)
            for item in scored
            if item.is_new
        ]
        if not changes:
            return Outcome()
        self._leads.expect_write(lease, object_type, [change.record_id for change in changes])
        try:
            return work.client.write(object_type, changes)
        except CrmError:
            # The call may have reached the CRM, and waited past our lease before it failed.
            self._written_late(lease, object_type, scored)
            raise

    def _written_late(self, lease: Lease, object_type: str, scored: Sequence[_Scored]) -> None:
        """Have records written again if we wrote them while another worker had the account."""
        ids = [item.claim.record_id for item in scored if item.is_new]
        if ids and self._leads.written_late(lease, object_type, ids, self._clock()):
            log.warning("lease.written_late", extra={"account": lease.account_id})

    def _batch(
        self,
        object_type: str,
        *,
        scored: Sequence[_Scored],
        gone: Sequence[Claim],
        poison: Sequence[Claim],
        locked: Sequence[Claim],
        outcome: Outcome,
        states: Mapping[str, LeadState],
        now: datetime,
    ) -> Batch:
        failures = Failures(now, self._rng)
        vanished = [item.claim for item in scored if item.claim.record_id in outcome.gone]
        kept = []
        for item in scored:
            record_id = item.claim.record_id
            if record_id in outcome.gone:
                continue
            state = states.get(record_id)
            holds = item.hash if record_id in outcome.written or not item.is_new else None
            if record_id in outcome.refused and state is not None:
                holds = state.written_hash  # what was there before still is
            kept.append(_stored(item, holds))
            code = outcome.refused.get(record_id)
            if code is not None:
                failures.add(item.claim, f"refused_{code}", tries=DATA_TRIES)
            elif record_id in outcome.retry:
                failures.add(item.claim, outcome.retry[record_id])
        for claim in poison:
            failures.add(claim, "not_scored", tries=DATA_TRIES)
        for claim in locked:
            failures.add(claim, "key_missing")
        if locked:
            self._health.alarm("records are sealed under a master key that is not here")
        return Batch(
            object_type=object_type,
            scored=kept,
            retries=failures.retries,
            gone=[*gone, *vanished],
            dead=failures.dead,
        )

    def refuse(
        self,
        work: AccountWork,
        lease: Lease,
        object_type: str,
        claim: Claim,
        error: PermanentCrmError,
    ) -> None:
        """Put off a record that the CRM refuses to read, alone in its batch."""
        now = self._clock()
        failures = Failures(now, self._rng)
        failures.add(claim, f"refused_{error.code}", tries=DATA_TRIES)
        batch = Batch(object_type=object_type, retries=failures.retries, dead=failures.dead)
        self._leads.save(lease, batch, {}, now)
        self._report(work, object_type, batch, Outcome(), now)

    def _report(
        self,
        work: AccountWork,
        object_type: str,
        batch: Batch,
        outcome: Outcome,
        began: datetime,
    ) -> None:
        now = self._clock()
        failed = {retry.claim.record_id for retry in batch.retries}
        failed |= {claim.record_id for claim, _ in batch.dead}
        waits = [
            (now - item.claim.since_at).total_seconds()
            for item in batch.scored
            if item.claim.since_at is not None and item.claim.record_id not in failed
        ]
        self._health.served(work.name, waits)
        ends = {
            "written": len(outcome.written),
            "unchanged": len(batch.scored) - len(outcome.written) - len(failed),
            "gone": len(batch.gone),
            "passed": len(batch.passed),
            "retried": len(batch.retries),
            "dead": len(batch.dead),
        }
        ends["unchanged"] = max(ends["unchanged"], 0)
        for end, count in ends.items():
            if count:
                self._health.records.labels(work.name, end).inc(count)
        if batch.dead:
            self._health.alarm(f"{work.name}: records are in the dead letters")
        log.info(
            "batch.done",
            extra={
                "account": work.name,
                "crm": work.crm,
                "object_type": object_type,
                **ends,
                "lag_ms": round(max(waits, default=0.0) * 1000),
                "duration_ms": round((now - began).total_seconds() * 1000, 1),
            },
        )


def _is_new(claim: Claim, now: datetime) -> bool:
    """Tell whether a record came into being a moment ago, so that nothing happened around it yet.

    What happens has an event of its own, which makes the record due again.
    """
    return (
        claim.cause == CREATED and claim.since_at is not None and now - claim.since_at <= NEW_FOR
    )


def _trend(state: LeadState | None, result: LeadScore) -> str:
    before = state.score if state else None
    if before is None or result.score is None or before == result.score:
        return "steady"
    return "up" if result.score > before else "down"


def _stored(item: _Scored, written_hash: bytes | None) -> ScoredLead:
    result = item.result
    first_response_at = item.lead.fields.get("first_response_at")
    return ScoredLead(
        claim=item.claim,
        score=result.score,
        tier=result.tier,
        model_version=result.model,
        valid_until=result.valid_until,
        respond_by=result.respond_by,
        first_response_at=first_response_at if isinstance(first_response_at, datetime) else None,
        facts=_facts(item.lead),
        reasons=_reasons(item.lead, result),
        written_hash=written_hash,
    )


def _facts(lead: Lead) -> bytes:
    facts = {
        "text": lead.text,
        "fields": dict(lead.fields),
        "created_at": lead.created_at,
        "activities": [{"kind": each.kind, "at": each.at} for each in lead.activities],
    }
    return json.dumps(facts, default=_plain, separators=(",", ":")).encode()


def _reasons(lead: Lead, result: LeadScore) -> bytes:
    reasons = [
        {"code": r.code, "points": r.points, "text": r.text, "detail": detail}
        for r, detail in zip(result.reasons, details_of(lead, result), strict=True)
    ]
    return json.dumps(reasons, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON form for {type(value).__name__}")
