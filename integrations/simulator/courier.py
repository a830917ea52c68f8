"""Sends events to a webhook from worker threads: batches, retries, giving up.

What both CRMs share; the body, the headers and the schedule are the caller's. Waits run on the
monotonic clock, not on the simulator's: a test may freeze the clock and still see retries.
"""

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import requests

from integrations.simulator.counters import Counters

Event = TypeVar("Event")

#: Of parcels sent twice when `mischief` is on.
DUPLICATE_SHARE = 0.2
#: How long `stop` waits for requests under way.
STOP_S = 0.8


@dataclass(slots=True, order=True)
class _Parcel(Generic[Event]):
    due_s: float
    order: int
    events: list[Event] = field(compare=False)
    attempt: int = field(compare=False, default=0)


class Courier(Generic[Event]):
    """Holds events until they are acknowledged or given up.

    Args:
        post: Sends events as one request and tells whether the receiver acknowledged them;
            called as `post(session, events, attempt)`, attempt 0 first.
        gap_s: Seconds to wait after failed attempt n, None to give up.
        batch_size: Events in one request at most.
        concurrency: Requests in flight at most.
        batch_wait_s: How long an event waits for others to share its request.
        mischief: Events leave out of order and some leave twice.
    """

    def __init__(
        self,
        *,
        post: Callable[[requests.Session, Sequence[Event], int], bool],
        gap_s: Callable[[int], float | None],
        batch_size: int,
        concurrency: int,
        counters: Counters,
        chance: random.Random,
        batch_wait_s: float = 0.0,
        mischief: bool = False,
    ) -> None:
        self._post = post
        self._gap_s = gap_s
        self._batch_size = batch_size
        self._concurrency = concurrency
        self._counters = counters
        self._chance = chance
        self._batch_wait_s = batch_wait_s
        self._ripe_s = 0.0  # when the oldest pending event has waited long enough
        self._mischief = mischief
        self._changed = threading.Condition()
        self._pending: deque[Event] = deque()
        self._waiting: list[_Parcel[Event]] = []
        self._in_flight = 0
        self._made = 0
        self._running = False
        self._threads: list[threading.Thread] = []

    def queue(self, events: Sequence[Event]) -> None:
        """Take events to be sent as soon as a worker is free. Needs no running worker."""
        if not events:
            return
        self._counters.add("events_queued", len(events))
        with self._changed:
            if not self._pending:
                self._ripe_s = time.monotonic() + self._batch_wait_s
            self._pending.extend(events)
            self._changed.notify_all()

    def start(self) -> None:
        """Start the workers."""
        with self._changed:
            if self._running:
                return
            self._running = True
        self._threads = [
            threading.Thread(target=self._work, name=f"courier-{number}", daemon=True)
            for number in range(self._concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the workers; what is not sent stays queued. Takes less than a second.

        A request still waiting for its receiver after that is left to its daemon thread.
        """
        with self._changed:
            self._running = False
            self._changed.notify_all()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads = []

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is queued, due again or in flight; False on timeout."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout_s)

    def _is_idle(self) -> bool:
        return not (self._pending or self._waiting or self._in_flight)

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxy of this machine between simulator and receiver
            while (parcel := self._next()) is not None:
                try:
                    acknowledged = self._post(session, parcel.events, parcel.attempt)
                except requests.RequestException:
                    acknowledged = False
                self._settle(parcel, acknowledged=acknowledged)

    def _next(self) -> _Parcel[Event] | None:
        """Wait for the next parcel to send; None when the courier stops."""
        with self._changed:
            while self._running:
                now_s = time.monotonic()
                wait_s: float | None = None
                if self._waiting:
                    wait_s = self._waiting[0].due_s - now_s
                    if wait_s <= 0:
                        self._in_flight += 1
                        return heapq.heappop(self._waiting)
                if self._pending:
                    unripe_s = self._ripe_s - now_s
                    if unripe_s <= 0 or len(self._pending) >= self._batch_size:
                        self._in_flight += 1
                        return self._cut()
                    wait_s = unripe_s if wait_s is None else min(wait_s, unripe_s)
                self._changed.wait(wait_s)
            return None

    def _cut(self) -> _Parcel[Event]:
        if self._mischief and len(self._pending) > 1:
            shuffled = list(self._pending)
            self._chance.shuffle(shuffled)
            self._pending = deque(shuffled)
        size = min(self._batch_size, len(self._pending))
        parcel = self._parcel([self._pending.popleft() for _ in range(size)], due_s=0.0)
        if self._mischief and self._chance.random() < DUPLICATE_SHARE:
            self._counters.add("duplicate_events_sent", size)
            heapq.heappush(self._waiting, self._parcel(list(parcel.events), due_s=0.0))
            self._changed.notify()
        return parcel

    def _parcel(self, events: list[Event], *, due_s: float) -> _Parcel[Event]:
        self._made += 1
        return _Parcel(due_s=due_s, order=self._made, events=events)

    def _settle(self, parcel: _Parcel[Event], *, acknowledged: bool) -> None:
        size = len(parcel.events)
        count = self._counters.add
        count("deliveries_sent")
        count("events_sent", size)
        if parcel.attempt:
            count("deliveries_retried")
        gap_s = None if acknowledged else self._gap_s(parcel.attempt)
        if acknowledged:
            count("deliveries_acknowledged")
            count("events_acknowledged", size)
        elif gap_s is None:
            count("deliveries_given_up")
            count("events_given_up", size)
        with self._changed:
            self._in_flight -= 1
            if gap_s is not None:
                parcel.attempt += 1
                parcel.due_s = time.monotonic() + gap_s
                heapq.heappush(self._waiting, parcel)
            self._changed.notify_all()
