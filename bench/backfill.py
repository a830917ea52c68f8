"""A backfill of a whole HubSpot account within the limits of 190 calls in 10 s and 5 searches/s.

`leadscore backfill` runs as a process of its own against the pretend HubSpot in this one. The
pretend HubSpot counts the worst 10 seconds, refused calls and all; it searches by looking at every
contact, so a hundred thousand need a machine of their own.
"""

import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import psutil

from bench.service import ACCESS_TOKEN, CLIENT_SECRET, prepared
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.server import running as simulating
from webhooks.wiring import utc_now

COUNT = 20_000
LIMIT = 190


def main() -> None:
    """Measure and print. Arguments: the number of contacts; seconds that each call takes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    delay_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    settings = HubSpotSettings(
        provisioned=True,
        rate_per_10s=LIMIT,
        access_token=ACCESS_TOKEN,
        client_secret=CLIENT_SECRET,
    )
    ago = [timedelta()]
    simulator = HubSpotSimulator(settings, now=lambda: utc_now() - ago[0])
    people = [p.to_hubspot() for p in invent_people(1, 500, utc_now())]
    # Older than what the first sweep looks at: this is the backfill's own work.
    ago[0] = timedelta(days=30)
    simulator.create_contacts(
        {k: v for k, v in people[n % len(people)].items() if k not in {"email", "createdate"}}
        for n in range(count)
    )
    ago[0] = timedelta()
    # As far away as HubSpot is.
    simulator.faults.delay("/batch/", delay_s, times=10**9)
    with tempfile.TemporaryDirectory() as name, simulating(simulator) as url:
        env = prepared(Path(name), hubspot_url=url, calls_per_10s=LIMIT)
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "backfill"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seen = watch(process)
        said = process.communicate()[0]
        seconds = time.perf_counter() - began
    counters = simulator.counters
    calls = counters["batch_read"] + counters["batch_update"]
    scored = sum("lead_score_tier" in c for c in simulator.contacts().values())
    print(said.strip())
    print(f"{scored} of {count} contacts scored in {seconds:.1f} s: {scored / seconds:.0f}/s")
    print(
        f"{calls} calls and {counters['search']} searches;"
        f" {calls / seconds / LIMIT * 1000:.1f} % of the budget used over all"
        f" (target 95); worst 10 s: {counters['worst_10s']} of {LIMIT};"
        f" refused for rate: {counters['rate_limited']}"
    )
    print(
        f"CPU of the process: {seen['cpu'] / seconds * 100:.1f} % of one core (target 10),"
        f" {seen['cpu'] / scored * 1e6:.0f} us a contact; resident at most {seen['rss']:.0f} MB"
    )


def watch(process: subprocess.Popen[str]) -> dict[str, float]:
    """Return a dict that a thread fills with CPU seconds and the most memory of `process`."""
    seen = {"cpu": 0.0, "rss": 0.0}

    def look() -> None:
        try:
            other = psutil.Process(process.pid)
            while True:
                times = other.cpu_times()
                seen["cpu"] = times.user + times.system
                seen["rss"] = max(seen["rss"], other.memory_info().rss / 2**20)
                time.sleep(0.1)
        except psutil.Error:
            return

    threading.Thread(target=look, daemon=True).start()
    return seen


if __name__ == "__main__":
    main()
