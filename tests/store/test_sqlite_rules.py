import threading

import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.exc import OperationalError

from store import schema
from store.engine import (
    PRAGMAS,
    StoreError,
    check_integrity,
    has_wal_defect,
    impatient,
    journal_mode,
    open_databases,
    reading,
)


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


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://u:pw-marker@h/d", "mysql://h/d"])
def test_another_database_is_refused_without_its_password(url):
    with pytest.raises(StoreError) as refused:
        open_databases(url)

    assert "pw-marker" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_a_store_error():
    with pytest.raises(StoreError):
        open_databases("sqlite:////dev/null/x/y.db")


def test_the_migrations_make_the_schema_of_the_code(databases):
    for part, metadata in (("inbox", schema.inbox), ("ledger", schema.ledger)):
        with reading(getattr(databases, part)).connect() as connection:
            for table in metadata.sorted_tables:
                rows = connection.exec_driver_sql(f"PRAGMA table_info({table.name})").all()
                made = {row[1]: (bool(row[3]), bool(row[5])) for row in rows}
                said = {c.name: (not c.nullable, c.primary_key) for c in table.columns}
                assert made == said, table.name


def test_every_primary_key_begins_with_the_account():
    for table in [*schema.inbox.sorted_tables, *schema.ledger.sorted_tables]:
        assert next(iter(table.primary_key.columns)).name == "account_id"


def test_i008_a_store_in_use_passes_its_own_check(store, clock):
    for place in range(50):
        store.inbox.append(account_id="portal", kind="hubspot", body=b"x" * place, at=clock())

    assert check_integrity(store.databases) == []


def test_s059_an_error_of_the_database_shows_no_value(databases):
    with databases.ledger.begin() as connection, pytest.raises(OperationalError) as failed:
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (?)", ("MARKER",))

    assert "MARKER" not in str(failed.value)
