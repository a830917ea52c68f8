"""The worker: unpacks deliveries, and works every account it can lease.

One thread unpacks; one thread an account claims batches (`webhooks/runner.py`) and one sweeps it;
one thread renews the leases. Threads wait on a bell and on the clock. Other processes ring the
bell too where the database can (`store/wakeups.py`); polling is the safety net.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
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
#: How often each account is swept (S30), and how soon again after a failure.
SWEEP_EVERY_S = 900.0
#: What the CRM tried again while we were away comes first, and need not be looked for.
SWEEP_AFTER_S = 5.0
SWEEP_AGAIN_S = 60.0


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
        self._works = works
        self._sweeper = sweeper
        self._sweep_after_s = sweep_after_s
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
        if self._sweeper is not None:
            targets += [
                (f"sweep-{work.name}", partial(self._sweep, self._sweeper, work))
                for work in self._works
            ]
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

    def _sweep(self, sweeper: Sweeper, work: AccountWork) -> None:
        """Ask the CRM what changed: at the start, whenever the account is taken, and in turns."""
        runner = self._runners[work.name]
        wait_s = self._sweep_after_s
        while not self._stopping.wait(wait_s):
            wait_s = self._poll_s
            if not runner.is_leased or runner.is_paused():
                continue
            try:
                found = sweeper.sweep(work, go_on=lambda: not self._stopping.is_set())
                wait_s = SWEEP_EVERY_S
            except CrmError as error:
                log.warning("sweep.failed", extra={"account": work.name, "code": error.code})
                found, wait_s = 0, SWEEP_AGAIN_S
            except Exception:
                log.exception("sweep.failed", extra={"account": work.name})
                found, wait_s = 0, SWEEP_AGAIN_S
            if found:
                runner.bell.ring(found)

    def _heartbeat(self) -> None:
        while not self._stopping.wait(HEARTBEAT_S):
            for runner in self._runners.values():
                runner.renew()
