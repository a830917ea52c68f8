"""Bytes on disk of a lead and of a delivery, and what a purge gives back.

Twenty thousand invented leads through the real pipeline, scored twice, and as many deliveries of
one event; then everything is past its time and purged. SQLite's files do not shrink: what was
freed is used again, and is told apart here.
"""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import psycopg
from pysqlite3 import dbapi2 as sqlite

from bench.claims import HEADS, KEYS
from bench.postgres import new_database, server
from bench.scale import Instantly
from config.models import packaged_model
from console.stage import demo_practice
from integrations.mapping import LeadReader
from store.due import DueMark
from store.retention import Periods
from store.rooms import Store, open_store
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.wiring import utc_now

COUNT = 20_000
EVENT = b'[{"eventId":1,"subscriptionId":2,"portalId":4000001,"appId":7100001,"occurredAt":1790000000000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":501,"changeSource":"CRM","changeFlag":"NEW"}]'
NOTHING = timedelta(0)


def main() -> None:
    """Measure both databases and print."""
    with tempfile.TemporaryDirectory() as name, server() as pg:
        path = Path(name) / "data" / "leadscore.db"
        _measure("SQLite", f"sqlite:///{path}", lambda: _sqlite_bytes(path))
        url = new_database(pg, "size")
        _measure("PostgreSQL", url, lambda: _postgres_bytes(url))


def _measure(name: str, url: str, size: Callable[[], tuple[int, int]]) -> None:
    store = open_store(url, KEYS, HEADS)
    _, _ = size()
    empty = sum(size())
    for _ in range(COUNT):
        store.inbox.append(account_id="account", kind="hubspot", body=EVENT, at=utc_now())
    deliveries = sum(size()) - empty
    while True:
        with store.inbox.take(1_000) as taken:
            if not taken.deliveries:
                break
            for delivery in taken.deliveries:
                taken.unpacked(delivery)
    before = sum(size())
    _score(store)
    leads = sum(size()) - before
    full = sum(size())
    later = utc_now() + timedelta(days=1)
    gone = Periods(deliveries=NOTHING, facts=NOTHING, history=NOTHING)
    while any(store.retention.purge(gone, later).values()):
        pass
    used, free = size()
    store.close()
    print(
        f"{name}: a delivery of one event ({len(EVENT)} bytes) {deliveries / COUNT:,.0f} bytes,"
        f" a lead with its history and due row {leads / COUNT:,.0f} bytes;"
        f" after a purge {used - empty:,} of {full - empty:,} bytes in use, {free:,} free to be used"
    )


def _score(store: Store) -> None:
    practice = demo_practice(
        hubspot_url="http://127.0.0.1:1",
        salesforce_url="http://127.0.0.1:1",
        service_url="http://127.0.0.1:1",
    )
    store.accounts.ensure([("account", "hubspot", "account")])
    lease = store.accounts.take("account", "bench")
    pipeline = Pipeline(
        leads=store.leads,
        merging=store.merging,
        health=Health(utc_now),
        clock=utc_now,
        rng=Random(1),  # noqa: S311  jitter
    )
    work = AccountWork(
        name="account",
        crm="hubspot",
        client=Instantly(),
        reader=LeadReader(practice.fields["hubspot"]),
        model=practice.own(packaged_model()),
        outputs=practice.outputs(practice.accounts[0]),
        object_types=("contact",),
    )
    for _ in range(2):
        now = utc_now()
        store.due.mark(
            [
                DueMark(
                    account_id="account",
                    object_type="contact",
                    record_id=str(number),
                    cause="created",
                    since_at=now,
                )
                for number in range(COUNT)
            ],
            now,
        )
        while claims := store.due.claim("account", 100, now)[1]:
            pipeline.run(work, lease, "contact", claims)


def _sqlite_bytes(path: Path) -> tuple[int, int]:
    used = free = 0
    for file in (path, path.with_name("leadscore-inbox.db")):
        with sqlite.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page, pages, unused = (
                connection.execute(f"PRAGMA {what}").fetchone()[0]
                for what in ("page_size", "page_count", "freelist_count")
            )
        connection.close()
        used += page * (pages - unused)
        free += page * unused
    return used, free


def _postgres_bytes(url: str) -> tuple[int, int]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM")
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return found[0], 0


if __name__ == "__main__":
    main()
