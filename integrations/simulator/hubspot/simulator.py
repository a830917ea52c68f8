"""The pretend HubSpot account as tests and the demo hold it.

Public face: `HubSpotSimulator(settings, now=clock)` with `app`, `start`, `stop` (both called by
`server.running`), `create_contacts`, `update_contact`, `delete_contact`, `privacy_delete`,
`restore_contact`, `merge_contacts`, `create_activity`, `link_activity`, `update_activity`,
`delete_activity`, `contact`, `contacts`, `counters`,
`faults`, `wait_until_idle`, `set_target`, `revoke_refresh_tokens`, `revoke_access_tokens`.

Counters: one for each endpoint (`batch_read`, `batch_update`, `batch_create`, `batch_upsert`,
`batch_archive`, `contacts`, `search`, `properties`, `associations`, `activities`, `oauth`,
`account_info`, `journal`), `contacts_read`, `contacts_written`, `rate_limited`, `worst_10s` (most calls
under the ten-second limit in any ten seconds, refused ones included), and the deliveries of
`counters.DELIVERY_COUNTS`.
"""

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from flask import Flask

from integrations.simulator.counters import DELIVERY_COUNTS, Counters
from integrations.simulator.courier import Courier
from integrations.simulator.faults import Faults
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.activities import TYPE_ID_OF, Activities
from integrations.simulator.hubspot.app import create_app
from integrations.simulator.hubspot.definitions import (
    GROUPS,
    SCORE_GROUP,
    contact_definitions,
)
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.events import (
    BATCH_SIZE,
    CONTACT_TYPE,
    EventMaker,
    Poster,
    retry_gap_s,
)
from integrations.simulator.hubspot.gate import Gate
from integrations.simulator.hubspot.journal import Journal
from integrations.simulator.hubspot.oauth import Tokens
from integrations.simulator.hubspot.properties import Catalog
from integrations.simulator.hubspot.records import Contacts, Record
from integrations.simulator.hubspot.settings import HubSpotSettings
from integrations.simulator.hubspot.values import instant, iso

CALL_COUNTS = (
    "batch_read",
    "batch_update",
    "batch_create",
    "batch_upsert",
    "batch_archive",
    "contacts",
    "search",
    "properties",
    "associations",
    "activities",
    "oauth",
    "account_info",
    "journal",
)
OTHER_COUNTS = ("contacts_read", "contacts_written", "rate_limited", "worst_10s")


class HubSpotSimulator:
    """One HubSpot account. Safe to use from several threads, serving or not."""

    def __init__(self, settings: HubSpotSettings, *, now: Callable[[], datetime]) -> None:
        chance = random.Random(settings.seed)  # noqa: S311 - repeatable, not secret
        groups = dict([*GROUPS.items(), SCORE_GROUP] if settings.provisioned else GROUPS.items())
        definitions = contact_definitions(provisioned=settings.provisioned, created_at=iso(now()))
        catalog = Catalog(definitions, groups)
        tokens = Tokens(settings, now=now, chance=chance)
        counts = Counters((*CALL_COUNTS, *OTHER_COUNTS, *DELIVERY_COUNTS))
        self._account = Account(
            settings=settings,
            now=now,
            lock=threading.RLock(),
            counts=counts,
            faults=Faults(),
            catalog=catalog,
            contacts=Contacts(catalog, now=now, emit=self._emit),
            activities=Activities(now=now, emit=self._emit_activity),
            journal=Journal(
                portal_id=settings.portal_id, app_id=settings.app_id, now=now, chance=chance
            ),
            tokens=tokens,
            gate=Gate(settings, tokens, now=now, counters=counts),
        )
        self._events = EventMaker(settings, now=now, chance=chance)
        self._poster = Poster(settings, now=now)
        self._courier = Courier(
            post=self._poster.post,
            gap_s=lambda attempt: retry_gap_s(
                attempt, speedup=settings.retry_speedup, chance=chance
            ),
            batch_size=BATCH_SIZE,
            concurrency=settings.concurrency,
            counters=counts,
            chance=chance,
            batch_wait_s=settings.batch_wait_s,
            mischief=settings.mischief,
        )
        self.app: Flask = create_app(self._account)

    def start(self) -> None:
        """Start sending deliveries."""
        self._account.faults.resume()
        self._courier.start()

    def stop(self) -> None:
        """Stop sending deliveries and end programmed delays."""
        self._account.faults.interrupt()
        self._courier.stop()

    def set_target(self, url: str | None, *, connect_url: str | None = None) -> None:
        """Register the webhook URL, which is what gets signed; None ends the subscription."""
        self._poster.target_url, self._poster.connect_url = url, connect_url

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until every delivery is acknowledged or given up; False on timeout."""
        return self._courier.wait_until_idle(timeout_s)

    @property
    def settings(self) -> HubSpotSettings:
        """What the account was made with."""
        return self._account.settings

    @property
    def faults(self) -> Faults:
        """What goes wrong next; see `faults.py`."""
        return self._account.faults

    @property
    def counters(self) -> dict[str, int]:
        """A copy of all counts; the module docstring lists them."""
        return self._account.counts.snapshot()

    def create_contacts(
        self, properties: Iterable[Mapping[str, str]], *, source: str = "FORM"
    ) -> list[str]:
        """Add contacts as the CRM itself does and queue their events; returns their ids.

        Properties only HubSpot sets are allowed here. A `createdate` back-dates the contact.

        Raises:
            ValueError: a property does not exist or does not take its value.
        """
        ids: list[str] = []
        with self._account.lock:
            for given in properties:
                values = self._checked(given)
                values.pop("hs_object_id", None)
                created_at = instant(values.pop("createdate", ""))
                try:
                    record = self._account.contacts.create(values, source=source, at=created_at)
                except ApiError as error:
                    raise ValueError(str(error.body["message"])) from None
                ids.append(record.id)
        return ids

    def update_contact(
        self, contact_id: str, properties: Mapping[str, str], *, source: str = "CRM_UI"
    ) -> None:
        """Change a contact as a person or the CRM does. KeyError: no such contact."""
        with self._account.lock:
            values = self._checked(properties)
            self._account.contacts.update(
                self._account.contacts.live[contact_id], values, source=source
            )

    def delete_contact(self, contact_id: str, *, source: str = "CRM_UI") -> None:
        """Delete a contact; it goes to the recycling bin."""
        with self._account.lock:
            self._account.contacts.archive(self._account.contacts.live[contact_id], source=source)

    def privacy_delete(self, contact_id: str) -> None:
        """Erase a contact for privacy: two events, nothing left to restore."""
        with self._account.lock:
            record = self._account.contacts.live[contact_id]
            self._account.contacts.archive(record, source="CRM_UI", event="privacyDeletion")

    def restore_contact(self, contact_id: str) -> None:
        """Bring a deleted contact back."""
        with self._account.lock:
            self._account.contacts.restore(contact_id, source="CRM_UI")

    def merge_contacts(self, winner_id: str, loser_id: str) -> None:
        """Merge one contact into another."""
        with self._account.lock:
            live = self._account.contacts.live
            self._account.activities.move(loser_id, winner_id)
            self._account.contacts.merge(live[winner_id], live[loser_id], source="CRM_UI")

    def create_activity(
        self,
        kind: str,
        properties: Mapping[str, str],
        *,
        contact_ids: Iterable[str],
        source: str = "CRM_UI",
    ) -> str:
        """Add a call, e-mail, meeting, note, task or communication (`kind` in the plural).

        Its event may go out before it is linked: link it later with `link_activity`.
        """
        with self._account.lock:
            return self._account.activities.create(kind, properties, contact_ids, source=source).id

    def link_activity(self, kind: str, activity_id: str, contact_ids: Iterable[str]) -> None:
        """Associate an activity with contacts."""
        with self._account.lock:
            linked = list(contact_ids)
            self._account.activities.link(kind, activity_id, linked)
            for contact_id in linked:
                self._account.journal.note_link(
                    CONTACT_TYPE, contact_id, TYPE_ID_OF[kind], activity_id
                )

    def update_activity(self, kind: str, activity_id: str, properties: Mapping[str, str]) -> None:
        """Change an activity as a person does. KeyError: no such activity."""
        with self._account.lock:
            self._account.activities.update(kind, activity_id, properties, source="CRM_UI")

    def delete_activity(self, kind: str, activity_id: str) -> None:
        """Delete an activity. KeyError: no such activity."""
        with self._account.lock:
            self._account.activities.delete(kind, activity_id, source="CRM_UI")

    def contact(self, contact_id: str) -> dict[str, str]:
        """Return the set properties of a contact. KeyError: no such live contact."""
        with self._account.lock:
            return dict(self._account.contacts.live[contact_id].values)

    def contacts(self) -> dict[str, dict[str, str]]:
        """Return the set properties of all live contacts by id."""
        with self._account.lock:
            return {each.id: dict(each.values) for each in self._account.contacts.live.values()}

    def revoke_refresh_tokens(self) -> None:
        """Uninstall the app: refreshing fails from now on."""
        with self._account.lock:
            self._account.tokens.revoke_refresh_tokens()
            self._account.journal.note_uninstall()

    def revoke_access_tokens(self) -> None:
        """End every access token of OAuth before its time; refreshing brings new ones."""
        with self._account.lock:
            self._account.tokens.revoke_access_tokens()

    def _checked(self, properties: Mapping[str, str]) -> dict[str, str]:
        try:
            return self._account.catalog.kept(properties, by_api=False)
        except ApiError as error:
            raise ValueError(str(error.body["message"])) from None

    def _emit(self, event: str, record: Record, changed: Mapping[str, str], source: str) -> None:
        self._account.journal.note(event, CONTACT_TYPE, record.id, changed)
        if self._poster.target_url is not None:
            self._courier.queue(self._events.events(event, record, changed, source))

    def _emit_activity(
        self, event: str, type_id: str, record: Record, changed: Mapping[str, str], source: str
    ) -> None:
        self._account.journal.note(event, type_id, record.id, changed)
        if self._poster.target_url is not None:
            made = self._events.activity_events(event, type_id, record, changed, source)
            self._courier.queue(made)
