"""The stage of one fault: a pretend HubSpot, a database, and the service's processes."""

import contextlib
import dataclasses
import json
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bench.faults.circumstances import (
    ENV,
    MARK,
    MASTER_KEY,
    SALESFORCE,
    TARGET,
    Circumstances,
    Sent,
    practice_text,
)
from bench.faults.patches import moved_clock
from bench.faults.processes import ROOT, Part, free_port
from bench.faults.server import Server
from bench.faults.watch import Watch
from config.load import environment
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.server import running
from store.keys import keys_from_file
from store.rooms import Store, open_store

#: Alembic makes tables in one thread at a time.
OPENING = threading.Lock()
#: Lease of the nursery's workers: a killed worker's account is taken over in the rig's time.
LEASE_S = 1.2
_MESSAGES = (
    "I want implants", "What does whitening cost?", "Just looking", "My crown fell out today",
    "Do you take Delta Dental?", "Please book me a cleaning", "Second opinion on braces",
)  # fmt: skip


class Rig:
    """One run's folder, CRM and processes. Enter it to start the CRM."""

    def __init__(
        self,
        circumstances: Circumstances,
        name: str,
        *,
        database: str = "sqlite",
        people: int = 60,
        moves_clock: bool = False,
        data: Path | None = None,
        settings: dict[str, Any] | None = None,
        crm_url: Callable[[str], str] = lambda url: url,
        server: Server | None = None,
        both: bool = False,
        calls_per_10s: int = 180,
    ) -> None:
        """Prepare a run.

        Args:
            circumstances: What every fault is given.
            name: Of the fault.
            database: sqlite or postgresql.
            people: How many contacts the CRM has from the start.
            moves_clock: The service and the CRM have a clock that `move` moves.
            data: Another folder for SQLite's files.
            settings: Of the pretend HubSpot.
            crm_url: Gives the address the service reaches the CRM by.
            server: Another PostgreSQL than the shared one.
            calls_per_10s: The rate budget of the practice.
            both: The practice has a Salesforce account as well; its CRM does not answer.
        """
        self.is_long = circumstances.is_long
        self.rng = circumstances.rng(f"{name} {database}")
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=circumstances.folder))
        self.database = database
        self.server = server or (circumstances.server() if database == "postgresql" else None)
        self.data = data or self.folder / "data"
        if self.server is not None:
            self.database_url = self.server.new_database()
        else:
            self.database_url = f"sqlite:///{self.data / 'leadscore.db'}"
        self._nursery = circumstances.nursery
        self._ports: set[int] = set()
        self._people = people
        self._both = both
        self._calls_per_10s = calls_per_10s
        self._crm_url = crm_url
        self._stack = ExitStack()
        self._senders = 0
        self.parts: list[Part] = []
        self.journal: set[tuple[int, int]] = set()
        self.events_sent = 0
        self.clock_file = self.folder / "clock"
        self.clock_file.write_bytes(struct.pack("<d", 0.0))
        self.moves_clock = moves_clock
        self.now = moved_clock(self.clock_file)
        values: dict[str, Any] = {
            "provisioned": True,
            "rate_per_10s": None,
            "retry_speedup": 2_000.0,
            "access_token": ENV["HUBSPOT_ACCESS_TOKEN"],
            "client_secret": ENV["HUBSPOT_CLIENT_SECRET"],
            "target_url": TARGET,
            "connect_url": "http://127.0.0.1:9/nowhere",
            "mischief": True,
            "seed": circumstances.seed,
            **(settings or {}),
        }
        self.crm = HubSpotSimulator(HubSpotSettings(**values), now=self.now)
        self.watch = Watch(self.crm)
        self.records: list[str] = []
        self.store: Store
        self._is_open = False

    def __enter__(self) -> Self:
        """Start the CRM; give it its first contacts; make the database."""
        key = self.folder / "master.key"
        key.write_text(f"1 primary {MASTER_KEY}\n", "ascii")
        key.chmod(0o600)
        url = self._stack.enter_context(running(self.crm))
        (self.folder / "practice.toml").write_text(
            practice_text(self._crm_url(url), both=self._both).replace(
                "calls_per_10s = 180", f"calls_per_10s = {self._calls_per_10s}"
            ),
            "utf-8",
        )
        self.reopen()
        self._stack.callback(self._close_store)
        self._stack.callback(self._end_all)
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._stack.close()

    def reopen(self) -> None:
        """Open the rig's own view of the database, with the keys that are in the file now."""
        if self._is_open:
            self.store.close()
        keys = keys_from_file(self.folder / "master.key")
        with OPENING:
            self.store = open_store(self.database_url, keys, self.folder / "audit.heads")
        self._is_open = True

    def _close_store(self) -> None:
        self.store.close()

    def _end_all(self) -> None:
        threads = [threading.Thread(target=part.end) for part in self.parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def env(self, port: int) -> dict[str, str]:
        """Return the environment of one process."""
        return {
            "PATH": environment()["PATH"],
            **ENV,
            **SALESFORCE,
            "DATABASE_URL": self.database_url,
            "LEADSCORE_PRACTICE": str(self.folder / "practice.toml"),
            "LEADSCORE_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "LEADSCORE_AUDIT_HEADS": str(self.folder / "audit.heads"),
            "LEADSCORE_PORT": str(port),
            "LEADSCORE_DISK_RESERVE_MB": "0",
        }

    def add(
        self,
        command: str,
        *,
        is_quick: bool = True,
        starts: bool = True,
        lease_s: float | None = LEASE_S,
        **env: str,
    ) -> Part:
        """Add a process: from the nursery, or a plain start of the command."""
        port = free_port(self._ports)
        patches = []
        if is_quick and lease_s is not None:
            patches.append(f"lease:{lease_s}")
        if self.moves_clock:
            patches.append(f"clock:{self.clock_file}")
        part = Part(
            command,
            env={**self.env(port), **env},
            log=self.folder / f"{command}-{len(self.parts)}.log",
            port=port,
            nursery=self._nursery if is_quick or patches else None,
            patches=patches,
        )
        self.parts.append(part)
        if starts:
            part.start()
        return part

    def ready(self) -> None:
        """Wait until all processes listen, and let the CRM send to the first receiver."""
        for part in self.parts:
            part.wait_ready()
        self.aim()
        if not self.records:
            self.arrive(self._people)

    def receivers(self) -> list[Part]:
        """Return the processes that take deliveries."""
        return [part for part in self.parts if part.command != "work"]

    def aim(self) -> None:
        """Let the CRM send to one of the receivers."""
        port = self.rng.choice(self.receivers()).port
        self.crm.set_target(TARGET, connect_url=f"http://127.0.0.1:{port}/webhooks/hubspot")

    def move(self, seconds: float) -> None:
        """Move the clock of the CRM and of the service; 0 is the true time."""
        file = self.folder / "clock.new"
        file.write_bytes(struct.pack("<d", seconds))
        file.replace(self.clock_file)

    def arrive(self, count: int, **more: str) -> list[str]:
        """Let new contacts come into being in the CRM."""
        made = []
        seed = self.rng.randrange(10**6)
        for person in invent_people(seed, count, self.now()):
            values = person.to_hubspot()
            values.pop("createdate", None)
            values.pop("email", None)
            values["message"] = f"{values.get('message', '')} {MARK}"
            values["lastname"] = f"{MARK}{values.get('lastname', '')}"
            made += self.crm.create_contacts([{**values, **more}])
        self.records += made
        return made

    def change(self) -> None:
        """Let one contact be changed in the CRM."""
        message = f"{self.rng.choice(_MESSAGES)} {MARK}"
        self.crm.update_contact(self.rng.choice(self.records), {"message": message})

    @contextlib.contextmanager
    def living(self, changes_a_second: float = 20.0) -> Iterator[None]:
        """Let contacts come and change until the block ends."""
        ending = threading.Event()

        def live() -> None:
            while not ending.wait(1.0 / changes_a_second):
                self.change()
                if self.rng.random() < 0.1:
                    self.arrive(1)
                if self.rng.random() < 0.1:
                    self.aim()

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    @contextlib.contextmanager
    def sending(
        self, *, rate: float, seconds: float, events: int = 5, **more: Any
    ) -> Iterator[Callable[[], Sent]]:
        """Send deliveries beside the CRM's own; yields what waits for the end of it."""
        self._senders += 1
        journal = self.folder / f"journal-{self._senders}"
        order = {
            "ports": [part.port for part in self.receivers()],
            "url": TARGET,
            "secret": ENV["HUBSPOT_CLIENT_SECRET"],
            "records": [int(record) for record in self.records],
            "rate": rate,
            "seconds": seconds,
            "events": events,
            "seed": self.rng.randrange(1, 10**6),
            "journal": str(journal),
            "clock": str(self.clock_file) if self.moves_clock else "",
            "mark": MARK,
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.faults.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        ended: list[Sent] = []

        def wait() -> Sent:
            if not ended:
                found = json.loads(process.stdout.read())
                process.wait(30)
                lines = journal.read_text("ascii").split()
                self.journal |= set(zip(map(int, lines[::2]), map(int, lines[1::2]), strict=True))
                self.events_sent += found["events"]
                names = [each.name for each in dataclasses.fields(Sent)]
                ended.append(Sent(**{name: found[name] for name in names}))
            return ended[0]

        try:
            yield wait
            wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run another command of ours on this database."""
        return subprocess.run(
            [sys.executable, "-m", "console", *command],
            env={**self.env(0), "COLUMNS": "200"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
