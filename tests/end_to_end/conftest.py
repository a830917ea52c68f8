from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier


@pytest.fixture
def dumped(database_url, tmp_path):
    """Return what writes all that PostgreSQL holds, as it holds it, into files to be scanned."""

    def dump():
        if database_url.startswith("sqlite"):
            return  # its files lie in the folder already
        with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
            names = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            ).fetchall()
            assert len(names) >= 12
            for (name,) in names:
                target = tmp_path / f"{name}.dump"
                statement = SQL("COPY {} TO STDOUT (FORMAT binary)").format(Identifier(name))
                with connection.cursor().copy(statement) as rows:
                    target.write_bytes(b"".join(bytes(row) for row in rows))
            log_file = connection.execute("SHOW data_directory").fetchone()[0]
        # The server's own log, where it can be read: a statement that fails is written there.
        log_file = Path(log_file) / "log"
        if log_file.is_file():
            (tmp_path / "server.log").write_bytes(log_file.read_bytes())

    return dump
