"""I1 to I8 of SECURITY-REQUIREMENTS, looked at after a fault, one by one."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bench.faults.circumstances import ENV, MARK, MASTER_KEY, SALESFORCE, until
from bench.faults.rig import Rig
from config.load import load_practice
from config.models import packaged_model
from integrations.mapping import LeadReader
from scoring.engine import score
from store import schema
from store.audit import Act
from store.engine import check_integrity, reading
from store.schema import instant

#: How long a service has to come to rest after a fault.
SETTLE_S = 60.0


@dataclass(kw_only=True)
class Found:
    """What was found after a fault."""

    stored: int = 0  #: Distinct events.
    lost: int = 0  #: Acknowledged, and not stored or without an end.
    problems: list[str] = field(default_factory=list)


def settle(
    rig: Rig, seconds: float = SETTLE_S, *, may_be_dead: frozenset[str] = frozenset()
) -> list[str]:
    """Wait until nothing is on its way any more; return what is wrong if it does not end."""
    found = []
    rig.store.databases.close()  # a server that was killed has cut the rig's own connections too
    if not until(lambda: rig.crm.wait_until_idle(0.2), seconds):
        found.append("I1: the CRM's deliveries are not all acknowledged")
    wanted = [record for record in rig.records if record not in may_be_dead]

    def is_quiet() -> bool:
        try:
            counts = rig.store.inbox.counts()
            if counts["waiting"] or rig.store.due.waiting("hubspot", rig.now()):
                return False
        except OperationalError:
            return False
        return all(rig.crm.contact(record).get("lead_score_tier") for record in wanted)

    if not until(is_quiet, seconds):
        waiting = rig.store.inbox.counts()["waiting"]
        due = rig.store.due.waiting("hubspot", rig.now())
        bare = sum(not rig.crm.contact(each).get("lead_score_tier") for each in wanted)
        found.append(
            f"I2: after {seconds:.0f} s {waiting} deliveries wait, {due} records are due,"
            f" {bare} have no score"
        )
    return found


def check(
    rig: Rig,
    *,
    dead: frozenset[str] = frozenset(),
    unreadable: int | None = 0,
    quarantined: int | None = 0,
    settle_s: float = SETTLE_S,
) -> Found:
    """Return what holds after a fault.

    Args:
        rig: The run; its processes still live.
        dead: Records that must be dead letters, and no others.
        unreadable: Events that must be dead letters, at least; None for any number.
        quarantined: Deliveries that must be in quarantine; None for any number.
        settle_s: How long the service has to come to rest.
    """
    found = Found(problems=settle(rig, settle_s, may_be_dead=dead))
    stored = stored_events(rig)
    acknowledged = rig.watch.acknowledged | rig.journal
    missing = acknowledged - stored
    found.stored, found.lost = len(stored), len(missing)
    if missing:
        found.problems.append(f"I1: {len(missing)} acknowledged events are not stored")
    unsent = rig.watch.queued - rig.watch.acknowledged
    if unsent:
        found.problems.append(f"I1: {len(unsent)} of the CRM's events were never acknowledged")
    found.problems += _ends(
        rig, stored, dead=dead, unreadable=unreadable, quarantined=quarantined, found=found
    )
    wrong = wrong_scores(rig, dead)
    if wrong:
        found.problems.append(f"I3, I7: {len(wrong)} records show another score, as {wrong[0]}")
    needless = rig.watch.needless()
    if needless:
        found.problems.append(f"I4: {len(needless)} scores were written twice")
    found.problems += trails(rig)
    found.problems += [f"I8: {fault}" for fault in check_integrity(rig.store.databases)]
    marked = scan(rig)
    if marked:
        found.problems.append(f"I5: a marker stands in clear in {', '.join(marked[:5])}")
    return found


def stored_events(rig: Rig) -> set[tuple[int, int]]:
    """Return the name of every event in the inbox, opened with the key."""
    inbox = rig.store.inbox
    found = set()
    table = schema.delivery
    with reading(rig.store.databases.inbox).connect() as connection:
        rows = connection.execute(text("SELECT account_id, id, sealed_body FROM delivery")).all()
    for row in rows:
        body, fault = inbox._open(row.account_id, row.id, row.sealed_body)  # noqa: SLF001
        if body is None:
            raise AssertionError(f"{table.name} {row.id} does not open: {fault}")
        try:
            events = json.loads(body)
        except ValueError:
            continue  # mutated: kept for a person
        for event in events if isinstance(events, list) else []:
            if isinstance(event, dict) and all(
                isinstance(event.get(name), int) for name in ("eventId", "objectId")
            ):
                found.add((event["eventId"], event["objectId"]))
    return found


def _ends(
    rig: Rig,
    stored: set[tuple[int, int]],
    *,
    dead: frozenset[str],
    unreadable: int | None,
    quarantined: int | None,
    found: Found,
) -> list[str]:
    """I2: each stored event's record has a score, is gone, or is a dead letter."""
    problems = []
    with reading(rig.store.databases.ledger).connect() as connection:
        scored = set(connection.execute(text("SELECT record_id FROM lead")).scalars())
        letters = connection.execute(text("SELECT record_id, cause FROM dead_letter")).all()
    dead_records = {row.record_id for row in letters if row.record_id}
    named = {str(record) for _, record in stored if str(record) in set(rig.records)}
    endless = named - scored - dead_records
    if endless:
        found.lost += len(endless)
        problems.append(f"I2: {len(endless)} records of stored events have no end")
    if dead_records != dead:
        problems.append(f"I2: {len(dead_records)} records are dead letters, not {len(dead)}")
    events = sum(not row.record_id for row in letters)
    if unreadable is not None and (events < unreadable or (events and not unreadable)):
        problems.append(f"I2: {events} events are dead letters, not {unreadable}")
    aside = rig.store.inbox.counts()["quarantined"]
    if quarantined is not None and aside != quarantined:
        problems.append(f"I2: {aside} deliveries are in quarantine, not {quarantined}")
    return problems


def wrong_scores(rig: Rig, dead: frozenset[str]) -> list[tuple[object, ...]]:
    """Return the records whose score in CRM or ledger is not that of what the CRM holds."""
    practice = load_practice(rig.folder / "practice.toml")
    reader = LeadReader(practice.fields["hubspot"])
    model = practice.own(packaged_model())
    with reading(rig.store.databases.ledger).connect() as connection:
        rows = connection.execute(text("SELECT record_id, score, tier, scored_at FROM lead")).all()
    wrong: list[tuple[object, ...]] = []
    contacts = rig.crm.contacts()
    for row in rows:
        contact = contacts.get(row.record_id)
        if contact is None or row.record_id in dead:
            continue
        lead = reader.read({name: contact.get(name) for name in reader.properties}).lead
        right = score(lead, model, instant(row.scored_at))
        shown = contact.get("lead_score") or None
        in_crm = (None if shown is None else int(shown), contact.get("lead_score_tier"))
        if not in_crm == (row.score, row.tier) == (right.score, right.tier):
            wrong.append((row.record_id, in_crm, (row.score, row.tier), (right.score, right.tier)))
    return wrong


def trails(rig: Rig) -> list[str]:
    """I6: add a row, keep the heads, and verify every trail."""
    audit = rig.store.audit
    audit.record(Act(account_id="hubspot", actor="rig", act="rig.checked"), rig.now())
    audit.keep_heads()
    breaks = [audit.verify(account)[1] for account in audit.accounts()]
    return [f"I6: {found.what} at {found.seq}" for found in breaks if found is not None]


def needles() -> list[bytes]:
    """Return what must stand nowhere in clear, as it is and in other writings."""
    plain = [MARK, *ENV.values(), *SALESFORCE.values(), MASTER_KEY]
    found = [each.encode() for each in plain]
    found += [base64.b64encode(each.encode())[:12] for each in plain]
    return [*found, MARK.lower().encode(), MARK.encode().hex().encode(), MARK.encode("utf-16-le")]


def scan(rig: Rig) -> list[str]:
    """I5: return the files that hold a marker, other than those the rig itself wrote."""
    if rig.server is not None:
        rig.server.dump(rig.database_url, rig.folder)
    own = {"master.key", "clock", "practice.toml"}
    wanted = needles()
    found: list[str] = []
    for folder in {rig.folder, rig.data}:
        paths = folder.rglob("*") if folder.exists() else ()
        found += [
            path.name
            for path in paths
            if path.is_file() and path.name not in own and _holds(path, wanted)
        ]
    return found


def _holds(path: Path, wanted: list[bytes]) -> bool:
    content = path.read_bytes()
    return any(needle in content for needle in wanted)
