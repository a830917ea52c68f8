"""SQLite: two files on one machine. Its rules (S23, S24) and the receiver's way of appending."""

import math
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as current_sqlite
from sqlalchemy import Engine, PoolProxiedConnection, Table, create_engine, event
from sqlalchemy.engine import URL, Connection, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from store.dialect import StoreError
from store.reserve import Reserve

#: Waits this long for another writer. Source: SECURITY-REQUIREMENTS S23.
BUSY_TIMEOUT_MS = 5_000

#: Where a connection notes that it has the writers' turn.
_TURN = "leadscore_turn"

#: Set on every connection and read back. Source: SECURITY-REQUIREMENTS S23.
PRAGMAS = {
    "synchronous": 2,  # FULL: a commit is on the disk when it returns
    "busy_timeout": BUSY_TIMEOUT_MS,
    "secure_delete": 1,
    "temp_store": 2,  # memory: no temporary file ever holds a value
    "foreign_keys": 1,
    "trusted_schema": 0,
}


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

    >>> from sqlalchemy import make_url
    >>> inbox_url(make_url("sqlite:///data/leadscore.db")).database
    'data/leadscore-inbox.db'
    """
    path = Path(url.database or "")
    return url.set(database=str(path.with_name(f"{path.stem}-inbox{path.suffix}")))


def open_engines(url: URL) -> tuple[Engine, Engine]:
    """Return the engines of the inbox and of the ledger. Raises: StoreError."""
    if not url.database:
        raise StoreError("DATABASE_URL: names no file; write sqlite:///data/leadscore.db")
    folder = Path(url.database).resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {type(error).__name__}") from None
    return _engine(inbox_url(url)), _engine(url, _Writers())


class _Writers:
    """Lets the threads of a process take turns at writing.

    SQLite's own way of waiting is to sleep and try again, ever longer, and starves whoever comes
    often (reference measurements.md section 2).
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def take(self, connection: Connection, timeout_s: float) -> bool:
        """Wait for the turn of `connection`; False when the time is over."""
        if connection.info.get(_TURN):
            return True
        if not self._turn.acquire(timeout=timeout_s):
            return False
        connection.info[_TURN] = True
        return True

    def give_back(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        """End the turn of a connection that goes back to the pool."""
        if record.info.pop(_TURN, False):
            self._turn.release()


def _engine(url: URL, writers: _Writers | None = None) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=current_sqlite,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
        pool_size=8,
        max_overflow=16,
    )
    event.listen(engine, "connect", partial(_prepare, journal_mode()))
    event.listen(engine, "begin", partial(_begin, writers))
    if writers is not None:
        event.listen(engine, "checkin", writers.give_back)
    return engine


def _prepare(mode: str, connection: Any, _record: Any) -> None:
    """Set every rule on a new connection and read it back. Raises: StoreError."""
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


def _begin(writers: _Writers | None, connection: Connection) -> None:
    """Begin a transaction as reader or as writer.

    One that turns writer half-way fails at once when another one writes (S23).
    """
    options = connection.get_execution_options()
    if options.get("reads_only", False):
        connection.exec_driver_sql("BEGIN")
        return
    busy_ms = options.get("wait_ms", BUSY_TIMEOUT_MS)
    if writers is not None and not writers.take(connection, busy_ms / 1000):
        busy_ms = 0  # the time is over: SQLite says so in its own words
    if busy_ms != BUSY_TIMEOUT_MS:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={busy_ms}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        if busy_ms != BUSY_TIMEOUT_MS:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


#: SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: no room for the index of the WAL.
_FULL_CODES = (13, 4874)


def is_full(error: BaseException | None) -> bool:
    """Tell whether SQLite failed for want of room. Source: sqlite.org/rescode.html."""
    return getattr(error, "sqlite_errorcode", None) in _FULL_CODES


def reserve_for(url: URL, size: int) -> Reserve:
    """Return the disk reserve of the databases at `url`: a file beside them, held from now on."""
    found = Reserve(Path(url.database or "").with_suffix(".reserve"), size)
    found.hold()
    return found


def release_when_full(engine: Engine, reserve: Reserve) -> None:
    """Have the reserve released by the first statement or commit that finds the disk full."""

    @event.listens_for(engine, "handle_error")
    def _on_error(context: ExceptionContext) -> None:
        if is_full(context.original_exception):
            reserve.release()


class SqliteAppender:
    """See `dialect.Appender`."""

    def __init__(self, engine: Engine, table: Table, columns: Sequence[str]) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None
        self._busy_ms = BUSY_TIMEOUT_MS
        # Names of ours, never a value: values are bound.
        self._head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "  # noqa: S608
        self._row = f"({', '.join('?' * len(columns))})"

    def __call__(self, rows: Sequence[tuple[object, ...]], timeout_s: float) -> None:
        """See `dialect.Appender`."""
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
        """See `dialect.Appender`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()


def check_writable(connection: Connection, table: Table) -> None:
    """Do nothing in a transaction that may write, as it was begun by `impatient`."""
    del table
    connection.exec_driver_sql("PRAGMA user_version")


def forget_deleted(engine: Engine, tables: Sequence[Table]) -> bool:
    """Bring the log into the database and cut it to nothing; False while a reader needs it."""
    del tables  # the log is that of the whole file
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.close()
    finally:
        connection.close()
    return not is_busy


#: The files of a copy, in the order in which they are made; see `backup`.
COPIES = ("leadscore-inbox.db", "leadscore.db")


def copy_to(inbox: Engine, ledger: Engine, folder: Path) -> list[Path]:
    """Copy both files, the inbox first, each as of one moment; writers go on meanwhile.

    Raises:
        StoreError: a file cannot be copied.
    """
    files = []
    for engine, name in zip((inbox, ledger), COPIES, strict=True):
        path = folder / name
        path.touch(mode=0o600)
        source = engine.raw_connection()
        copy = current_sqlite.connect(str(path), isolation_level=None)
        try:
            driver: Any = source.driver_connection
            driver.backup(copy)  # all pages in one step: none of them of a later moment
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete in itself
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        except current_sqlite.Error as error:
            raise StoreError(f"{name}: cannot be copied: {error}") from None
        finally:
            copy.close()
            source.close()
        if found != "ok":
            raise StoreError(f"{name}: the database is damaged: {found}")
        files.append(path)
    return files


def is_unused(path: Path) -> bool:
    """Tell whether no process has the database open; brings its log into it, if so.

    A connection to a database in WAL mode keeps a lock as long as it is open: so the mode can be
    left only when there is none. Source: sqlite.org/wal.html, section 3.3.
    """
    connection = current_sqlite.connect(str(path), isolation_level=None, timeout=0.2)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except current_sqlite.OperationalError:
        return False
    except current_sqlite.DatabaseError:
        return True  # no database at all, or damaged: nobody works with it
    finally:
        connection.close()
    return True


def check_integrity(connection: Connection) -> list[str]:
    """Return what SQLite's own check finds wrong (I8)."""
    rows = connection.exec_driver_sql("PRAGMA integrity_check").fetchall()
    return [row[0] for row in rows if row[0] != "ok"]
