"""Claims and commits: does a long queue, or a busy worker, slow anything down?

Claiming and ending 100 due records with 1,000 and with 1,000,000 waiting, in turns; then a
receiver's commits alone and while a worker in another process claims flat out, in turns. On SQLite
and on PostgreSQL. Each time stands beside an fdatasync of the same moment.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from bench.postgres import new_database, server
from store.due import DueMark, finish
from store.keys import MasterKeys
from store.rooms import Store, open_store
from webhooks.wiring import utc_now

KEYS = MasterKeys(1, {1: bytes(range(32))})
#: Of an audit trail that no benchmark writes.
HEADS = Path("/nonexistent/heads")
BATCH = 100
ROUNDS = 7
CLAIMS = 60  #: Batches a round.
COMMITS = 300  #: Commits a round.
SIZES = (1_000, 1_000_000)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, server() as pg:
        folder = Path(name)
        for kind in ("SQLite", "PostgreSQL"):
            urls = {
                size: f"sqlite:///{folder}/{size}/x.db"
                if kind == "SQLite"
                else new_database(pg, f"claims_{size}")
                for size in (*SIZES, 0)
            }
            print(f"\n{kind} (fdatasync of 4 kB: {fdatasync_us(folder):.0f} us)")
            _claims(urls)
            _commits(urls[0])


def fdatasync_us(folder: Path) -> float:
    """Return the median of 200 fdatasyncs of 4 kB, in microseconds."""
    spent = []
    with (folder / "sync").open("wb") as file:
        for _ in range(200):
            file.seek(0)
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e6


def marks(ids: range) -> list[DueMark]:
    """Return marks of invented contacts."""
    return [
        DueMark(
            account_id="bench",
            object_type="contact",
            record_id=str(5_000_000 + number),
            cause="changed",
            since_at=None,
        )
        for number in ids
    ]


def _fill(store: Store, size: int) -> None:
    for start in range(0, size, 20_000):
        store.due.mark(marks(range(start, min(start + 20_000, size))), utc_now())


def _turn(store: Store) -> tuple[float, float]:
    """Claim a batch and end it; return the seconds of both. The records fall due again, later."""
    now = utc_now()
    began = time.perf_counter()
    object_type, claims = store.due.claim("bench", BATCH, now)
    claimed = time.perf_counter()
    with store.databases.ledger.begin() as connection:
        done = [(claim, now) for claim in claims]
        finish(connection, "bench", object_type, done=done, retries=[])
    if len(claims) != BATCH:
        raise SystemExit("not a full batch")
    return claimed - began, time.perf_counter() - claimed


def _claims(urls: dict[int, str]) -> None:
    stores = {size: open_store(urls[size], KEYS, HEADS) for size in SIZES}
    for size, store in stores.items():
        began = time.perf_counter()
        _fill(store, size)
        if store.databases.ledger.dialect.name == "postgresql":
            with store.databases.ledger.connect() as connection:
                connection.execute(text("ANALYZE due"))
                connection.commit()
        print(f"  {size:9,} marked due in {time.perf_counter() - began:.1f} s")
    found: dict[int, list[list[float]]] = {size: [[], []] for size in SIZES}
    for _ in range(ROUNDS):
        for size, store in stores.items():
            turns = [_turn(store) for _ in range(CLAIMS)]
            for part in (0, 1):
                found[size][part].append(statistics.median(turn[part] for turn in turns))
    for part, what in enumerate(("claim 100", "end 100")):
        few, many = (statistics.median(found[size][part]) * 1000 for size in SIZES)
        target = "  (target 2)" if part == 0 else ""
        print(
            f"  {what:10} {few:6.2f} ms with 1,000 waiting, {many:6.2f} ms with 1,000,000:"
            f" ratio {many / few:.2f}{target}"
        )
    for store in stores.values():
        store.close()


def _commits(url: str) -> None:
    store = open_store(url, KEYS, HEADS)
    _fill(store, 20_000)
    spent: dict[str, list[float]] = {"alone": [], "busy": []}
    rates = []
    _commit_round(store)
    for _ in range(ROUNDS):
        spent["alone"] += _commit_round(store)
        with _busy_worker(url) as rate:
            spent["busy"] += _commit_round(store)
        rates.append(rate[0])
    store.close()
    alone, busy = (statistics.median(each) * 1000 for each in spent.values())
    p99 = {name: sorted(each)[int(len(each) * 0.99)] * 1000 for name, each in spent.items()}
    print(
        f"  a receiver's commit: alone {alone:.2f} ms (p99 {p99['alone']:.2f}), while a worker"
        f" claims and ends {statistics.median(rates):,.0f} records/s {busy:.2f} ms"
        f" (p99 {p99['busy']:.2f}, target 5): ratio {busy / alone:.2f} (target 3)"
    )


def _commit_round(store: Store) -> list[float]:
    spent = []
    body = b"x" * 700
    for _ in range(COMMITS):
        began = time.perf_counter()
        store.inbox.append(account_id="bench", kind="hubspot", body=body, at=utc_now())
        spent.append(time.perf_counter() - began)
        time.sleep(0.002)
    return spent


@contextmanager
def _busy_worker(url: str) -> Iterator[list[float]]:
    """Run another process that claims flat out; what is given holds its records a second."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.claims", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    rate: list[float] = []
    try:
        yield rate
    finally:
        rate.append(float(process.communicate("stop")[0]))


def work(url: str) -> None:
    """Claim and end batches until something comes on standard input; print records a second."""
    import selectors  # noqa: PLC0415  the other process's

    chooser = selectors.DefaultSelector()
    chooser.register(sys.stdin, selectors.EVENT_READ)
    store = open_store(url, KEYS, HEADS)
    _turn(store)
    print("ready", flush=True)
    began, count = time.perf_counter(), 0
    while not chooser.select(0):
        _turn(store)
        count += BATCH
    print(count / (time.perf_counter() - began))
    store.close()


if __name__ == "__main__":
    work(sys.argv[1]) if len(sys.argv) > 1 else main()
