"""What holds on SQLite only; `test_databases.py` has what holds on both kinds."""

import threading

import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.exc import OperationalError

from store.dialect import StoreError
from store.engine import impatient, open_databases, reading
from store.sqlite import PRAGMAS, has_wal_defect, journal_mode


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def databases(store):
    return store.databases


@pytest.mark.parametrize("part", ["inbox", "ledger"])
def test_s023_each_setting_is_in_force_on_every_connection(databases, part):
    engine = getattr(databases, part)
    wanted = {
        "synchronous": 2,
        "busy_timeout": 5000,
        "secure_delete": 1,
        "temp_store": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "journal_mode": "wal",
    }
    assert PRAGMAS.items() <= wanted.items()
    opened = [engine.connect() for _ in range(5)]
    for connection in opened:
        for name, value in wanted.items():
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() == value
        connection.close()


def test_s023_the_appenders_connection_has_the_settings_too(store, clock):
    store.inbox.append(account_id="portal", kind="hubspot", body=b"x", at=clock())
    cursor = store.inbox._append_rows._connection.cursor()

    for name in ("synchronous", "secure_delete", "temp_store"):
        assert cursor.execute(f"PRAGMA {name}").fetchone()[0] == PRAGMAS[name]
    assert cursor.execute("PRAGMA busy_timeout").fetchone()[0] <= PRAGMAS["busy_timeout"]


@pytest.mark.parametrize("part", ["inbox", "ledger"])
def test_s023_every_write_begins_immediate(databases, part, database_url):
    engine = getattr(databases, part)
    path = database_url.removeprefix("sqlite:///")
    path = path.replace(".db", "-inbox.db") if part == "inbox" else path
    with engine.begin():
        other = sqlite.connect(path, isolation_level=None, timeout=0)
        # The write lock is held before the first statement.
        with pytest.raises(sqlite.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_s023_a_reader_waits_for_no_writer(databases):
    with databases.ledger.begin(), reading(databases.ledger).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM due").scalar_one() == 0


def test_s023_two_writers_wait_for_each_other_instead_of_failing(databases):
    faults = []

    def write(name):
        try:
            for _ in range(20):
                with databases.ledger.begin() as connection:
                    count = connection.exec_driver_sql("SELECT fence FROM account").scalar_one()
                    connection.exec_driver_sql("UPDATE account SET fence = ?", (count + 1,))
        except OperationalError as error:
            faults.append((name, error))

    with databases.ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO account (account_id, crm, external_id) VALUES ('a', 'c', 'x')"
        )
    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    with reading(databases.ledger).connect() as connection:
        assert connection.exec_driver_sql("SELECT fence FROM account").scalar_one() == 160


def test_an_impatient_transaction_gives_its_connection_back_as_it_was(databases, database_url):
    path = database_url.removeprefix("sqlite:///")
    other = sqlite.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(OperationalError, match="locked"),
        impatient(databases.ledger, 0.05).begin(),
    ):
        pass
    other.execute("ROLLBACK")
    other.close()

    with databases.ledger.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 5000


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 7, 0), "delete"),
        ((3, 40, 1), "delete"),
        ((3, 44, 5), "delete"),
        ((3, 44, 6), "wal"),
        ((3, 44, 9), "wal"),
        ((3, 45, 9), "delete"),
        ((3, 50, 6), "delete"),
        ((3, 50, 7), "wal"),
        ((3, 51, 0), "delete"),
        ((3, 51, 2), "delete"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_s024_a_version_with_the_wal_defect_runs_without_wal(version, mode):
    assert journal_mode(version) == mode
    assert has_wal_defect(version) == (mode == "delete")


def test_s024_the_sqlite_that_runs_here_is_a_mended_one():
    assert not has_wal_defect(sqlite.sqlite_version_info)


@pytest.mark.parametrize(
    "content", [b"this is no database, only text" * 100, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_database_is_a_store_error(tmp_path, content):
    (tmp_path / "x.db").write_bytes(content * 40)

    with pytest.raises(StoreError, match=r"x\.db"):
        open_databases(f"sqlite:///{tmp_path}/x.db")


def test_a_folder_that_cannot_be_made_is_a_store_error():
    with pytest.raises(StoreError):
        open_databases("sqlite:////dev/null/x/y.db")
