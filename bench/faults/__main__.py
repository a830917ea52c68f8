"""Runs the faults, one after the other, and prints a row for each; see docs/faults.md."""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.faults.catalogue import FAULTS
from bench.faults.circumstances import Circumstances
from bench.faults.processes import Nursery
from bench.faults.pulse import Pulse
from bench.faults.report import HEAD, Row, line_of
from bench.faults.server import Server

#: How often a fault is tried while the machine stands still in the middle of it.
TRIES = 3


def main() -> int:
    """Run; return 1 when a fault was not survived."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=FAULTS)
    parser.add_argument("--long", action="store_true", help="the nightly set")
    parser.add_argument("--seed", type=int, default=0, help="repeat a run's dice")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    asked = parser.parse_args()
    seed = asked.seed or secrets.randbelow(10**6) + 1
    folder = Path(tempfile.mkdtemp(prefix="leadscore-faults-"))
    servers: list[Server] = []

    def server() -> Server:
        if not servers:
            servers.append(Server())
        return servers[0]

    nursery, pulse = Nursery(), Pulse()
    circumstances = Circumstances(
        seed=seed, is_long=asked.long, folder=folder, nursery=nursery, server=server
    )
    began = time.monotonic()
    print(f"seed {seed}; repeat with --seed {seed}", flush=True)
    print(HEAD, flush=True)
    rows: list[Row] = []
    try:
        for name in asked.only or FAULTS:
            for row in _tried(name, circumstances, pulse):
                rows.append(row)
                print(line_of(row), flush=True)
    finally:
        nursery.close()
        for each in servers:
            each.close()
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    wrong = [row for row in rows if not row.survived]
    print(
        f"{len(rows)} faults tried, {len(wrong)} not survived;"
        f" inputs {sum(row.inputs for row in rows)}, events {sum(row.sent for row in rows)},"
        f" stored {sum(row.stored for row in rows)}, lost {sum(row.lost for row in rows)};"
        f" {time.monotonic() - began:.0f} s"
    )
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        found = {"seed": seed, "long": asked.long, "rows": [row.to_json() for row in rows]}
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 1 if wrong else 0


def _tried(name: str, circumstances: Circumstances, pulse: Pulse) -> list[Row]:
    """Try a fault; once more when its limits in seconds were broken by a machine that stood still.

    A lost event is never excused.
    """
    for attempt in range(TRIES):
        pulse.begin()
        rows = FAULTS[name](circumstances)
        is_excused = pulse.stood_still() and not any(row.lost for row in rows)
        if all(row.survived is not False for row in rows) or not is_excused:
            break
        if attempt + 1 < TRIES:
            print(f"{name}: the machine stood still for {pulse.longest_s:.0f} s; tried again")
    return rows


if __name__ == "__main__":
    sys.exit(main())
