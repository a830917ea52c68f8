"""Runs the real command as a process of its own, for the benchmarks."""

import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from config.load import environment
from integrations.simulator.salesforce import SalesforceSettings

#: Of the benchmark's own app; no secret.
CLIENT_SECRET = "bench-client-secret"  # noqa: S105
ACCESS_TOKEN = "bench-access-token"  # noqa: S105
PATH_TOKEN = "bench-path-token-of-43-characters-in-all-00"  # noqa: S105


def prepared(
    folder: Path,
    *,
    port: int = 8080,
    hubspot_url: str = "http://127.0.0.1:1",
    database_url: str | None = None,
    calls_per_10s: int | None = None,
) -> dict[str, str]:
    """Write configuration and key into `folder`; return the environment of a command."""
    text = resources.files("console").joinpath("demo.toml").read_text("utf-8")
    start, end = text.index('[[accounts]]\nname = "salesforce"'), text.index("[fields.hubspot]")
    text = text[:start] + text[end:]
    text = text.replace("{hubspot_url}", hubspot_url)
    text = text.replace("{service_url}", f"http://127.0.0.1:{port}")
    if calls_per_10s is not None:
        text = re.sub(r"calls_per_10s = \d+", f"calls_per_10s = {calls_per_10s}", text)
    practice = folder / f"practice-{port}.toml"
    practice.write_text(text, "utf-8")
    key = folder / "master.key"
    if not key.exists():
        key.write_text(f"1 primary {secrets.token_hex(32)}\n", "ascii")
        key.chmod(0o600)
    return {
        **environment(),
        "LEADSCORE_PRACTICE": str(practice),
        "LEADSCORE_MASTER_KEY_FILE": str(key),
        "LEADSCORE_PORT": str(port),
        "DATABASE_URL": database_url or f"sqlite:///{folder / 'data' / 'leadscore.db'}",
        "HUBSPOT_ACCESS_TOKEN": ACCESS_TOKEN,
        "HUBSPOT_CLIENT_SECRET": CLIENT_SECRET,
    }


def prepared_org(
    folder: Path, settings: SalesforceSettings, url: str, *, port: int = 8080
) -> dict[str, str]:
    """Do as `prepared`, for one Salesforce org at `url`."""
    text = resources.files("console").joinpath("demo.toml").read_text("utf-8")
    start, end = (
        text.index('[[accounts]]\nname = "hubspot"'),
        text.index('[[accounts]]\nname = "salesforce'),
    )
    text = (text[:start] + text[end:]).replace("{salesforce_url}", url)
    practice = folder / f"practice-{port}.toml"
    practice.write_text(text.replace("{service_url}", f"http://127.0.0.1:{port}"), "utf-8")
    key = folder / "master.key"
    key.write_text(f"1 primary {secrets.token_hex(32)}\n", "ascii")
    key.chmod(0o600)
    return {
        **environment(),
        "LEADSCORE_PRACTICE": str(practice),
        "LEADSCORE_MASTER_KEY_FILE": str(key),
        "LEADSCORE_PORT": str(port),
        "DATABASE_URL": f"sqlite:///{folder / 'data' / 'leadscore.db'}",
        "SALESFORCE_CONSUMER_KEY": settings.consumer_key,
        "SALESFORCE_CONSUMER_SECRET": settings.consumer_secret,
        "SALESFORCE_PATH_TOKEN": PATH_TOKEN,
    }


@contextmanager
def running(
    command: str,
    folder: Path,
    *,
    port: int,
    hubspot_url: str = "http://127.0.0.1:1",
    database_url: str | None = None,
) -> Iterator[int]:
    """Run `leadscore COMMAND` for one HubSpot account until the block ends; yield its pid.

    Args:
        command: serve, receive or work.
        folder: Where database, key, configuration and log are kept.
        port: The port to listen on.
        hubspot_url: The pretend HubSpot.
        database_url: Another database than SQLite files in `folder`.
    """
    env = prepared(folder, port=port, hubspot_url=hubspot_url, database_url=database_url)
    with started(command, env, port=port, log=folder / f"log-{port}") as pid:
        yield pid


@contextmanager
def started(command: str, env: dict[str, str], *, port: int, log: Path) -> Iterator[int]:
    """Run `leadscore COMMAND` until the block ends; yield its pid once it listens on `port`."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", command], env=env, stdout=file, stderr=file
        )
        try:
            wait_for_port(port)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def peer(command: list[str], port: int) -> Iterator[None]:
    """Run another server until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for_port(port: int) -> None:
    """Wait until something listens on `port`."""
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on {port}")
