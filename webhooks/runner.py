"""Works one account while it holds the lease: claims batches, and rests when the CRM does.

The lease is taken when the account has something due and given back when nothing was due for a
while: accounts spread over the workers that have time, and a quiet one costs nobody anything.

As long as batches are full, several are in the CRM's hands at once: a call takes as long as it
takes, and one at a time would leave most of the rate budget unused. Otherwise one at a time, so
that what arrives meanwhile shares the next call.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from integrations.errors import (
    AccessError,
    CrmError,
    PermanentCrmError,
    RateLimitedError,
)
from store.accounts import Accounts, Lease, LeaseLostError, Pause
from store.due import Claim, Due, Lane
from webhooks.bell import CountingBell
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline

log = logging.getLogger(__name__)

#: Batches in the CRM's hands at once, at most. Source: issue 4: four use all of HubSpot's budget.
AT_ONCE = 4
#: While a person must act: token, scope, missing field.
ACCESS_PAUSE_S = 300.0
FIRST_PAUSE_S = 2.0
#: How often an account that rests is looked up: a person may have ended its pause.
HEAR_S = 2.0
#: An account with nothing due is kept so long: inquiries come in groups.
LINGER_S = 10.0
#: One probe a minute while the CRM is away. Source: S28.
LONGEST_PAUSE_S = 60.0


class AccountRunner:
    """Works an account again and again, each time it is given a lease."""

    def __init__(
        self,
        *,
        work: AccountWork,
        pipeline: Pipeline,
        due: Due,
        accounts: Accounts,
        health: Health,
        stopping: threading.Event,
        clock: Callable[[], datetime],
        rng: random.Random,
        poll_s: float,
    ) -> None:
        self.bell = CountingBell()
        self._work = work
        self._pipeline = pipeline
        self._due = due
        self._accounts = accounts
        self._health = health
        self._stopping = stopping
        self._clock = clock
        self._rng = rng
        self._poll_s = poll_s
        self._lease: Lease | None = None
        self._pause: Pause | None = None
        self._began = 0.0  #: When the last batch began, monotonic.
        self._quiet_since: float | None = None  #: Since when nothing is due, monotonic.
        self._linger_s = LINGER_S
        self._heard = 0.0  #: When the store was last asked whether a pause was ended, monotonic.
        self._flying: dict[Future[None], frozenset[tuple[str, str]]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None

    def start(self, lease: Lease) -> None:
        """Work the account in a thread of its own, until nothing is due or the lease is lost."""
        self._lease = lease
        self._pause = self._accounts.paused(self._work.name)
        self._quiet_since = None
        self._linger_s = LINGER_S
        log.info("lease.taken", extra={"account": self._work.name, "fence": lease.fence})
        self._thread = threading.Thread(
            target=self._run_account, name=f"account-{self._work.name}", daemon=True
        )
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def lease(self) -> Lease | None:
        """The lease it works under, as far as it knows."""
        return self._lease

    def make_room(self) -> None:
        """Give the account back as soon as nothing is due: others wait to be worked."""
        self._linger_s = 0.0

    def lose(self, lease: Lease) -> None:
        """Hear that `lease` is not ours any more."""
        if self._lease is lease:
            self._lease = None
            self.bell.ring()

    def join(self, timeout_s: float) -> None:
        """Wait until its thread ends."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run_account(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"batch-{self._work.name}")
        try:
            self._loop()
        finally:
            self._threads.shutdown()
            self._flying.clear()
            self._release()

    def _loop(self) -> None:
        backlog = False
        while self._lease is not None and not self._stopping.is_set():
            try:
                self._land()
                self._hear_of_end()
                if self._has_room(backlog=backlog) and not self.is_paused():
                    self._gather(backlog=backlog)
                    backlog = self._launch()
                    if backlog:
                        continue
                wait_s = self._idle_s()
                if self._was_quiet(self._linger_s):
                    return
                self.bell.wait(wait_s)
            except LeaseLostError:
                log.warning("lease.lost", extra={"account": self._work.name})
                self._lease = None
            except Exception:
                log.exception("account.failed", extra={"account": self._work.name})
                self._stopping.wait(1.0)

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._accounts.release(lease)
            except Exception:
                log.exception("lease.not_released", extra={"account": self._work.name})

    def is_paused(self) -> bool:
        """Whether the account rests, because of the CRM or of its set-up."""
        return self._pause is not None and self._pause.until > self._clock()

    def _hear_of_end(self) -> None:
        """End a long pause that a person ended in the store, as by installing the app."""
        if not self.is_paused() or time.monotonic() - self._heard < HEAR_S:
            return
        self._heard = time.monotonic()
        if self._accounts.paused(self._work.name) is None:
            self._pause = None
            log.info("account.resumed", extra={"account": self._work.name})

    def _was_quiet(self, seconds: float) -> bool:
        """Whether nothing was due for so long."""
        return self._quiet_since is not None and time.monotonic() - self._quiet_since >= seconds

    def _idle_s(self) -> float:
        """Return how long there is surely nothing to do, but for the bell."""
        wait_s, is_busy = self._poll_s, True
        if not self._flying and not self.is_paused():  # who lands rings the bell
            next_at = self._due.next_at(self._work.name, self._last_lane())
            until_s = self._poll_s
            if next_at is not None:
                until_s = max(0.0, (next_at - self._clock()).total_seconds())
            wait_s, is_busy = min(self._poll_s, until_s), until_s == 0.0
        if is_busy:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = time.monotonic()
        return wait_s

    def _gather(self, *, backlog: bool) -> None:
        """Let a batch fill while records keep coming, and space batches by the call budget."""
        not_before = self._work.client.ready_at(self._began)
        full = 0 if backlog else self._work.client.batch_size
        self.bell.gather(full=full, not_before=not_before)

    def _has_room(self, *, backlog: bool) -> bool:
        return len(self._flying) < (AT_ONCE if backlog and self._pause is None else 1)

    def _last_lane(self) -> Lane:
        return Lane.BACKFILL if self._work.client.may_hurry() else Lane.LATER

    def _launch(self) -> bool:
        """Begin a batch. Return whether more is surely waiting."""
        lease, threads = self._lease, self._threads
        if lease is None or threads is None:
            return False
        limit = 1 if self._pause is not None else self._work.client.batch_size
        self.bell.wait(0)
        beside = frozenset[tuple[str, str]]().union(*self._flying.values())
        object_type, claims = self._due.claim(
            self._work.name, limit, self._clock(), beside=beside, last=self._last_lane()
        )
        if not claims or (self._flying and len(claims) < limit):
            return False  # a batch that is not full waits for company, while others fly
        self._began = time.monotonic()
        flight = threads.submit(self._run, lease, object_type, claims)
        self._flying[flight] = frozenset((object_type, claim.record_id) for claim in claims)
        flight.add_done_callback(lambda _: self.bell.ring())
        return len(claims) == limit

    def _land(self) -> None:
        """Look at the batches that ended. Raises: what they raised but for the CRM's errors."""
        for flight in [flight for flight in self._flying if flight.done()]:
            del self._flying[flight]
            error = flight.exception()
            if isinstance(error, CrmError):
                self._rest(error)
            elif error is not None:
                raise error
            elif self._pause is not None and not self.is_paused():
                self._accounts.resume(self._work.name)
                self._pause = None
                self.bell.ring()  # the probe was one record: the others wait
                log.info("account.resumed", extra={"account": self._work.name})

    def _run(self, lease: Lease, object_type: str, claims: Sequence[Claim]) -> None:
        """Run the pipeline; halve a batch that the CRM refuses until one record is at fault."""
        try:
            self._pipeline.run(self._work, lease, object_type, claims)
        except AccessError:
            raise
        except PermanentCrmError as error:
            if len(claims) == 1:
                self._pipeline.refuse(self._work, lease, object_type, claims[0], error)
                return
            half = len(claims) // 2
            self._run(lease, object_type, claims[:half])
            self._run(lease, object_type, claims[half:])

    def _rest(self, error: CrmError) -> None:
        """Let the account rest: the CRM is away or a person must act. Its records stay due."""
        if self.is_paused():
            return  # another batch of the same moment has said so
        failures = self._pause.failures if self._pause else 0
        if isinstance(error, RateLimitedError):
            wait_s = error.retry_after_s
        elif isinstance(error, AccessError):
            wait_s = ACCESS_PAUSE_S
        else:
            wait_s = min(FIRST_PAUSE_S * 2 ** min(failures, 10), LONGEST_PAUSE_S)
            wait_s *= 0.8 + 0.4 * self._rng.random()
        until = self._clock() + timedelta(seconds=wait_s)
        self._accounts.pause(self._work.name, until, error.code[:60])
        self._pause = Pause(until, error.code, failures + 1)
        extra = {"account": self._work.name, "code": error.code, "retry_in_s": round(wait_s, 1)}
        if isinstance(error, AccessError):
            self._health.alarm(f"{self._work.name}: the CRM refuses us: {error.code}")
            log.error("account.stopped", extra=extra)
        else:
            log.warning("account.paused", extra=extra)
