"""Builds every object from the configuration, and owns the clock."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from flask import Flask

from config.practice import HubSpotAccount, Practice, SalesforceAccount
from config.settings import Settings
from integrations.registry import Secrets, build_adapters
from scoring.model import ScoringModel
from store.clock import shared_clock
from store.engine import describe
from store.inbox import InboxError
from store.key_sources import Credential, Environment, Keyring
from store.keys import KeyFile, KeySource, MasterKeys
from store.rooms import open_store
from webhooks.app import create_app
from webhooks.bell import CountingBell, NearAndFar
from webhooks.health import Health
from webhooks.installing import Installing
from webhooks.peers import Peers
from webhooks.receiver import Receiver
from webhooks.server import HttpServer

if TYPE_CHECKING:
    from webhooks.feeds import FeedReader
    from webhooks.housekeeping import Housekeeping
    from webhooks.pipeline import AccountWork
    from webhooks.worker import Worker

log = logging.getLogger(__name__)

#: An account whose events we fetch and whose CRM did not answer for so long is not well: an idle
#: feed is answered every few seconds, and one that is refused is tried every five minutes.
FEED_SILENT = timedelta(minutes=10)


def utc_now() -> datetime:
    """Return the present instant: the only clock of the service."""
    return datetime.now(UTC)  # noqa: TID251  this is the one clock


def key_source(settings: Settings) -> KeySource:
    """Return where the settings say that the master keys are (S51)."""
    if settings.master_key is not None:
        return Environment("LEADSCORE_MASTER_KEY", settings.master_key.get_secret_value())
    if settings.master_key_credential is not None:
        return Credential(settings.credentials_folder, settings.master_key_credential)
    if settings.master_key_keyring is not None:
        return Keyring(settings.master_key_keyring)
    return KeyFile(settings.master_key_file)


def master_keys(settings: Settings) -> MasterKeys:
    """Return the master keys the settings point at. Raises: KeyFileError."""
    return key_source(settings).read()


class Service:
    """A receiver, a worker, or both, in one process."""

    def __init__(
        self,
        *,
        settings: Settings,
        practice: Practice,
        secrets: Secrets,
        model: ScoringModel,
        keys: MasterKeys,
        receives: bool = True,
        works: bool = True,
    ) -> None:
        self._settings = settings
        self._practice = practice
        self._secrets = secrets
        self._began = utc_now()
        self.health = Health(utc_now)
        self.store = open_store(
            settings.database_url,
            keys,
            settings.audit_heads_file,
            settings.tombstones,
            reserve_bytes=settings.disk_reserve_bytes,
        )
        self.store.accounts.ensure(
            (account.name, account.crm, account.external_id) for account in practice.accounts
        )
        adapters = build_adapters(practice, secrets)
        bell = CountingBell()
        wakeups = self.store.wakeups
        receiver = None
        if receives:
            receiver = Receiver(
                adapters=adapters,
                inbox=self.store.inbox,
                health=self.health,
                peers=Peers([ip_network(text) for text in practice.network.trusted_proxies]),
                bell=NearAndFar(bell, wakeups.ring),
                clock=utc_now,
            )
        self.app: Flask = create_app(
            receiver=receiver,
            health=self.health,
            readiness=self.readiness,
            measure=self._measure,
            installing=self._installing() if receives else None,
        )
        self._server: HttpServer | None = None
        self._worker: Worker | None = None
        self._feeds: FeedReader | None = None
        self._housekeeping: Housekeeping | None = None
        self.works: Sequence[AccountWork] = ()
        if works and self._opens():
            # Only who works needs the clients and the engine: a receiver stays small.
            from config.meaning.switch import meaning_by  # noqa: PLC0415
            from webhooks.working import (  # noqa: PLC0415
                build_feed_reader,
                build_housekeeping,
                build_worker,
            )

            clock = shared_clock(self.store.databases.ledger, utc_now)

            self.works, self._worker = build_worker(
                store=self.store,
                practice=practice,
                secrets=secrets,
                model=model,
                meaning=meaning_by(settings),
                adapters=adapters,
                health=self.health,
                bell=bell,
                clock=clock,
            )
            self._feeds = build_feed_reader(
                store=self.store,
                practice=practice,
                secrets=secrets,
                health=self.health,
                bell=NearAndFar(bell, wakeups.ring),
                clock=clock,
            )
            self._housekeeping = build_housekeeping(
                store=self.store, practice=practice, health=self.health, clock=utc_now
            )

    def _installing(self) -> Installing | None:
        """Return the pages where an app is connected; None where no account has OAuth."""
        accounts = {
            account.name: account
            for account in self._practice.accounts
            if isinstance(account, HubSpotAccount) and account.auth == "oauth"
        }
        if not accounts:
            return None
        return Installing(
            accounts=accounts,
            app_secrets=self._secrets,
            installs=self.store.installs,
            wakeups=self.store.wakeups,
            clock=utc_now,
        )

    def _opens(self) -> bool:
        """Tell whether our master keys open what is stored; if not, only receive (S53)."""
        if self.store.leads.opens():
            return True
        self.health.alarm("the master key is not the one the database was sealed under")
        return False

    def start(self) -> None:
        """Listen and work, until `stop`. Raises: OSError when the port is taken."""
        self._server = HttpServer(
            self.app,
            host=self._settings.listen_host,
            port=self._settings.listen_port,
            threads=self._settings.threads,
            refused=self.health.reject,
        )
        self._server.start()
        self.start_working()
        if self._housekeeping is not None:
            self._housekeeping.start()
        log.info(
            "service.started",
            extra={
                "address": self._settings.listen_host,
                "port": self.port,
                "database": " ".join(describe(self.store.databases)[::2]),
                "threads": self._settings.threads,
            },
        )

    def start_working(self) -> None:
        """Only work, without listening, until `stop`."""
        if self._worker is not None:
            self._worker.start()
        if self._feeds is not None:
            self._feeds.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port if self._server else self._settings.listen_port

    @property
    def address(self) -> str:
        """Host and port where it listens, or shall."""
        return f"{self._settings.listen_host}:{self.port}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address}"

    def stop(self) -> None:
        """End cleanly: take no more deliveries, finish the batches at hand."""
        with ExitStack() as ending:  # backwards; all of it, whatever fails
            ending.callback(self.store.close)
            for part in (self._housekeeping, self._worker, self._feeds, self._server):
                if part is not None:
                    ending.callback(part.stop)
        log.info("service.stopped")

    def readiness(self) -> dict[str, Any]:
        """Return whether it can store, score and write back, and how old the oldest wait is."""
        found: dict[str, Any] = {"ready": True, "can_store": True}
        try:
            self.store.inbox.check_writable()
        except InboxError:
            found.update(ready=False, can_store=False)
            return found
        found["inbox"] = self.store.inbox.counts()
        found["dead_letters"] = sum(self.store.dead_letters.counts().values())
        now = utc_now()
        fetched = self.store.feeds.fetched()
        accounts = {}
        for account in self._practice.accounts:
            pause = self.store.accounts.paused(account.name)
            next_at = self.store.due.next_at(account.name)
            oldest_s = _age_s(next_at, now) or 0.0
            is_paused = pause is not None and pause.until > now
            absence = self._absence(account)
            accounts[account.name] = {
                "can_write_back": not is_paused and not absence,
                "pause": absence or (pause.code if pause and is_paused else ""),
                "oldest_due_s": oldest_s,
                "lag_s": self.health.lags(account.name),
            }
            is_silent = False
            if account.fetches_events:
                last = fetched.get(account.name)
                is_silent = now - max(last or self._began, self._began) > FEED_SILENT
                accounts[account.name]["can_fetch"] = not is_silent and not absence
                accounts[account.name]["fetched_s"] = _age_s(last, now)
            # A portal that took the app away is no fault of this service.
            is_well = not is_paused and not is_silent
            found["ready"] = found["ready"] and (bool(absence) or is_well)
        found["accounts"] = accounts
        return found

    def _absence(self, account: HubSpotAccount | SalesforceAccount) -> str:
        """Return why the account's app is not there: see `AccountTokens.absence`."""
        if not isinstance(account, HubSpotAccount) or account.auth != "oauth":
            return ""
        return self.store.installs.of(account.name).absence()

    def _measure(self) -> None:
        """Set the gauges, as far as the database can be read."""
        found = self.readiness()
        for state, count in found.get("inbox", {}).items():
            self.health.waiting.labels(state).set(count)
        if "dead_letters" in found:
            self.health.dead_letters.set(found["dead_letters"])
        for name, account in found.get("accounts", {}).items():
            self.health.oldest_due.labels(name).set(account["oldest_due_s"])
            if account.get("fetched_s") is not None:
                self.health.fetched.labels(name).set(account["fetched_s"])
        for work in self.works:
            for period, count in work.client.calls_left().items():
                self.health.calls_left.labels(work.name, period).set(count)


def _age_s(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else round(max(0.0, (now - at).total_seconds()), 1)
