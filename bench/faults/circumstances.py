"""What every fault is given: the seed, the folder, invented secrets, and what was sent."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from bench.faults.processes import Nursery
from bench.faults.server import Server

MARK = "Qx9MARKER"
MASTER_KEY = "7c" * 32
ENV = {"HUBSPOT_ACCESS_TOKEN": f"pat-{MARK}", "HUBSPOT_CLIENT_SECRET": f"secret-{MARK}"}
SALESFORCE = {
    "SALESFORCE_CONSUMER_KEY": f"key-{MARK}",
    "SALESFORCE_CONSUMER_SECRET": f"consumer-{MARK}",
    "SALESFORCE_PATH_TOKEN": f"path-{MARK}-of-128-bits",
}
TARGET = "https://scores.example.com/webhooks/hubspot"


@dataclass(kw_only=True)
class Circumstances:
    """What every fault is given."""

    seed: int
    is_long: bool
    folder: Path
    nursery: Nursery
    server: Callable[[], Server]  #: The shared PostgreSQL, started when first asked for.

    def rng(self, name: str) -> random.Random:
        """Return a fault's own dice."""
        return random.Random(f"{self.seed} {name}")


@dataclass(kw_only=True)
class Sent:
    """What a sender did, once it has ended."""

    answers: dict[str, int]
    events: int
    given_up: int
    p50_ms: float
    p99_ms: float
    longest_s: float
    stalled_s: float  #: Longest time that the sender itself was not run.
    spans: list[tuple[float, float, str]] = field(repr=False)
    began: float  #: Monotonic.

    def within(self, since: float, until: float, code: str) -> int:
        """Count tries that lay wholly in a span of monotonic time and had an answer."""
        spans = [(a + self.began, b + self.began, c) for a, b, c in self.spans]
        return sum(since <= a and b <= until and c == code for a, b, c in spans)

    def first_after(self, at: float, code: str) -> float:
        """Return how long after an instant the first such answer came."""
        times = [b + self.began - at for _, b, c in self.spans if c == code]
        return min((each for each in times if each >= 0), default=999.0)


def practice_text(crm_url: str, *, both: bool = False) -> str:
    """Return the demo's practice: its HubSpot account, and the other one where asked for."""
    found = resources.files("console").joinpath("demo.toml").read_text("utf-8")
    if not both:
        start = found.index('[[accounts]]\nname = "salesforce"')
        found = found[:start] + found[found.index("[fields.hubspot]") :]
    found = found.replace("{salesforce_url}", "http://127.0.0.1:1")
    return found.replace("{hubspot_url}", crm_url).replace(
        "{service_url}", "https://scores.example.com"
    )


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False when it was not in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if is_so():
            return True
        time.sleep(0.05)
    return is_so()
