"""The worker: unpacks deliveries, and works every account it can lease.

One thread unpacks; one thread an account claims batches and runs the pipeline; one thread renews
the leases. Threads wait on a bell and on the clock. Other processes ring the bell too where the
database can (`store/wakeups.py`); polling is the safety net.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from integrations.errors import (
    AccessError,
    CrmError,
    PermanentCrmError,
    RateLimitedError,
)
from store.accounts import Accounts, Lease, LeaseLostError, Pause
from store.due import Claim, Due
from store.wakeups import ALL, INBOX, Wakeups
from webhooks.bell import CountingBell
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.unpack import Unpacker

log = logging.getLogger(__name__)

#: How often an idle thread looks, whatever the bell says.
POLL_S = 0.25
HEARTBEAT_S = 4.0
#: While a person must act: token, scope, missing field.
ACCESS_PAUSE_S = 300.0
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0


class Worker:
    """Runs until `stop`. Safe to kill at any point: what was claimed stays due."""

    def __init__(
        self,
        *,
        owner: str,
        works: Sequence[AccountWork],
        unpacker: Unpacker,
        pipeline: Pipeline,
        due: Due,
        accounts: Accounts,
        health: Health,
        bell: CountingBell,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
        rng: random.Random,
        poll_s: float = POLL_S,
    ) -> None:
        self._works = works
        self._unpacker = unpacker
        self._bell = bell
        self._wakeups = wakeups
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._accounts = accounts
        self._clock = clock
        self._runners = {
            work.name: AccountRunner(
                owner=owner,
                work=work,
                pipeline=pipeline,
                due=due,
                accounts=accounts,
                health=health,
                stopping=self._stopping,
                clock=clock,
                rng=rng,
                poll_s=poll_s,
            )
            for work in works
        }
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        targets = [("unpack", self._unpack), ("heartbeat", self._heartbeat)]
        targets += [(f"account-{name}", runner.run) for name, runner in self._runners.items()]
        for name, target in targets:
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._wakeups.listen(self._told)

    def _told(self, name: str) -> None:
        """Hear that a delivery waits, or that an account's records are due."""
        if name in {INBOX, ALL}:
            self._bell.ring()
        if name == ALL:
            for runner in self._runners.values():
                runner.bell.ring()
        elif name in self._runners:
            self._runners[name].bell.ring()

    def stop(self, timeout_s: float = 35.0) -> None:
        """End after the batches at hand; give the leases back."""
        self._stopping.set()
        self._bell.ring()
        for runner in self._runners.values():
            runner.bell.ring()
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        for work in self._works:
            work.client.close()

    def _unpack(self) -> None:
        is_started = False
        while not self._stopping.is_set():
            try:
                if not is_started:
                    self._unpacker.start()
                    is_started = True
                taken, records = self._unpacker.unpack()
            except Exception:
                log.exception("unpack.failed")
                self._stopping.wait(1.0)
                continue
            for account, count in records.items():
                runner = self._runners.get(account)
                if runner is not None and runner.is_leased:
                    runner.bell.ring(count)
                else:
                    self._wakeups.ring(account)  # another worker holds it
            if not taken:
                self._bell.wait(self._poll_s)

    def _heartbeat(self) -> None:
        while not self._stopping.wait(HEARTBEAT_S):
            for runner in self._runners.values():
                runner.renew()


class AccountRunner:
    """Works one account while it holds the lease."""

    def __init__(
        self,
        *,
        owner: str,
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
        self._owner = owner
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

    def run(self) -> None:
        """Work until told to stop."""
        backlog = False
        while not self._stopping.is_set():
            try:
                if self._is_held() and not self._is_paused():
                    self._gather(backlog=backlog)
                    backlog = self._batch()
                    if backlog:
                        continue
                self.bell.wait(self._idle_s())
            except LeaseLostError:
                log.warning("lease.lost", extra={"account": self._work.name})
                self._lease = None
            except Exception:
                log.exception("account.failed", extra={"account": self._work.name})
                self._stopping.wait(1.0)
        self._release()

    @property
    def is_leased(self) -> bool:
        """Whether this worker holds the account, as far as it knows."""
        return self._lease is not None

    def renew(self) -> None:
        """Make the lease last longer; forget it when it was lost."""
        lease = self._lease
        try:
            if lease is not None and not self._accounts.renew(lease):
                self._lease = None
        except Exception:
            log.exception("lease.not_renewed", extra={"account": self._work.name})

    def _release(self) -> None:
        if self._lease is not None:
            try:
                self._accounts.release(self._lease)
            except Exception:
                log.exception("lease.not_released", extra={"account": self._work.name})

    def _is_held(self) -> bool:
        if self._lease is None:
            self._lease = self._accounts.take(self._work.name, self._owner)
            if self._lease is not None:
                self._pause = self._accounts.paused(self._work.name)
                log.info(
                    "lease.taken",
                    extra={"account": self._work.name, "fence": self._lease.fence},
                )
        return self._lease is not None

    def _is_paused(self) -> bool:
        return self._pause is not None and self._pause.until > self._clock()

    def _idle_s(self) -> float:
        """Return how long there is surely nothing to do, but for the bell."""
        wait = self._poll_s
        if self._is_paused() or self._lease is None:
            return wait
        next_at = self._due.next_at(self._work.name)
        if next_at is not None:
            wait = min(wait, max(0.0, (next_at - self._clock()).total_seconds()))
        return wait

    def _gather(self, *, backlog: bool) -> None:
        """Let a batch fill while records keep coming, and space batches by the call budget."""
        not_before = self._work.client.ready_at(self._began)
        full = 0 if backlog else self._work.client.batch_size
        self.bell.gather(full=full, not_before=not_before)

    def _batch(self) -> bool:
        """Work one batch. Return whether more is surely waiting."""
        lease = self._lease
        if lease is None:
            return False
        limit = self._work.client.batch_size
        self.bell.wait(0)
        object_type, claims = self._due.claim(self._work.name, limit, self._clock())
        if not claims:
            return False
        self._began = time.monotonic()
        try:
            self._run(lease, object_type, claims)
        except CrmError as error:
            self._rest(error)
            return False
        if self._pause is not None:
            self._accounts.resume(self._work.name)
            self._pause = None
            log.info("account.resumed", extra={"account": self._work.name})
        return len(claims) == limit

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
