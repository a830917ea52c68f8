"""Opens the databases and brings them up to date, whichever kind they are.

What differs between SQLite and PostgreSQL is here, in `sqlite.py` and in `postgres.py` only.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sqlalchemy import Engine, Table, literal, make_url, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from store import schema, sqlite
from store.dialect import Appender, StoreError
from store.reserve import Reserve

log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Databases:
    """The two engines: on SQLite a file each, on PostgreSQL two pools on one database."""

    inbox: Engine
    ledger: Engine
    reserve: Reserve | None = None  #: On SQLite; the disk of a PostgreSQL is the server's.

    def close(self) -> None:
        """Close all connections."""
        self.inbox.dispose()
        self.ledger.dispose()


def _room(name: str) -> ModuleType:
    """Return the module of a dialect. PostgreSQL's is loaded only when it is used."""
    if name == "sqlite":
        return sqlite
    from store import postgres  # noqa: PLC0415  0.1 s that SQLite's users need not pay

    return postgres


def open_databases(database_url: str, reserve_bytes: int = 0) -> Databases:
    """Open both databases, making files and tables that are missing.

    Args:
        database_url: Where they are.
        reserve_bytes: Size of the disk reserve that is held beside SQLite's files; 0 is none.

    Raises:
        StoreError: the database refuses a setting it must have, or cannot be opened.
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        # Its text would repeat the address, and with it a password.
        raise StoreError("DATABASE_URL: is no address of a database") from None
    name = url.get_backend_name()
    if name not in {"sqlite", "postgresql"}:
        raise StoreError(f"DATABASE_URL: {name} is not supported; use sqlite or postgresql")
    where = url.database if name == "sqlite" else f"PostgreSQL {url.host or 'here'}/{url.database}"
    inbox, ledger = _room(name).open_engines(url)
    reserve = None
    if name == "sqlite" and reserve_bytes:
        reserve = sqlite.reserve_for(url, reserve_bytes)
        for engine in (inbox, ledger):
            sqlite.release_when_full(engine, reserve)
    databases = Databases(inbox, ledger, reserve)
    try:
        _upgrade(databases.inbox, "inbox")
        _upgrade(databases.ledger, "ledger")
    except SQLAlchemyError as error:
        databases.close()
        cause = getattr(error, "orig", error)
        # SQLite's own words name no value here, and say which it is: locked, full, no database.
        # Those of PostgreSQL may name anything.
        said = str(cause) if name == "sqlite" else f"{type(cause).__name__}; try it with psql"
        raise StoreError(f"{where}: cannot be opened: {said}") from None
    except BaseException:
        databases.close()
        raise
    return databases


def reading(engine: Engine) -> Engine:
    """Return `engine` for reads that wait for no writer.

    On SQLite they see one state of the database until they end, on PostgreSQL each for itself.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(reads_only=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def impatient(engine: Engine, timeout_s: float) -> Engine:
    """Return `engine` for transactions that wait at most `timeout_s` for another writer."""
    return engine.execution_options(wait_ms=max(0, int(timeout_s * 1000)))


def locks_rows(bind: Engine | Connection) -> bool:
    """Tell whether transactions lock single rows, or the whole database as on SQLite."""
    return bind.dialect.name != "sqlite"


def lock_in_order(
    connection: Connection, table: Table, key: Mapping[str, str], name: str, values: Sequence[str]
) -> None:
    """Lock rows in ascending order, so that two transactions never wait for each other.

    On SQLite there is nothing to do: a transaction that writes has the database to itself.

    Args:
        connection: The transaction.
        table: Whose rows.
        key: What all of them have, by column.
        name: The column that tells them apart.
        values: Its values.
    """
    if locks_rows(connection):
        _room(connection.dialect.name).lock_in_order(connection, table, key, name, values)


def take_turns(connection: Connection, name: str) -> None:
    """Let transactions that name the same thing go one after the other, until each ends.

    On SQLite there is nothing to do: a transaction that writes has the database to itself.
    """
    if locks_rows(connection):
        _room(connection.dialect.name).take_turns(connection, name)


def hold_off_writers(connection: Connection, table: Table) -> None:
    """Wait until nobody writes to `table`, and let nobody until the transaction ends.

    On SQLite there is nothing to do: a transaction that writes has the database to itself.
    """
    if locks_rows(connection):
        _room(connection.dialect.name).hold_off_writers(connection, table)


def new_appender(engine: Engine, table: Table, columns: Sequence[str]) -> Appender:
    """Return what appends rows to `table` durably; see `dialect.Appender`."""
    room = _room(engine.dialect.name)
    kind = sqlite.SqliteAppender if room is sqlite else room.PostgresAppender
    appender: Appender = kind(engine, table, columns)
    return appender


def insert_into(
    bind: Engine | Connection, table: Table
) -> sqlite_dialect.Insert | postgresql.Insert:
    """Return an insert that knows ON CONFLICT."""
    if bind.dialect.name == "sqlite":
        return sqlite_dialect.insert(table)
    return postgresql.insert(table)


def check_writable(connection: Connection, table: Table) -> None:
    """Fail in a transaction of `impatient` when a row could not be stored in `table` now."""
    _room(connection.dialect.name).check_writable(connection, table)


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an appender failed because SQLite's disk is full."""
    return sqlite.is_full(error)


def check_integrity(databases: Databases) -> list[str]:
    """Return what the databases' own check finds wrong (I8); nothing is fine."""
    found = []
    for part, engine in (("inbox", databases.inbox), ("ledger", databases.ledger)):
        with reading(engine).connect() as connection:
            faults = _room(engine.dialect.name).check_integrity(connection)
        found += [f"{part}: {fault}" for fault in faults]
    return found


def forget_deleted(engine: Engine, tables: Sequence[Table]) -> bool:
    """Clear what was deleted from where it may linger; False when that must be done later.

    On SQLite the write-ahead log (deleted rows are overwritten at once), on PostgreSQL dead rows.
    """
    done: bool = _room(engine.dialect.name).forget_deleted(engine, tables)
    return done


def describe(databases: Databases) -> tuple[str, bool, str]:
    """Return the database's name, whether it is a safe version, and its version or the fault."""
    if databases.ledger.dialect.name == "sqlite":
        version, is_safe = sqlite.sqlite_version(), sqlite.journal_mode() == "wal"
        fault = "" if is_safe else " may corrupt a database; it runs without WAL"
        return "SQLite", is_safe, version + fault
    with reading(databases.ledger).connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return "PostgreSQL", True, str(version)


def copy_to(databases: Databases, folder: Path) -> list[Path]:
    """Copy both databases into `folder` while they are used; return the files.

    Raises:
        StoreError: they cannot be copied.
    """
    files: list[Path] = _room(databases.ledger.dialect.name).copy_to(
        databases.inbox, databases.ledger, folder
    )
    return files


@contextmanager
def restored_dump(database_url: str, folder: Path) -> Iterator[None]:
    """Bring a dump of PostgreSQL back for the block; when that fails, take it out again.

    Raises:
        StoreError: the database is not empty, or in use, or the dump cannot be brought back.
    """
    from store import postgres  # noqa: PLC0415  as in `_room`

    postgres.restore_dump(make_url(database_url), folder)
    try:
        yield
    except BaseException:
        postgres.drop_all(make_url(database_url))
        raise


def is_empty(databases: Databases) -> bool:
    """Tell whether nothing was ever stored, but which accounts there are."""
    for engine, metadata in ((databases.inbox, schema.inbox), (databases.ledger, schema.ledger)):
        with reading(engine).connect() as connection:
            for table in metadata.sorted_tables:
                if (
                    table is not schema.account
                    and connection.execute(select(literal(1)).select_from(table).limit(1)).first()
                ):
                    return False
    return True


def versions(databases: Databases) -> dict[str, str]:
    """Return the migration that each part is at."""
    found = {}
    for part, engine in (("inbox", databases.inbox), ("ledger", databases.ledger)):
        with reading(engine).connect() as connection:
            found[part] = str(_version(connection, part))
    return found


def knows(found: Mapping[str, str]) -> bool:
    """Tell whether this version of ours can bring parts at these migrations up to date."""
    return all(found[part] <= _newest(part) for part in ("inbox", "ledger"))


def _newest(part: str) -> str:
    files = (_MIGRATIONS / part / "versions").glob("[0-9]*.py")
    return max(file.stem.split("_")[0] for file in files)


def _upgrade(engine: Engine, part: str) -> None:
    """Bring one database to the newest migration."""
    newest = _newest(part)
    with reading(engine).connect() as connection:
        if _version(connection, part) == newest:
            return  # the usual start: Alembic is not even imported
    from alembic import command  # noqa: PLC0415  0.1 s that only a new version pays
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    with engine.begin() as connection:
        if locks_rows(connection):
            _room(connection.dialect.name).lock_for_migration(connection)
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
    log.info("store.migrated", extra={"database": part, "version": newest})


def _version(connection: Connection, part: str) -> str | None:
    table = f"{part}_version"
    if not connection.dialect.has_table(connection, table):
        return None
    # The name is one of two constants of ours.
    row = connection.exec_driver_sql(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608
    return row[0] if row else None
