"""A small simulation of docs/scale.md: how long inquiries wait when many accounts share workers.

Accounts get inquiries at random over a day that has a peak in the morning; a few accounts have
most of them. A worker takes an account with something due, fills a batch, and spends processor
time for each record and two calls' time for the batch; an account is worked by one worker at a
time and never makes more calls than its CRM admits. The figures that go in are measured:
docs/benchmarks.md.
"""

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

HOUR = 3_600.0
#: Share of a day's inquiries in each hour: a practice's web form and front desk.
HOURS = [1, 1, 1, 1, 1, 2, 3, 6, 9, 9, 8, 7, 6, 7, 7, 6, 6, 5, 4, 3, 3, 2, 1, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is simulated."""

    accounts: int
    inquiries_a_day: float  #: Of an account, on average; few have most (log-normal, sigma 1.2).
    events_an_inquiry: float = 8.0  #: Creation, property changes; most fall in the same seconds.
    workers: int = 1
    record_s: float = 1 / 2_150  #: Processor time of a record on PostgreSQL: python -m bench.scale
    batch: int = 100
    call_s: float = 0.3  #: A call to the CRM and back.
    calls_per_10s: int = 90
    most_accounts: int = 200  #: Worked at once by one worker.
    gather_s: float = 0.1
    hours: float = 1.0  #: Simulated, around the peak.


@dataclass(slots=True)
class _Account:
    due: deque[float] = field(default_factory=deque)  #: When each due record's event came.
    calls: deque[float] = field(default_factory=deque)
    is_taken: bool = False


def main() -> None:
    """Simulate the sites of docs/scale.md and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=5)
    seed = options.parse_args().seed
    sites = [
        Site(accounts=1, inquiries_a_day=60),
        Site(accounts=30, inquiries_a_day=60),
        Site(accounts=1_000, inquiries_a_day=60),
        Site(accounts=10_000, inquiries_a_day=60),
        Site(accounts=100_000, inquiries_a_day=60, workers=1, hours=0.25),
        Site(accounts=100_000, inquiries_a_day=60, workers=2, hours=0.25),
        Site(accounts=100_000, inquiries_a_day=60, workers=4, hours=0.25),
        Site(accounts=100_000, inquiries_a_day=600, workers=1, hours=0.1),
        Site(accounts=100_000, inquiries_a_day=600, workers=2, hours=0.1),
        Site(accounts=100_000, inquiries_a_day=600, workers=8, hours=0.1),
        Site(accounts=100_000, inquiries_a_day=600, workers=32, hours=0.1),
    ]
    print(
        f"{'accounts':>9} {'workers':>8} {'records/s':>10} {'busy by sum':>12} {'busy':>6}"
        f" {'calls/record':>13} {'median':>8} {'p99':>8} {'left over':>10}"
    )
    for site in sites:
        found = simulate(site, seed)
        print(
            f"{site.accounts:>9,} {site.workers:>8} {found['records_s']:>10,.1f}"
            f" {busy_by_sum(site):>11.0%} {found['busy']:>6.0%} {found['calls']:>13.2f}"
            f" {found['median']:>7.2f}s {found['p99']:>7.2f}s {found['left']:>10,}"
        )


def records_a_second(site: Site) -> float:
    """Return how many records fall due a second in the busiest hour, events collapsed.

    Of an inquiry's events those of the first seconds share one look; the rest, a reply or a call an
    hour later, are looks of their own: two in all.
    """
    return site.accounts * site.inquiries_a_day * 2 * max(HOURS) / sum(HOURS) / HOUR


def busy_by_sum(site: Site) -> float:
    """Return the part of the workers' processors that the busiest hour takes, by arithmetic."""
    return records_a_second(site) * site.record_s / site.workers


class Simulation:
    """One run; the clock jumps from event to event."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._accounts: dict[int, _Account] = {}
        self._waiting: deque[int] = deque()  #: Accounts with something due that nobody holds.
        self._slots = [site.most_accounts] * site.workers
        self._free_at = [0.0] * site.workers  #: When each worker's processor is free.
        self._ends: list[tuple[float, int, int, int]] = []  #: When, order, worker, account.
        self.spent = 0.0
        self.calls = 0
        self.waits: list[float] = []

    def run(self, arrivals: Sequence[tuple[float, int]]) -> None:
        """Let records fall due at `arrivals` and serve them, until a minute after the last hour."""
        place, last = 0, self._site.hours * HOUR + 60
        while place < len(arrivals) or self._ends:
            if place < len(arrivals) and (
                not self._ends or arrivals[place][0] <= self._ends[0][0]
            ):
                now, name = arrivals[place]
                place += 1
                self._arrive(now, name)
            else:
                now, _, worker, name = heapq.heappop(self._ends)
                if now > last:
                    return
                self._end(now, worker, name)
            self._look(now)

    def left(self) -> int:
        """Return how many records were not served."""
        return sum(len(account.due) for account in self._accounts.values())

    def _arrive(self, now: float, name: int) -> None:
        account = self._accounts.setdefault(name, _Account())
        account.due.append(now)
        if not account.is_taken and len(account.due) == 1:
            self._waiting.append(name)

    def _look(self, now: float) -> None:
        while self._waiting:
            order = range(self._site.workers)
            worker = min(order, key=lambda w: (self._slots[w] == 0, self._free_at[w]))
            if not self._slots[worker]:
                return
            self._begin(now, worker, self._waiting.popleft())

    def _begin(self, now: float, worker: int, name: int) -> None:
        site, account = self._site, self._accounts[name]
        account.is_taken = True
        self._slots[worker] -= 1
        start = now + (0.0 if len(account.due) >= site.batch else site.gather_s)
        while account.calls and account.calls[0] <= start - 10:
            account.calls.popleft()
        if len(account.calls) + 2 > site.calls_per_10s:
            start = account.calls[len(account.calls) + 1 - site.calls_per_10s] + 10
        account.calls.extend((start, start))
        self.calls += 2
        size = min(len(account.due), site.batch)
        # Read, then the processor when it is free, then write.
        begun = max(start + site.call_s, self._free_at[worker])
        self._free_at[worker] = begun + size * site.record_s
        self.spent += size * site.record_s
        entry = (self._free_at[worker] + site.call_s, self.calls, worker, name)
        heapq.heappush(self._ends, entry)

    def _end(self, now: float, worker: int, name: int) -> None:
        account = self._accounts[name]
        account.is_taken = False
        self._slots[worker] += 1
        for _ in range(min(len(account.due), self._site.batch)):
            self.waits.append(now - account.due.popleft())
        if account.due:
            self._waiting.append(name)


def simulate(site: Site, seed: int) -> dict[str, float]:
    """Return what became of the busiest hours: rates, waits in seconds, what was left over."""
    arrivals = _arrivals(site, random.Random(seed))  # noqa: S311  not a secret
    one = Simulation(site)
    one.run(arrivals)
    waits = sorted(one.waits)
    return {
        "records_s": len(arrivals) / site.hours / HOUR,
        "busy": one.spent / site.workers / site.hours / HOUR,
        "calls": one.calls / max(len(waits), 1),
        "median": _at(waits, 0.5),
        "p99": _at(waits, 0.99),
        "left": one.left(),
    }


def _arrivals(site: Site, rng: random.Random) -> list[tuple[float, int]]:
    """Return (second, account) of each record that falls due in the busiest hour."""
    weights = [rng.lognormvariate(0, 1.2) for _ in range(site.accounts)]
    total = sum(weights)
    count = records_a_second(site) * site.hours * HOUR
    found: list[tuple[float, int]] = []
    for name, weight in enumerate(weights):
        mean = count * weight / total
        found += [(rng.random() * site.hours * HOUR, name) for _ in range(_poisson(mean, rng))]
    found.sort()
    return found


def _poisson(mean: float, rng: random.Random) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


if __name__ == "__main__":
    main()
