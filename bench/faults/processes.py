"""The service's processes: started, killed, stopped, started again."""

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process that forks the service's processes; see `bench/faults/nursery.py`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def start(self, order: Mapping[str, object]) -> int:
        """Start a command; return its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the nursery; its children live on until they are ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Part:
    """One process of the service. A plain start of the command, or one from the nursery."""

    def __init__(
        self,
        command: str,
        *,
        env: Mapping[str, str],
        log: Path,
        port: int,
        nursery: Nursery | None = None,
        patches: Sequence[str] = (),
    ) -> None:
        self.command, self.port, self.log = command, port, log
        self.patches = list(patches)
        self.env = dict(env)
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self.pid = 0
        self.started = 0

    def start(self, *patches: str) -> None:
        """Start it; `patches` are for this start only."""
        self.started += 1
        if self._nursery is not None:
            order = {
                "command": self.command,
                "env": self.env,
                "log": str(self.log),
                "patches": [*self.patches, *patches],
            }
            self.pid = self._nursery.start(order)
        else:
            assert not [*self.patches, *patches], "only the nursery's processes are patched"
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "console", self.command],
                    env=self.env,
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                )
            self.pid = self._process.pid
        # Whoever takes the number later is not ours to kill.
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(self.pid)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._pidfd >= 0 and not self._wait(0)

    def _wait(self, seconds: float) -> bool:
        """Wait for the end; True when it has come."""
        if self._pidfd < 0:
            return True
        watched = select.poll()
        watched.register(self._pidfd, select.POLLIN)
        if not watched.poll(seconds * 1000):
            return False
        os.close(self._pidfd)
        self._pidfd = -1
        if self._process is not None:
            self._process.wait()
        return True

    def died(self, seconds: float) -> bool:
        """Wait for it to die by itself; False when it did not in time."""
        return self._wait(seconds)

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Kill it outright."""
        self.signal(signal.SIGKILL)
        self._wait(10)

    def end(self) -> None:
        """End it as an operator does; kill it if that takes too long."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not self._wait(20):
            self.kill()

    def wait_ready(self, seconds: float = 20.0) -> None:
        """Wait until it listens. Raises: TimeoutError."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                if not self.is_alive():
                    tail = self.log.read_text("utf-8")[-2000:]
                    raise TimeoutError(f"{self.command} ended: {tail}") from None
                time.sleep(0.02)
            else:
                return
        raise TimeoutError(f"{self.command} does not listen on {self.port}")

    def memory(self) -> int:
        """Return its resident bytes."""
        return psutil.Process(self.pid).memory_info().rss

    def get(self, path: str, timeout_s: float = 10.0) -> tuple[int, str]:
        """Return status and body of one of its pages."""
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            found = b""
            while chunk := connection.recv(65_536):
                found += chunk
        head, _, body = found.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode()

    def lines(self, event: str) -> list[dict]:
        """Return its log lines of one event."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if f'"event":"{event}"' in line]


def free_port(taken: set[int]) -> int:
    """Return a port nobody has, below those that the system gives to clients."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if port in taken:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            taken.add(port)
            return port
