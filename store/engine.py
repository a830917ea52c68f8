"""Opens the databases: the SQLite and (later) PostgreSQL rules, and the migrations.

The only place where the dialects differ.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as current_sqlite
from sqlalchemy import Engine, PoolProxiedConnection, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError

log = logging.getLogger(__name__)

#: Waits this long for another writer. Source: SECURITY-REQUIREMENTS S23.
BUSY_TIMEOUT_MS = 5_000

#: Set on every connection and read back. Source: SECURITY-REQUIREMENTS S23.
PRAGMAS = {
    "synchronous": 2,  # FULL: a commit is on the disk when it returns
    "busy_timeout": BUSY_TIMEOUT_MS,
    "secure_delete": 1,
    "temp_store": 2,  # memory: no temporary file ever holds a value
    "foreign_keys": 1,
    "trusted_schema": 0,
}


class StoreError(Exception):
    """The database cannot be used as it is; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Databases:
    """The two engines: on SQLite a file each."""

    inbox: Engine
    ledger: Engine

    def close(self) -> None:
        """Close all connections."""
        self.inbox.dispose()
        self.ledger.dispose()


def has_wal_defect(version: tuple[int, int, int]) -> bool:
    """Tell whether this SQLite may corrupt a database when a WAL is reset.

    Defect in 3.7.0 to 3.51.2, mended in 3.51.3 and in the lines 3.50.7+ and 3.44.6+.
    Source: SECURITY-REQUIREMENTS S24.

    >>> has_wal_defect((3, 40, 1)), has_wal_defect((3, 53, 4))
    (True, False)
    """
    if version >= (3, 51, 3) or version < (3, 7, 0):
        return False
    line = version[:2]
    return not ((line == (3, 50) and version[2] >= 7) or (line == (3, 44) and version[2] >= 6))


def sqlite_version() -> str:
    """Return the version of the SQLite in use, as in `3.53.4`."""
    return str(current_sqlite.sqlite_version)


def journal_mode(
    version: tuple[int, int, int] = current_sqlite.sqlite_version_info,
) -> str:
    """Return the journal mode this SQLite (or another version) may be trusted with.

    >>> journal_mode((3, 40, 1)), journal_mode((3, 51, 3))
    ('delete', 'wal')
    """
    return "delete" if has_wal_defect(version) else "wal"


def inbox_url(url: URL) -> URL:
    """Return where the inbox lies for a ledger at `url`.

    >>> inbox_url(make_url("sqlite:///data/leadscore.db")).database
    'data/leadscore-inbox.db'
    """
    path = Path(url.database or "")
    return url.set(database=str(path.with_name(f"{path.stem}-inbox{path.suffix}")))


def open_databases(database_url: str) -> Databases:
    """Open both databases, making files and tables that are missing.

    Raises:
        StoreError: the database refuses a setting it must have, or cannot be opened.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise StoreError(f"DATABASE_URL: {url.get_backend_name()} is not supported yet")
    folder = Path(url.database).resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {type(error).__name__}") from None
    databases = Databases(inbox=_sqlite(inbox_url(url)), ledger=_sqlite(url))
    try:
        _upgrade(databases.inbox, "inbox")
        _upgrade(databases.ledger, "ledger")
    except DatabaseError as error:
        databases.close()
        # SQLite's own words name no value here, and say which it is: locked, full, no database.
        raise StoreError(f"{url.database}: cannot be opened: {error.orig}") from None
    except BaseException:
        databases.close()
        raise
    return databases


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=current_sqlite,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
        pool_size=8,
        max_overflow=16,
    )
    mode = journal_mode()

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # We begin transactions ourselves, below: the driver would begin them late, as readers.
        connection.isolation_level = None
        found = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        if found != mode:
            raise StoreError(f"SQLite: journal_mode is {found}, must be {mode}")
        for name, wanted in PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={wanted}")
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != wanted:
                raise StoreError(f"SQLite: {name} is {found}, must be {wanted}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A transaction that turns writer half-way fails at once when another one writes (S23).
        options = connection.get_execution_options()
        busy_ms = options.get("busy_ms", BUSY_TIMEOUT_MS)
        if busy_ms != BUSY_TIMEOUT_MS:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={busy_ms}")
        try:
            connection.exec_driver_sql(
                "BEGIN" if options.get("reads_only", False) else "BEGIN IMMEDIATE"
            )
        finally:
            if busy_ms != BUSY_TIMEOUT_MS:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    return engine


def reading(engine: Engine) -> Engine:
    """Return `engine` for transactions that only read: they wait for no writer."""
    return engine.execution_options(reads_only=True)


def impatient(engine: Engine, timeout_s: float) -> Engine:
    """Return `engine` for transactions that wait at most `timeout_s` for another writer."""
    return engine.execution_options(busy_ms=max(0, int(timeout_s * 1000)))


class Appender:
    """Appends rows to one table, durably, on a connection of its own: the receiver's hot path.

    One multi-row INSERT is its own transaction and goes straight to the driver: half the CPU of
    SQLAlchemy's way, and a busy process gives its interpreter lock away once a commit
    (docs/decisions/0002). Values must be as the driver wants them.
    """

    def __init__(self, engine: Engine, table: Table, columns: Sequence[str]) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None
        self._busy_ms = BUSY_TIMEOUT_MS
        # Names of ours, never a value: values are bound.
        self._head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "  # noqa: S608
        self._row = f"({', '.join('?' * len(columns))})"

    def __call__(self, rows: Sequence[tuple[object, ...]], timeout_s: float) -> None:
        """Commit all rows or none, waiting `timeout_s` for another writer.

        Not for two threads at once.
        """
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            self._busy_ms = BUSY_TIMEOUT_MS
        cursor = self._connection.cursor()
        # In whole half seconds, so that a busy receiver need not set it for each commit.
        busy_ms = min(math.floor(timeout_s * 2) * 500, BUSY_TIMEOUT_MS)
        try:
            if busy_ms != self._busy_ms:
                cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
                self._busy_ms = busy_ms
            statement = self._head + ",".join([self._row] * len(rows))
            cursor.execute(statement, [value for row in rows for value in row])
        except BaseException:
            # The next group begins on a new connection: this one's state is unknown.
            self.close()
            raise
        cursor.close()

    def close(self) -> None:
        """Give the connection up, and with it whatever was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()


def insert_into(table: Table) -> sqlite.Insert:
    """Return an insert that knows ON CONFLICT."""
    return sqlite.insert(table)


def _upgrade(engine: Engine, part: str) -> None:
    """Bring one database to the newest migration."""
    versions = (_MIGRATIONS / part / "versions").glob("[0-9]*.py")
    newest = max(file.stem.split("_")[0] for file in versions)
    with reading(engine).connect() as connection:
        if _version(connection, part) == newest:
            return  # the usual start: Alembic is not even imported
    from alembic import command  # noqa: PLC0415  0.1 s that only a new version pays
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
    log.info("store.migrated", extra={"database": part, "version": newest})


_MIGRATIONS = Path(__file__).parent / "migrations"


def _version(connection: Connection, part: str) -> str | None:
    table = f"{part}_version"
    if not connection.dialect.has_table(connection, table):
        return None
    # The name is one of two constants of ours.
    row = connection.exec_driver_sql(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608
    return row[0] if row else None


def check_integrity(databases: Databases) -> list[str]:
    """Return what the databases' own check finds wrong (I8); nothing is fine."""
    found = []
    for part, engine in (("inbox", databases.inbox), ("ledger", databases.ledger)):
        with reading(engine).connect() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check").fetchall()
        found += [f"{part}: {row[0]}" for row in rows if row[0] != "ok"]
    return found
