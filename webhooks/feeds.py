"""Fetches the events of accounts that nothing is sent to, and puts them into the inbox.

A portion is stored as a delivery is, and only then the position moves on: a crash in between
fetches it again. Everything after the inbox is the same for what was sent and what was fetched.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from integrations.base import Feed
from integrations.errors import AccessError, CrmError, PositionLostError, RateLimitedError
from store.accounts import Accounts
from store.feeds import Feeds
from store.inbox import Inbox
from store.installs import Installs
from webhooks.bell import Bell
from webhooks.health import Health

log = logging.getLogger(__name__)

#: How long a feed stays a worker's own that does not come again. Longer than a fetch can take.
LASTS = timedelta(seconds=120)
#: How often a feed that another worker fetches is asked for.
LOOK_S = 15.0
#: Who is named in the audit trail for what a feed tells.
ACTOR = "crm"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
#: While a person must act: client secret, scope.
ACCESS_PAUSE_S = 300.0


class FeedReader:
    """Fetches feeds, each in a thread of its own, until `stop`."""

    def __init__(
        self,
        *,
        owner: str,
        feeds: Mapping[str, Feed],
        states: Feeds,
        inbox: Inbox,
        accounts: Accounts,
        installs: Installs,
        health: Health,
        bell: Bell,
        clock: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        """Fetch `feeds`, by account. `clock` is the one that all workers share."""
        self._owner = owner
        self._feeds = feeds
        self._states = states
        self._inbox = inbox
        self._accounts = accounts
        self._installs = installs
        self._health = health
        self._bell = bell
        self._clock = clock
        self._rng = rng
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        for account, feed in self._feeds.items():
            thread = threading.Thread(
                target=self._run, args=(account, feed), name=f"feed-{account}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 35.0) -> None:
        """End after the fetches at hand; give the feeds back."""
        self._stopping.set()
        for feed in self._feeds.values():
            feed.close()
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _run(self, account: str, feed: Feed) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                wait_s = self._step(account, feed)
                failures = 0
            except CrmError as error:
                wait_s = self._rest(account, error, failures)
                failures += 1
            except Exception:
                if not self._stopping.is_set():
                    log.exception("feed.failed", extra={"account": account})
                wait_s = _pause_after(failures)
                failures += 1
            self._stopping.wait(wait_s)
        try:
            self._states.release(account, feed.kind, self._owner)
        except Exception:
            log.exception("feed.not_released", extra={"account": account})

    def _step(self, account: str, feed: Feed) -> float:
        """Fetch once; return how long to wait. Raises: CrmError."""
        state = self._states.take(account, feed.kind, self._owner, now=self._clock(), lasts=LASTS)
        if state is None:
            return LOOK_S
        try:
            portion = feed.fetch(state.position)
        except PositionLostError:
            if not state.position:
                raise  # there is no earlier place to go on at: it would be asked for without end
            # Sweep at once for what is lost, and go on with what is left.
            log.error("feed.position_lost", extra={"account": account})  # noqa: TRY400
            self._sweep(account)
            self._states.advance(account, feed.kind, self._owner, position="", now=self._clock())
            return 0.0
        position = state.position
        if portion is not None:
            position = portion.position
            if portion.body:
                self._store(account, feed.kind, portion.body)
            if portion.has_gap:
                log.warning("feed.gap", extra={"account": account})
                self._sweep(account)
            if portion.is_uninstalled:
                self._uninstalled(account, portion.uninstalled_at)
        self._states.advance(account, feed.kind, self._owner, position=position, now=self._clock())
        return feed.pause_s if portion is None else 0.0

    def _store(self, account: str, kind: str, body: bytes) -> None:
        delivery = self._inbox.append(account_id=account, kind=kind, body=body, at=self._clock())
        self._bell.ring()
        self._health.accepted.labels(kind).inc()
        log.info(
            "delivery.fetched",
            extra={"crm": kind, "account": account, "delivery": delivery, "bytes": len(body)},
        )

    def _uninstalled(self, account: str, at: datetime | None) -> None:
        """Forget the tokens, unless the app was installed again since: journals are read twice."""
        since = self._installs.state(account).installed_at
        if at is not None and since is not None and at < since:
            return
        log.error("app.uninstalled", extra={"account": account})
        self._installs.mark_uninstalled(account, ACTOR, self._clock())

    def _sweep(self, account: str) -> None:
        """Have the account swept at once, for what was not named to us."""
        self._accounts.set_swept(account, self._clock() - timedelta(days=1))

    def _rest(self, account: str, error: CrmError, failures: int) -> float:
        if isinstance(error, AccessError):
            self._health.alarm(f"{account}: its events cannot be fetched: {error.code}")
            log.error("feed.stopped", extra={"account": account, "code": error.code})
            return ACCESS_PAUSE_S
        wait_s = _pause_after(failures)
        if isinstance(error, RateLimitedError):
            wait_s = error.retry_after_s
        wait_s *= 0.8 + 0.4 * self._rng.random()
        extra = {"account": account, "code": error.code, "retry_in_s": round(wait_s, 1)}
        log.warning("feed.paused", extra=extra)
        return wait_s


def _pause_after(failures: int) -> float:
    """Return how long to wait after a failure that so many others came before."""
    return float(min(FIRST_PAUSE_S * 2.0 ** min(failures, 10), LONGEST_PAUSE_S))
