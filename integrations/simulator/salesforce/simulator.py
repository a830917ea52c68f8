"""The pretend Salesforce org as tests and the demo hold it.

Public face: `SalesforceSimulator(settings, now=clock)` with `app`, `start`, `stop` (both called
by `server.running`), `create_leads`, `create_contacts`, `create_tasks`, `create`, `update_lead`,
`delete_lead`, `convert_lead`, `record`, `leads`, `expire_sessions`, `exhaust_calls`, `counters`,
`faults`, `wait_until_idle`, `set_target`, `set_callout`, and for `pubsub.serving` `org` and `bus`.

Counters: `oauth`, `limits`, `describe`, `query`, `collections_read`, `collections_update`, `composite`, `bulk`,
`records` (calls about a single record), `records_read`, `records_written`, `auto_assigned`
(Leads whose owner an assignment rule changed), and those of `counters.DELIVERY_COUNTS`, where
an event is a notification.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from flask import Flask

from integrations.simulator.counters import DELIVERY_COUNTS, Counters
from integrations.simulator.courier import Courier
from integrations.simulator.faults import Faults
from integrations.simulator.salesforce.app import create_app
from integrations.simulator.salesforce.bulk import QueryJobs
from integrations.simulator.salesforce.callouts import (
    CALLOUT_BATCH,
    CalloutPoster,
    Row,
    callout_gap_s,
)
from integrations.simulator.salesforce.calls import Org, Usage
from integrations.simulator.salesforce.errors import ApiError, RecordError
from integrations.simulator.salesforce.events import (
    ALL_CHANGES,
    CHANGE_TYPES,
    EventBus,
    change_event,
    changed_event,
    origin,
)
from integrations.simulator.salesforce.ids import NOTIFICATION, full_id, numbered_id
from integrations.simulator.salesforce.oauth import Sessions
from integrations.simulator.salesforce.outbound import (
    BATCH_SIZE,
    Notification,
    Poster,
    envelope,
    retry_gap_s,
)
from integrations.simulator.salesforce.query import Queries
from integrations.simulator.salesforce.records import Records, Values
from integrations.simulator.salesforce.settings import SalesforceSettings

CALL_COUNTS = (
    "oauth",
    "limits",
    "describe",
    "query",
    "collections_read",
    "collections_update",
    "composite",
    "bulk",
    "records",
    "records_read",
    "records_written",
    "auto_assigned",
)


class SalesforceSimulator:
    """One Salesforce org. Safe to use from several threads, serving or not."""

    def __init__(self, settings: SalesforceSettings, *, now: Callable[[], datetime]) -> None:
        chance = random.Random(settings.seed)  # noqa: S311 - repeatable, not secret
        counts = Counters((*CALL_COUNTS, *DELIVERY_COUNTS))
        records = Records(settings, now=now, emit=self._emit)
        queries = Queries(records)
        self._org = Org(
            settings=settings,
            now=now,
            lock=threading.RLock(),
            counts=counts,
            faults=Faults(),
            records=records,
            queries=queries,
            jobs=QueryJobs(queries, polls=settings.bulk_polls),
            sessions=Sessions(settings, now=now, chance=chance),
            usage=Usage(limit=settings.daily_calls, now=now),
        )
        self._target = (settings.target_url, settings.connect_url)
        self._notified = 0
        self._inputs = frozenset(settings.input_fields)
        self.bus = EventBus(now=now)
        self._callout_url = settings.callout_url
        self._couriers: dict[str, Courier[Notification]] = {}
        for entity, _ in settings.action_ids:
            poster = Poster(settings, entity, compose=self._compose, target=lambda: self._target)
            self._couriers[entity] = Courier(
                post=poster.post,
                gap_s=partial(retry_gap_s, speedup=settings.retry_speedup),
                batch_size=BATCH_SIZE,
                concurrency=settings.concurrency,
                counters=counts,
                chance=chance,
                batch_wait_s=settings.batch_wait_s,
                mischief=settings.mischief,
            )
        callouts = CalloutPoster(settings, now=now, target=lambda: self._callout_url)
        self._callouts: Courier[Row] = Courier(
            post=callouts.post,
            gap_s=partial(callout_gap_s, speedup=settings.retry_speedup),
            batch_size=CALLOUT_BATCH,
            concurrency=settings.concurrency,
            counters=counts,
            chance=chance,
            batch_wait_s=settings.batch_wait_s,
            mischief=settings.mischief,
        )
        self.app: Flask = create_app(self._org)

    @property
    def settings(self) -> SalesforceSettings:
        """What the org was made with."""
        return self._org.settings

    @property
    def org(self) -> Org:
        """What the org is made of."""
        return self._org

    @property
    def faults(self) -> Faults:
        """What goes wrong next; see `faults.py`."""
        return self._org.faults

    @property
    def counters(self) -> dict[str, int]:
        """A copy of all counts; the module docstring lists them."""
        return self._org.counts.snapshot()

    def start(self) -> None:
        """Start sending messages."""
        self._org.faults.resume()
        for courier in self._all_couriers():
            courier.start()

    def stop(self) -> None:
        """Stop sending messages and end programmed delays."""
        self._org.faults.interrupt()
        for courier in self._all_couriers():
            courier.stop()

    def set_target(self, url: str | None, *, connect_url: str | None = None) -> None:
        """Register the endpoint of the Outbound Messages; None: no message is made."""
        self._target = (url, connect_url)

    def set_callout(self, url: str | None) -> None:
        """Register where Apex sends signed messages; None: it sends none."""
        self._callout_url = url

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until every message is acknowledged or dropped; False on timeout."""
        deadline = time.monotonic() + timeout_s
        return all(
            courier.wait_until_idle(max(0.0, deadline - time.monotonic()))
            for courier in self._all_couriers()
        )

    def create_leads(self, leads: Iterable[Mapping[str, object]]) -> list[str]:
        """Add Leads as a person or form does, fields only Salesforce sets included.

        Returns their 18-character ids. Raises ValueError for what the org does not take.
        """
        return [self._create("Lead", values) for values in leads]

    def create_contacts(self, contacts: Iterable[Mapping[str, object]]) -> list[str]:
        """Add Contacts; see `create_leads`."""
        return [self._create("Contact", values) for values in contacts]

    def create_tasks(self, tasks: Iterable[Mapping[str, object]]) -> list[str]:
        """Add Tasks; see `create_leads`."""
        return [self._create("Task", values) for values in tasks]

    def create(self, entity: str, records: Iterable[Mapping[str, object]]) -> list[str]:
        """Add records of any object of the org, as `Event` or `CampaignMember`."""
        return [self._create(entity, values) for values in records]

    def update_lead(self, lead_id: str, values: Mapping[str, object]) -> None:
        """Change a Lead as a person does. KeyError: no such live Lead."""
        with self._org.lock:
            record = self._live("Lead", lead_id)
            try:
                self._org.records.update("Lead", record, values, by_api=False)
            except (RecordError, ApiError) as error:
                raise ValueError(str(error)) from None

    def delete_lead(self, lead_id: str) -> None:
        """Move a Lead to the recycle bin."""
        with self._org.lock:
            self._org.records.delete(self._live("Lead", lead_id))

    def convert_lead(self, lead_id: str) -> str:
        """Convert a Lead and return the id of its new Contact."""
        with self._org.lock:
            lead = self._live("Lead", lead_id)
            shared = self._org.records.objects["Contact"].keys() & lead.keys()
            system = {"Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp"}
            contact_id = self._create("Contact", {name: lead[name] for name in shared - system})
            change = {
                "IsConverted": True,
                "ConvertedContactId": contact_id,
                "Status": "Closed - Converted",
            }
            self._org.records.update("Lead", lead, change, by_api=False)
            return contact_id

    def record(self, entity: str, record_id: str) -> dict[str, object]:
        """Return the values of a live record. KeyError: there is none."""
        with self._org.lock:
            return dict(self._live(entity, record_id))

    def leads(self) -> dict[str, dict[str, object]]:
        """Return the values of all live Leads by 18-character id."""
        with self._org.lock:
            table = self._org.records.tables["Lead"].values()
            return {str(each["Id"]): dict(each) for each in table if not each["IsDeleted"]}

    def expire_sessions(self) -> None:
        """End every session: the next call gets a 401."""
        with self._org.lock:
            self._org.sessions.expire_all()

    def exhaust_calls(self) -> None:
        """Use up the day's calls: the next one gets a 403."""
        with self._org.lock:
            self._org.usage.exhaust()

    def calls_used(self) -> int:
        """Return how many calls of the last 24 hours the org has counted."""
        with self._org.lock:
            return self._org.usage.used

    def fail_jobs(self) -> None:
        """Let all query jobs fail from now on."""
        with self._org.lock:
            self._org.jobs.fail_all = True

    def _create(self, entity: str, values: Mapping[str, object]) -> str:
        with self._org.lock:
            try:
                return self._org.records.create(entity, values, by_api=False)
            except (RecordError, ApiError) as error:
                raise ValueError(str(error)) from None

    def _live(self, entity: str, record_id: str) -> Values:
        record = self._org.records.find(entity, record_id)
        if record is None:
            raise KeyError(record_id)
        return record

    def _emit(self, entity: str, record_id: str, cause: str, changed: frozenset[str]) -> None:
        """Do what Flow, trigger and Change Data Capture do when a record changed."""
        self._capture(entity, record_id, cause, changed)
        if entity not in self._couriers or (changed and not changed & self._inputs):
            return
        row = {"object": entity, "id": full_id(record_id), "cause": cause}
        self.bus.publish(self.settings.topic, changed_event(row, self._org.now()))
        if self._callout_url is not None:
            self._callouts.queue([row])
        if self._target[0] is not None and cause != "deleted":
            self._notified += 1
            notified = Notification(numbered_id(NOTIFICATION, self._notified), record_id)
            self._couriers[entity].queue([notified])

    def _all_couriers(self) -> "list[Courier[Notification] | Courier[Row]]":
        return [*self._couriers.values(), self._callouts]

    def _capture(self, entity: str, record_id: str, cause: str, changed: frozenset[str]) -> None:
        record = self._org.records.tables[entity][record_id]
        event = change_event(
            entity,
            [full_id(record_id)],
            CHANGE_TYPES[cause],
            values={name: record.get(name) for name in changed},
            origin=origin(),
            at=self._org.now(),
        )
        self.bus.publish(f"/data/{entity}ChangeEvent", event)
        self.bus.publish(ALL_CHANGES, event)

    def _compose(self, entity: str, notifications: Sequence[Notification]) -> bytes:
        with self._org.lock:
            return envelope(self._org.settings, self._org.records, entity, notifications)
