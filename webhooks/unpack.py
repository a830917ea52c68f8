"""Waiting deliveries -> due records: open, parse, mark due; only then mark unpacked.

The order makes two databases safe without a common transaction: a crash in between unpacks the
delivery again, and a record marked due twice is one row.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from integrations.base import Adapter, RecordRef
from integrations.errors import PayloadError
from store.dead_letters import DeadLetters, UnreadableEvent
from store.due import Due, DueMark
from store.erasure import Erasure
from store.inbox import Inbox, Taken, WaitingDelivery
from store.merging import Merging
from store.tombstones import Record
from webhooks.health import Health

log = logging.getLogger(__name__)

#: The cause of an event that tells of a deletion for privacy.
ERASED = "erased"

#: Deliveries opened at once: bounds memory (4 MiB each at the very worst).
BATCH = 100


@dataclass(slots=True)
class _Found:
    """What a batch of deliveries said."""

    marks: list[DueMark] = field(default_factory=list)
    erased: list[Record] = field(default_factory=list)
    merged: list[tuple[Record, Record]] = field(default_factory=list)  #: Loser, winner.
    unreadable: list[UnreadableEvent] = field(default_factory=list)


def _record(account: str, record: RecordRef) -> Record:
    return Record(account, record.object_type, record.record_id)


class Unpacker:
    """Reads the inbox into the due table."""

    def __init__(
        self,
        *,
        adapters: Mapping[str, Adapter],
        inbox: Inbox,
        due: Due,
        dead_letters: DeadLetters,
        erasure: Erasure,
        merging: Merging,
        health: Health,
        clock: Callable[[], datetime],
    ) -> None:
        self._adapters = adapters
        self._inbox = inbox
        self._due = due
        self._dead_letters = dead_letters
        self._erasure = erasure
        self._merging = merging
        self._health = health
        self._clock = clock

    def start(self) -> None:
        """Look again at what could not be opened before: its key may be back (S53)."""
        count = self._inbox.look_again()
        if count:
            log.info("deliveries.looked_at_again", extra={"count": count})

    def unpack(self) -> tuple[int, dict[str, int]]:
        """Unpack the oldest waiting deliveries.

        Returns:
            How many deliveries were taken, and how many records are now due, by account.
        """
        found = _Found()
        with self._inbox.take(BATCH) as taken:
            for item in taken.deliveries:
                try:
                    self._read(item, found)
                except PayloadError as error:
                    self._quarantine(taken, item, str(error))
                except Exception as error:  # one delivery must never hold up all others (S17)
                    log.exception(
                        "delivery.not_read", extra={"delivery": item.id, "crm": item.kind}
                    )
                    self._quarantine(taken, item, f"reader failed: {type(error).__name__}")
                else:
                    taken.unpacked(item)
            self._erase(found.erased)
            for loser, winner in found.merged:
                self._merging.fold(loser, winner, self._clock())
            self._due.mark(found.marks, self._clock())
            self._dead_letters.add_events(found.unreadable)
        if found.erased:
            self._erasure.clear()
        records = {(mark.account_id, mark.object_type, mark.record_id) for mark in found.marks}
        return len(taken.deliveries), Counter(record[0] for record in records)

    def _read(self, item: WaitingDelivery, found: "_Found") -> None:
        adapter = self._adapters.get(item.kind)
        if adapter is None:
            raise PayloadError("no account of this CRM is configured")
        if item.body is None:
            raise PayloadError(item.fault)
        parsed = adapter.parse(item.body, account=item.account_id)
        found.marks += [
            DueMark(
                account_id=event.account,
                object_type=event.record.object_type,
                record_id=event.record.record_id,
                cause=event.cause,
                since_at=item.received_at,
            )
            for event in parsed.events
            if event.cause != ERASED
        ]
        found.erased += [
            _record(event.account, event.record)
            for event in parsed.events
            if event.cause == ERASED
        ]
        found.merged += [
            (_record(event.account, event.record), _record(event.account, event.into))
            for event in parsed.events
            if event.into is not None
        ]
        found.unreadable += [
            UnreadableEvent(
                account_id=item.account_id,
                delivery_id=item.id,
                place=event.place,
                received_at=item.received_at,
            )
            for event in parsed.unreadable
        ]
        self._health.unpacked.labels(item.kind).inc()
        self._health.events.labels(item.kind).inc(
            len(parsed.events) + parsed.ignored + len(parsed.unreadable)
        )
        if parsed.unreadable:
            self._health.alarm(f"{item.kind}: events that cannot be read are in the dead letters")
        log.info(
            "delivery.unpacked",
            extra={
                "delivery": item.id,
                "crm": item.kind,
                "account": item.account_id,
                "events": len(parsed.events),
                "ignored": parsed.ignored,
                "dead": len(parsed.unreadable),
            },
        )

    def _erase(self, records: list[Record]) -> None:
        """Erase what the CRM says was deleted for privacy, before anything is marked due (S56)."""
        if records and not self._erasure.erase(records, "service", self._clock()).is_filed:
            self._health.alarm(
                "the tombstone file cannot be written: make room, or mend its rights"
            )

    def _quarantine(self, taken: Taken, item: WaitingDelivery, reason: str) -> None:
        """Keep what is proven but unreadable, sealed as it came (S16). `reason` has no value."""
        taken.quarantine(item, reason[:60])
        self._health.quarantined.labels(item.kind).inc()
        self._health.alarm(f"{item.kind}: a delivery that cannot be read is in quarantine")
        log.error(
            "delivery.quarantined",
            extra={
                "delivery": item.id,
                "crm": item.kind,
                "account": item.account_id,
                "reason": reason,
            },
        )
