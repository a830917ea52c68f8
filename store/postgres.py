"""PostgreSQL: any number of machines. What is asked of the server (S25), and how it is used.

Loaded only when the address names it: psycopg costs a start 0.1 s.
"""

import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, PoolProxiedConnection, Table, create_engine, event
from sqlalchemy.engine import URL, Connection, Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from store import schema
from store.dialect import StoreError

#: What libpq is asked for, unless the address says otherwise. A server that vanishes is noticed in
#: seconds, idle or not; a connection that cannot be made in time is given up.
CONNECT_ARGS = {
    "application_name": "leadscore",
    "connect_timeout": "2",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}

#: A process that is stopped in a transaction holds its rows no longer than this: less than a lease
#: (S26). The second bounds also what the first cannot see; PostgreSQL has it from version 17 on.
IDLE_IN_TRANSACTION = "10s"
TRANSACTION = "30s"

#: How long after the server's own time-out the client gives up a server that says nothing at all.
_GRACE_S = 0.5

#: S25. Each with the value that loses what was acknowledged, and what to do.
_LOSING = {
    "fsync": "set fsync = on in postgresql.conf",
    "full_page_writes": "set full_page_writes = on in postgresql.conf",
    "synchronous_commit": "ALTER ROLE … SET synchronous_commit = on (and the same for the database)",
}

_LOCK_OF_MIGRATIONS = 0x1EAD5C0E


class PatientConnection(psycopg.Connection[Any]):
    """A connection that can give up a server that does not answer at all.

    The server's own time-outs do not help when it is stopped or its machine hangs.
    """

    answer_within_s: float | None = None  #: For each statement; None is without end.

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """See `psycopg.Connection.wait`. Raises: psycopg.OperationalError when the time is over."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_within_s)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001  it has no public name
            # What the server makes of the statement is unknown: only a new connection is sure.
            self.pgconn.finish()
            raise psycopg.OperationalError("the server does not answer") from None


def open_engines(url: URL) -> tuple[Engine, Engine]:
    """Return the engines of the inbox and of the ledger: two pools on one database."""
    if not url.database:
        raise StoreError("DATABASE_URL: names no database; write postgresql+psycopg://host/name")
    args = {name: value for name, value in CONNECT_ARGS.items() if name not in url.query}
    # Always the primary: with several hosts in the address, whichever takes writes now (S25).
    query = {**url.query, **args, "target_session_attrs": "read-write"}
    url = url.set(drivername="postgresql+psycopg", query=query)
    return _engine(url, 4), _engine(url, 8)


def _engine(url: URL, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=2 * pool_size,
        pool_timeout=5.0,
        pool_use_lifo=True,  # the fewest connections stay open
        use_native_hstore=False,  # saves a question at the first connection
    )

    @event.listens_for(engine, "do_connect")
    def _do_connect(_dialect: Dialect, _record: Any, args: Any, params: Any) -> PatientConnection:
        return PatientConnection.connect(*args, **params)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: PatientConnection, _record: Any) -> None:
        connection.autocommit = True
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        wait_ms = connection.get_execution_options().get("wait_ms")
        if wait_ms is not None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, wait_ms)}")
            _driver(connection).answer_within_s = wait_ms / 1000 + _GRACE_S

    @event.listens_for(engine, "checkin")
    def _on_checkin(connection: PatientConnection | None, _record: Any) -> None:
        if connection is not None:
            connection.answer_within_s = None

    return engine


def _driver(connection: Connection) -> PatientConnection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, PatientConnection):
        raise TypeError("not a connection of ours")
    return driver


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Check the server's settings and bound this session's transactions.

    Raises:
        StoreError: the server would lose what it said is stored (S25), or takes no writes.
    """
    connection.execute(
        "SELECT set_config('idle_in_transaction_session_timeout', %s, false),"
        " CASE WHEN current_setting('transaction_timeout', true) IS NULL THEN ''"
        " ELSE set_config('transaction_timeout', %s, false) END,"
        # Every order we ask for is that of an index. Without this, a table that grew since it was
        # last analysed is sorted as a whole for each claim.
        " set_config('enable_sort', 'off', false)",
        (IDLE_IN_TRANSACTION, TRANSACTION),
    )
    faults = faults_of(settings_of(connection))
    if faults:
        raise StoreError("PostgreSQL: " + "; ".join(faults))


def settings_of(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the settings that decide whether a commit is kept, and `primary`: on or off."""
    names = list(_LOSING)
    row = connection.execute(
        "SELECT CASE WHEN pg_is_in_recovery() THEN 'off' ELSE 'on' END,"
        " current_setting(%s), current_setting(%s), current_setting(%s)",
        names,
    ).fetchone()
    return dict(zip(["primary", *names], row or (), strict=True))


def faults_of(settings: dict[str, str]) -> list[str]:
    """Return what is wrong with the server's settings, each with its remedy (S25).

    >>> faults_of({"primary": "on", "fsync": "off", "synchronous_commit": "local"})
    ['fsync is off: set fsync = on in postgresql.conf']
    """
    faults = [
        f"{name} is off: {remedy}"
        for name, remedy in _LOSING.items()
        if settings.get(name) == "off"
    ]
    if settings["primary"] == "off":
        faults.append("the server is a standby: DATABASE_URL must name the primary")
    return faults


class PostgresAppender:
    """See `dialect.Appender`. The rows go as one array a column: one statement, prepared once."""

    def __init__(self, engine: Engine, table: Table, columns: Sequence[str]) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None
        self._driver: PatientConnection | None = None
        self._timeout_ms = 0
        types = [
            # As text: a cast to VARCHAR(40) would cut a longer value in silence.
            "text" if name.startswith("VARCHAR") else name
            for name in (table.c[column].type.compile(engine.dialect) for column in columns)
        ]
        # Names of ours, never a value: values are bound, in the binary form.
        self._statement = (
            f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest("  # noqa: S608
            + ", ".join(f"%b::{name}[]" for name in types)
            + ")"
        ).encode()

    def __call__(self, rows: Sequence[tuple[object, ...]], timeout_s: float) -> None:
        """See `dialect.Appender`."""
        try:
            driver = self._driver or self._connect()
            # In whole half seconds, so that a busy receiver need not set it for each commit.
            timeout_ms = max(math.floor(timeout_s * 2) * 500, 500)
            if timeout_ms != self._timeout_ms:
                driver.answer_within_s = timeout_ms / 1000 + _GRACE_S
                driver.execute(f"SET statement_timeout = {timeout_ms}".encode())
                self._timeout_ms = timeout_ms
            driver.execute(self._statement, [list(column) for column in zip(*rows, strict=True)])
        except BaseException:
            # The next group begins on a new connection: this one's state is unknown.
            self.close()
            raise

    def _connect(self) -> PatientConnection:
        self._connection = self._engine.raw_connection()
        driver = self._connection.driver_connection
        if not isinstance(driver, PatientConnection):
            raise TypeError("not a connection of ours")
        driver.autocommit = True
        self._driver, self._timeout_ms = driver, 0
        return driver

    def close(self) -> None:
        """See `dialect.Appender`."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            connection.invalidate()


def lock_in_order(
    connection: Connection, table: Table, key: Mapping[str, str], name: str, values: Sequence[str]
) -> None:
    """Lock the rows of `table` with `key` and one of `values` as `name`, in ascending order.

    One look at the primary key for each: with `IN`, and no statistics of a table that grew, the
    planner reads all rows of the account.
    """
    fixed = "".join(f"{column} = %({column})s AND " for column in key)
    connection.exec_driver_sql(
        "SELECT count(*) FROM unnest(%(values)s::text[]) AS wanted(value)"  # noqa: S608  our names
        f" CROSS JOIN LATERAL (SELECT 1 FROM {table.name}"
        f" WHERE {fixed}{name} = wanted.value FOR UPDATE) AS found",
        {**key, "values": sorted(values)},
    )


def take_turns(connection: Connection, name: str) -> None:
    """Wait for every other transaction that named `name`, and make later ones wait."""
    connection.exec_driver_sql(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))", {"name": name}
    )


def hold_off_writers(connection: Connection, table: Table) -> None:
    """Wait for all who write to `table`, and make later ones wait; readers go on."""
    connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def lock_for_migration(connection: Connection) -> None:
    """Let one process migrate at a time, for as long as that takes."""
    connection.exec_driver_sql(
        "SELECT set_config('idle_in_transaction_session_timeout', '0', true),"
        " CASE WHEN current_setting('transaction_timeout', true) IS NULL THEN ''"
        " ELSE set_config('transaction_timeout', '0', true) END"
    )
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_OF_MIGRATIONS})")


def check_writable(connection: Connection, table: Table) -> None:
    """Do all that a write to `table` would, but write: lock, and take a transaction number."""
    connection.exec_driver_sql(f"LOCK TABLE {table.name} IN ROW EXCLUSIVE MODE")
    connection.exec_driver_sql("SELECT pg_current_xact_id()")


def forget_deleted(engine: Engine, tables: Sequence[Table]) -> bool:
    """Vacuum `tables`: dead rows go at once, not when the server comes to it.

    Those that an open transaction may still see stay for the server's next vacuum.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        try:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM {table.name}")
        except DBAPIError:
            return False
    return True


#: What a copy is called.
DUMP = "leadscore.dump"

#: Parts of an address, as the tools of PostgreSQL read them from their environment: a password in
#: their arguments would be seen by all. Source: PostgreSQL 18 documentation, section 32.15.
_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def _run(tool: str, url: URL, *arguments: str) -> None:
    found = shutil.which(tool)
    by_hand = " ".join([tool, *arguments])
    if found is None:
        raise StoreError(f"{tool} is not installed here; on a machine that has it, run: {by_hand}")
    given = {
        "PGHOST": url.host,
        "PGPORT": None if url.port is None else str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        **{_VARIABLES[name]: str(v) for name, v in url.query.items() if name in _VARIABLES},
    }
    env = {name: str(value) for name, value in given.items() if value}
    done = subprocess.run(  # noqa: S603  no shell; names of files of ours
        [found, *arguments], env=env, capture_output=True, check=False
    )
    if done.returncode:
        # Its words may name values; a version that is too old says so in its first line.
        line = done.stderr.decode("utf-8", "replace").partition("\n")[0]
        reason = "it is older than the server" if "version" in line else "run it to see why"
        raise StoreError(f"{tool} failed ({done.returncode}): {reason}: {by_hand}")


def copy_to(inbox: Engine, ledger: Engine, folder: Path) -> list[Path]:
    """Dump the database, as of one moment. Raises: StoreError."""
    del inbox  # both parts lie in one database
    path = folder / DUMP
    path.touch(mode=0o600)
    _run("pg_dump", ledger.url, "--format=custom", "--no-owner", f"--file={path}")
    return [path]


def restore_dump(url: URL, folder: Path) -> None:
    """Bring a dump into an empty database that nobody uses. Raises: StoreError."""
    engine = create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        with engine.connect() as connection:
            others = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).scalar_one()
            tables = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
            ).scalar_one()
    except SQLAlchemyError as error:
        raise StoreError(f"PostgreSQL: cannot be opened: {type(error).__name__}") from None
    finally:
        engine.dispose()
    if others:
        raise StoreError(f"the database is in use by {others} others; stop the service first")
    if tables:
        raise StoreError("the database is not empty; make a new one and name it with --into")
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--exit-on-error",
        "--single-transaction",
        f"--dbname={url.database}",
        str(folder / DUMP),
    )


def drop_all(url: URL) -> None:
    """Drop all tables of a copy that does not hold."""
    engine = create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        with engine.begin() as connection:
            for metadata in (schema.inbox, schema.ledger):
                metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE IF EXISTS inbox_version, ledger_version")
    finally:
        engine.dispose()


def check_integrity(connection: Connection) -> list[str]:
    """Return the damaged pages that the server met so far, if it keeps checksums (I8)."""
    found = connection.exec_driver_sql(
        "SELECT sum(checksum_failures) FROM pg_stat_database WHERE datname = current_database()"
    ).scalar_one()
    return [f"{found} damaged page(s): restore from a backup"] if found else []
