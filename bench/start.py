"""How long the command line takes to answer, and how large a receiver is."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.service import running
from console.stage import free_port

ROUNDS = 9


def main() -> None:
    """Measure and print."""
    command = str(Path(sys.executable).with_name("leadscore"))
    times = {"leadscore --help": [], "python -c pass": []}
    for _ in range(ROUNDS):
        for name, args in (
            ("leadscore --help", [command, "--help"]),
            ("python -c pass", [sys.executable, "-c", "pass"]),
        ):
            began = time.perf_counter()
            subprocess.run(args, check=True, capture_output=True)
            times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, seconds in medians.items():
        print(f"{name:<18} {seconds * 1000:6.0f} ms")
    print("target: leadscore --help within 200 ms")
    with (
        tempfile.TemporaryDirectory() as name,
        running("receive", Path(name), port=free_port()) as pid,
    ):
        rss = psutil.Process(pid).memory_info().rss / 2**20
        print(f"receiver, idle: {rss:.0f} MB resident (target 100)")


if __name__ == "__main__":
    main()
