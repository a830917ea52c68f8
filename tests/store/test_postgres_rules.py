"""What holds on PostgreSQL only; `test_databases.py` has what holds on both kinds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from store.accounts import require
from store.clock import ASK_EVERY_S, DatabaseClock, shared_clock
from store.dialect import StoreError
from store.due import DueMark, finish
from store.engine import check_integrity, impatient, open_databases, reading
from store.inbox import Inbox
from store.leads import Batch
from store.rooms import open_store
from store.vault import Vault
from store.wakeups import ALL, INBOX


@pytest.fixture
def database_url(postgresql_url):
    return postgresql_url


@pytest.fixture
def databases(store):
    return store.databases


@pytest.fixture
def server_setting(postgres):
    """Return what changes a setting of the whole server; it is put back at the end."""
    changed = []

    def change(name, value):
        changed.append(name)
        postgres.run(f"ALTER SYSTEM SET {name} = {value}")
        reload(name, value)

    def reload(name, value):
        postgres.run("SELECT pg_reload_conf()")
        ends = time.monotonic() + 5
        while postgres.run(f"SHOW {name}").scalar_one() != value:
            assert time.monotonic() < ends
            time.sleep(0.01)

    yield change
    for name in changed:
        postgres.run(f"ALTER SYSTEM RESET {name}")
        reload(name, "on")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_s025_a_server_that_may_lose_commits_is_refused(
    postgres, postgresql_url, server_setting, name
):
    server_setting(name, "off")

    with pytest.raises(StoreError, match=f"{name} is off: set {name} = on"):
        open_databases(postgresql_url)


def test_s025_a_role_that_does_not_wait_for_the_disk_is_refused(postgres, postgresql_url):
    name = make_url(postgresql_url).database
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = off")

    with pytest.raises(StoreError, match="synchronous_commit is off: ALTER ROLE"):
        open_databases(postgresql_url)


def test_s025_an_address_cannot_ask_for_less(postgresql_url):
    url = make_url(postgresql_url).update_query_dict(
        {"options": "-c synchronous_commit=off", "target_session_attrs": "any"}
    )

    with pytest.raises(StoreError, match="synchronous_commit is off"):
        open_databases(url.render_as_string(hide_password=False))


def test_s025_a_server_that_takes_no_writes_is_not_talked_to(postgres, postgresql_url):
    name = make_url(postgresql_url).database
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with pytest.raises(StoreError, match=r"cannot be opened: OperationalError"):
        open_databases(postgresql_url)


def test_the_migrations_run_once_when_many_processes_start_on_an_empty_database(postgres):
    name = postgres.new(empty=True)
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        stack.callback(postgres.drop, name)
        # Alembic keeps its settings in the module: one at a time in a process, so this one and
        # another that holds the lock of migrations stand for two processes.
        with postgres.connect(name) as other:
            other.execute("BEGIN")
            other.execute("SELECT pg_advisory_xact_lock(%s)", (0x1EAD5C0E,))
            opening = pool.submit(open_databases, postgres.of(name))
            time.sleep(0.2)
            assert not opening.done()
            other.execute("COMMIT")
        opening.result(10).close()
        open_databases(postgres.of(name)).close()


def test_s026_a_transaction_that_sleeps_is_ended_by_the_server(databases):
    for engine in (databases.inbox, databases.ledger):
        with reading(engine).connect() as connection:
            shown = [
                connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("idle_in_transaction_session_timeout", "transaction_timeout")
            ]
            assert shown == ["10s", "30s"]


def test_an_impatient_transaction_gives_its_connection_back_as_it_was(databases):
    with pytest.raises(OperationalError), impatient(databases.ledger, 0.2).begin() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(5)")

    with databases.ledger.begin() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "0"
        assert connection.connection.driver_connection.answer_within_s is None


def test_a_statement_in_vain_is_an_error_of_the_database_and_not_the_end(databases):
    with databases.ledger.connect() as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with reading(databases.ledger).connect() as other:
            other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (backend,))
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT 1")

    with databases.ledger.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


def marks(ids):
    return [
        DueMark(
            account_id="portal",
            object_type="contact",
            record_id=str(record_id),
            cause="changed",
            since_at=None,
        )
        for record_id in ids
    ]


def test_marks_and_ends_in_every_order_never_block_each_other_for_good(store, clock):
    """Deadlocks would be errors here: all take the rows in one order."""
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    lease = store.accounts.take("portal", "one")
    faults = []

    def work(n):
        try:
            for turn in range(12):
                ids = list(range(60))
                ids = ids[::-1] if (n + turn) % 2 else ids[n:] + ids[:n]
                store.due.mark(marks(ids), clock())
                _, claims = store.due.claim("portal", 60, clock())
                done = [
                    (c, clock() + timedelta(days=1) if i % 2 else None)
                    for i, c in enumerate(claims)
                ]
                with store.databases.ledger.begin() as connection:
                    require(connection, lease)
                    finish(connection, "portal", "contact", done=done, retries=[])
        except DBAPIError as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []


@pytest.fixture
def other_inbox(store, keys):
    found = Inbox(store.databases.inbox, Vault(keys))
    yield found
    found.close()


def test_two_workers_take_no_delivery_twice(store, other_inbox, clock):
    for n in range(20):
        clock.advance(milliseconds=1)
        store.inbox.append(account_id="portal", kind="hubspot", body=b"%d" % n, at=clock())

    with store.inbox.take(12) as one, other_inbox.take(12) as other:
        first, second = [[item.body for item in taken.deliveries] for taken in (one, other)]

    assert (len(first), len(second)) == (12, 8)
    assert not set(first) & set(second)
    # Nothing was said of them, so all wait again.
    assert len(store.inbox.waiting(100)) == 20


def test_what_a_killed_worker_had_taken_is_free_at_once(store, other_inbox, clock, postgres):
    seen = []

    def die():
        with other_inbox.take(9) as taken:
            taken.unpacked(taken.deliveries[0])
            postgres.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction'"
            )
            ends = time.monotonic() + 5
            while not seen and time.monotonic() < ends:
                with store.inbox.take(9) as again:
                    seen.extend(item.body for item in again.deliveries)

    store.inbox.append(account_id="portal", kind="hubspot", body=b"x", at=clock())
    with pytest.raises(DBAPIError):
        die()

    assert seen == [b"x"]
    assert store.inbox.counts()["waiting"] == 1


@pytest.fixture
def far(postgresql_url, keys, tmp_path):
    found = open_store(postgresql_url, keys, tmp_path / "heads")
    yield found
    found.close()


class Heard(list):
    def until(self, name, timeout_s=5.0):
        ends = time.monotonic() + timeout_s
        while name not in self:
            assert time.monotonic() < ends, self
            time.sleep(0.0005)


def test_a_ring_is_heard_by_another_process_within_milliseconds(store, far):
    heard = Heard()
    far.wakeups.listen(heard.append)
    heard.until(ALL)
    waits = []
    for name in (INBOX, "portal", "org") * 5:
        heard.clear()
        began = time.monotonic()
        store.wakeups.ring(name)
        heard.until(name)
        waits.append(time.monotonic() - began)

    assert sorted(waits)[len(waits) // 2] < 0.05


def test_rings_go_on_after_the_listeners_connection_was_cut(store, far, postgres):
    heard = Heard()
    far.wakeups.listen(heard.append)
    heard.until(ALL)
    heard.clear()
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN leadscore'"
    )
    heard.until(ALL)  # something may have been missed
    heard.clear()
    store.wakeups.ring("portal")

    heard.until("portal")


def test_a_ring_never_fails_nor_waits(store, wire, keys, tmp_path):
    cut_off = open_store(wire.through, keys, tmp_path / "heads")
    wire.hold()
    began = time.monotonic()
    for _ in range(1000):
        cut_off.wakeups.ring()
    spent = time.monotonic() - began
    wire.release()
    cut_off.close()

    assert spent < 0.5


def test_s031_workers_take_the_servers_time_and_not_their_machines(store):
    wrong = datetime(2001, 1, 1, tzinfo=UTC)
    clock = shared_clock(store.databases.ledger, lambda: wrong)

    real = datetime.now(UTC)  # noqa: TID251  the server's clock is this machine's here
    assert abs((clock() - real).total_seconds()) < 1


def test_s031_the_servers_time_is_carried_on_while_it_cannot_be_asked(wire, postgresql_url):
    ticks = [50.0]
    databases = open_databases(wire.through)
    clock = DatabaseClock(databases.ledger, lambda: ticks[0])
    began = clock()
    wire.close()
    ticks[0] += ASK_EVERY_S + 30

    assert (clock() - began).total_seconds() == pytest.approx(ASK_EVERY_S + 30)
    databases.close()


@pytest.fixture
def servant_url(postgres, postgresql_url):
    """The address for a role that may read and write rows, and nothing else."""
    role, name = "leadscore_servant", make_url(postgresql_url).database
    postgres.run(f"DROP ROLE IF EXISTS {role}")
    postgres.run(f"CREATE ROLE {role} LOGIN PASSWORD 'invented'")
    with postgres.connect(name) as connection:
        connection.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
    url = make_url(postgresql_url).set(username=role, password="invented")
    yield url.render_as_string(hide_password=False)
    postgres.drop(name)
    postgres.run(f"DROP ROLE {role}")


def test_a_role_that_may_only_read_and_write_rows_can_serve(servant_url, keys, clock, tmp_path):
    served = open_store(servant_url, keys, tmp_path / "heads")
    served.accounts.ensure([("portal", "hubspot", "4000001")])
    served.inbox.append(account_id="portal", kind="hubspot", body=b"x", at=clock())
    served.inbox.check_writable()
    with served.inbox.take(9) as taken:
        served.due.mark(marks([501]), clock())
        taken.unpacked(taken.deliveries[0])
    lease = served.accounts.take("portal", "one")
    [claim] = served.due.claim("portal", 9, clock())[1]
    served.leads.save(lease, Batch(object_type="contact", gone=[claim]), {}, clock())

    assert served.inbox.counts()["waiting"] == 0
    assert check_integrity(served.databases) == []
    served.close()
