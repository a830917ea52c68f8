"""The worker: unpacks deliveries, and works every account it can lease.

One thread unpacks. One looks which accounts have something due, and takes those that are free;
each has a thread while it is worked (`webhooks/runner.py`). One renews all leases, one sweeps.
Threads wait on a bell and on the clock. Other processes ring the bell too where the database can
(`store/wakeups.py`); polling is the safety net.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from integrations.errors import CrmError
from store.accounts import Accounts
from store.due import Due
from store.wakeups import ALL, INBOX, Wakeups
from webhooks.bell import CountingBell
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.runner import AccountRunner
from webhooks.sweep import Sweeper
from webhooks.unpack import Unpacker

log = logging.getLogger(__name__)

#: How often an idle thread looks, whatever the bell says.
POLL_S = 0.25
HEARTBEAT_S = 4.0
#: Accounts worked at the same time by one process, at most: the others wait for those, or for
#: another process.
MOST_ACCOUNTS = 200
#: What the CRM tried again while we were away comes first, and need not be looked for (S30).
SWEEP_AFTER_S = 5.0
#: How soon an account is swept again after a failure.
SWEEP_AGAIN_S = 60.0
#: How often the accounts that are to be swept are looked for, and how many are asked at once.
SWEEP_LOOK_S = 5.0
SWEEPS_AT_ONCE = 8


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
        sweeper: Sweeper | None = None,
        sweep_after_s: float = SWEEP_AFTER_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._owner = owner
        self._works = works
        self._by_name = {work.name: work for work in works}
        self._due = due
        self._sweeper = sweeper
        self._sweep_after_s = sweep_after_s
        self._sweep_again: dict[str, float] = {}  #: When a failed sweep is tried again, monotonic.
        self._unpacker = unpacker
        self._bell = bell
        self._due_bell = CountingBell()
        self._wakeups = wakeups
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._accounts = accounts
        self._clock = clock
        self._runners = {
            work.name: AccountRunner(
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
        targets = [("unpack", self._unpack), ("due", self._watch), ("heartbeat", self._heartbeat)]
        if self._sweeper is not None:
            targets.append(("sweep", partial(self._sweep, self._sweeper)))
        for name, target in targets:
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._wakeups.listen(self._told)

    def _told(self, name: str) -> None:
        """Hear that a delivery waits, or that an account's records are due."""
        if name in {INBOX, ALL}:
            self._bell.ring()
        if name != INBOX:
            self._ring(name)

    def _ring(self, account: str, count: int = 1) -> None:
        """Wake whoever works the account, or who looks for accounts to work."""
        runner = self._runners.get(account)
        if runner is not None and runner.is_running:
            runner.bell.ring(count)
        else:
            self._due_bell.ring()

    def stop(self, timeout_s: float = 35.0) -> None:
        """End after the batches at hand; give the leases back."""
        self._stopping.set()
        self._bell.ring()
        self._due_bell.ring()
        for runner in self._runners.values():
            runner.bell.ring()
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        for runner in self._runners.values():
            runner.join(max(0.0, ends - time.monotonic()))
        for work in self._works:
            work.client.close()

    def _watch(self) -> None:
        """Take accounts that have something due and are free."""
        while not self._stopping.is_set():
            self._due_bell.wait(self._poll_s)
            try:
                self._take_due()
            except Exception:
                log.exception("due.failed")
                self._stopping.wait(1.0)

    def _take_due(self) -> None:
        active = sum(runner.is_running for runner in self._runners.values())
        for name in self._due.accounts(self._clock()):
            runner = self._runners.get(name)
            if runner is None or runner.is_running:
                continue
            if self._stopping.is_set():
                return
            if active >= MOST_ACCOUNTS:
                for other in self._runners.values():
                    other.make_room()
                return
            lease = self._accounts.take(name, self._owner)
            if lease is not None:
                runner.start(lease)
                active += 1

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
                self._ring(account, count)
                if not self._is_ours(account):
                    self._wakeups.ring(account)  # another worker may hold it
            if not taken:
                self._bell.wait(self._poll_s)

    def _is_ours(self, account: str) -> bool:
        runner = self._runners.get(account)
        return runner is not None and runner.is_running

    def _sweep(self, sweeper: Sweeper) -> None:
        """Ask the CRMs what changed: after the start, and each in turns (S30)."""
        since = self._clock() + timedelta(seconds=self._sweep_after_s)
        self._stopping.wait(self._sweep_after_s)
        shortest = min((work.sweep_every for work in self._works), default=timedelta(minutes=1))
        flying: dict[str, Future[None]] = {}  # one that takes long holds up no other account's
        with ThreadPoolExecutor(SWEEPS_AT_ONCE, thread_name_prefix="sweep") as pool:
            while not self._stopping.is_set():
                try:
                    due = self._accounts.sweeps_due(max(since, self._clock() - shortest))
                    for name in due:
                        if name not in flying or flying[name].done():
                            flying[name] = pool.submit(self._try_sweep, sweeper, since, name)
                except Exception:
                    log.exception("sweeps.failed")  # the store is away: looked at again
                self._stopping.wait(max(self._poll_s, SWEEP_LOOK_S))

    def _try_sweep(self, sweeper: Sweeper, since: datetime, name: str) -> None:
        try:
            self._sweep_one(sweeper, since, name)
        except Exception:
            log.exception("sweeps.failed")  # the store is away: looked at again

    def _sweep_one(self, sweeper: Sweeper, since: datetime, name: str) -> None:
        """Sweep an account that was not yet since we began, or not for its own time."""
        work = self._by_name.get(name)
        if work is None or self._stopping.is_set() or self._must_wait(name):
            return
        before = max(since, self._clock() - work.sweep_every)
        # Of the workers that share an account one sweeps it, whoever is first.
        if not self._accounts.begin_sweep(name, before, self._clock()):
            return
        try:
            found = sweeper.sweep(work, go_on=lambda: not self._stopping.is_set())
        except Exception as error:
            self._sweep_again[name] = time.monotonic() + SWEEP_AGAIN_S
            self._accounts.set_swept(name, before - timedelta(seconds=1))  # it was not
            if isinstance(error, CrmError):
                log.warning("sweep.failed", extra={"account": name, "code": error.code})
            else:
                log.exception("sweep.failed", extra={"account": name})
            return
        if found:
            self._ring(work.name, found)

    def _must_wait(self, name: str) -> bool:
        """Whether the account's CRM has just failed: its next probe tells, not a sweep (S28)."""
        if time.monotonic() < self._sweep_again.get(name, 0.0):
            return True
        pause = self._accounts.paused(name)
        return pause is not None and pause.until > self._clock()

    def _heartbeat(self) -> None:
        while not self._stopping.wait(HEARTBEAT_S):
            # Those of before the statement: one that is taken meanwhile is not in its answer.
            leases = [(runner, runner.lease) for runner in self._runners.values()]
            try:
                held = self._accounts.renew(self._owner)
            except Exception:
                log.exception("lease.not_renewed")
                continue
            for runner, lease in leases:
                if lease is not None and lease not in held:
                    runner.lose(lease)
