"""How far more receivers and more workers carry on one PostgreSQL, all on this machine.

Accepted events: `leadscore receive` in 1, 2 and 4 processes, deliveries of a hundred events over
kept connections. Scored records: 1, 2 and 4 worker processes, an account each; mark due, claim,
read, score, write and store, where reading and writing are calls to a client that answers at once.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from bench.accept import signed_request
from bench.claims import HEADS, KEYS, fdatasync_us
from bench.postgres import new_database, server
from bench.service import CLIENT_SECRET, running
from config.models import packaged_model
from console.stage import demo_practice, free_port
from integrations.base import Change, Found, Outcome
from integrations.mapping import LeadReader
from integrations.simulator.people import invent_people
from store.due import DueMark
from store.rooms import Store, open_store
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.wiring import utc_now

COUNTS = (1, 2, 4)
ROUNDS = 3
SECONDS = 4.0
CONNECTIONS = 16
RECORDS = 2_000  #: Marked due at a time.


def main(plot: Path | None = None) -> None:
    """Measure and print; draw the curves into `plot`."""
    with tempfile.TemporaryDirectory() as name, server() as pg:
        folder = Path(name)
        print(f"PostgreSQL; fdatasync of 4 kB: {fdatasync_us(folder):.0f} us")
        curves = [_receivers(folder, new_database(pg, "scale_receive"))]
        url = new_database(pg, "scale_work")
        open_store(url, KEYS, HEADS).close()
        curves.append(_workers(url))
    if plot is not None:
        _draw(curves, plot)


def _draw(curves: Sequence[Mapping[int, float]], file: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415  only who draws waits for it

    figure = Figure(figsize=(7, 3), layout="constrained")
    for place, (curve, name) in enumerate(
        zip(curves, ("accepted events/s", "scored records/s"), strict=True), 1
    ):
        axes = figure.add_subplot(1, 2, place)
        axes.plot(list(curve), list(curve.values()), marker="o", label="measured")
        alone = curve[1]
        axes.plot(list(curve), [alone * n for n in curve], linestyle=":", label="one x processes")
        axes.set(xlabel="processes, load and server on two cores", ylabel=name, ylim=(0, None))
        axes.set_xticks(list(curve))
        axes.legend(fontsize="small")
    figure.savefig(file, metadata={"Date": None})


def _receivers(folder: Path, url: str) -> dict[int, float]:
    ports = [free_port() for _ in range(max(COUNTS))]
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(running("receive", folder, port=port, database_url=url))
        found: dict[int, list[float]] = {count: [] for count in COUNTS}
        for _ in range(ROUNDS):
            for count in COUNTS:
                found[count].append(_load(ports[:count]))
    return _show("accepted events/s, receivers", found)


def _load(ports: Sequence[int]) -> float:
    share = str(CONNECTIONS // len(ports))
    loaders = []
    for port in ports:
        command = [sys.executable, "-m", "bench.loader", str(port), share, str(SECONDS)]
        loader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        loaders.append((loader, signed_request(100, port, CLIENT_SECRET)))
    for loader, request in loaders:
        loader.stdin.write(request)
        loader.stdin.close()
    total = 0.0
    for loader, _request in loaders:
        answer = json.loads(loader.stdout.read())
        loader.wait()
        if set(answer["codes"]) != {"200"}:
            raise SystemExit(str(answer["codes"]))
        total += answer["per_second"]
    return total * 100


def _workers(url: str) -> dict[int, float]:
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(ROUNDS):
        for count in COUNTS:
            workers = [
                subprocess.Popen(
                    [sys.executable, "-m", "bench.scale", url, f"account-{number}"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for number in range(count)
            ]
            for worker in workers:
                worker.stdout.readline()
            for worker in workers:
                worker.stdin.write("go\n")
                worker.stdin.flush()
            found[count].append(sum(float(worker.communicate()[0]) for worker in workers))
    return _show("scored records/s, workers", found)


def _show(what: str, found: Mapping[int, Sequence[float]]) -> dict[int, float]:
    medians = {count: statistics.median(rates) for count, rates in found.items()}
    for count, rate in medians.items():
        print(f"  {what}: {count}: {rate:9,.0f}  ({rate / medians[1]:.2f} x one)")
    return medians


class Instantly:
    """A CRM that answers at once: the same invented people for all ids."""

    batch_size = 100

    def __init__(self) -> None:
        self._people = [person.to_hubspot() for person in invent_people(3, 200, utc_now())]

    def read(self, _object_type: str, ids: Sequence[str], _properties: Sequence[str]) -> Found:
        """Return a person for each id."""
        return Found(records={i: self._people[int(i) % len(self._people)] for i in ids})

    def write(self, _object_type: str, changes: Sequence[Change]) -> Outcome:
        """Take all."""
        return Outcome(written=frozenset(change.record_id for change in changes))


def work(url: str, account: str) -> None:
    """Work one account for a while, and print how many records a second."""
    practice = demo_practice(
        hubspot_url="http://127.0.0.1:1",
        salesforce_url="http://127.0.0.1:1",
        service_url="http://127.0.0.1:1",
    )
    store = open_store(url, KEYS, HEADS)
    store.accounts.ensure([(account, "hubspot", account)])
    lease = store.accounts.take(account, "bench")
    pipeline = Pipeline(
        leads=store.leads,
        merging=store.merging,
        health=Health(utc_now),
        clock=utc_now,
        rng=Random(1),  # noqa: S311  jitter
    )
    setting = AccountWork(
        name=account,
        crm="hubspot",
        client=Instantly(),
        reader=LeadReader(practice.fields["hubspot"]),
        model=practice.own(packaged_model()),
        outputs=practice.outputs(practice.accounts[0]),
        object_types=practice.accounts[0].record_types,
    )
    _mark(store, account, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    began, count, marked = time.perf_counter(), 0, 1
    while time.perf_counter() - began < SECONDS:
        object_type, claims = store.due.claim(account, Instantly.batch_size, utc_now())
        if not claims:
            _mark(store, account, marked)
            marked += 1
            continue
        pipeline.run(setting, lease, object_type, claims)
        count += len(claims)
    print(count / (time.perf_counter() - began))
    store.accounts.release(lease)
    store.close()


def _mark(store: Store, account: str, turn: int) -> None:
    first = int(time.time() * 1000) + turn * RECORDS  # new records each time: all is written
    now = utc_now()
    store.due.mark(
        [
            DueMark(
                account_id=account,
                object_type="contact",
                record_id=str(first + number),
                cause="created",
                since_at=now,
            )
            for number in range(RECORDS)
        ],
        now,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plot"]:
        main(Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        work(*sys.argv[1:])
    else:
        main()
