"""Fails when a fault that must be tried was not, or was tried too little, or was not survived.

Usage: required_faults.py FAULTS_JSON
"""

import json
import sys
from pathlib import Path

#: Beginning of a row's name -> rows, and inputs tried in all of them, at least.
REQUIRED = {
    "S18 mutated": (1, 2_000),
    "S81 load, sqlite": (1, 3_000),
    "S81 load, postgresql": (1, 1_000),
    "S82 SIGKILL at random, sqlite": (1, 200),
    "S82 SIGKILL at random, postgresql": (1, 50),
    "S82 SIGKILL at each crash point, sqlite": (1, 16),
    "S82 SIGKILL at each crash point, postgresql": (1, 16),
    "S83 disk full, sqlite": (1, 3),
    "S84 fsync and write fail, sqlite": (1, 100),
    "S84 fsync and write fail, postgresql": (1, 6),
    "S85 SQLite locked": (1, 1),
    "S85 PostgreSQL killed": (1, 4),
    "S86 CRM: ": (13, 40),
    "S87 CRM away": (1, 48),
    "S88 poison": (1, 3),
    "S89 key lost": (1, 3),
    "S89 key turned under load": (2, 20),
    "S89 copy from before an erasure": (1, 1),
    "S89 clock moved": (1, 5),
}


def main() -> int:
    """Check the rows; return the exit code."""
    file = Path(sys.argv[1])
    if not file.exists():
        print(f"WRONG {file}: the fault rig did not run")
        return 1
    found = json.loads(file.read_text("utf-8"))
    rows = found["rows"]
    problems = [f"{row['fault']}: not survived" for row in rows if not row["survived"]]
    for name, (count, inputs) in REQUIRED.items():
        own = [row for row in rows if row["fault"].startswith(name) and row["survived"]]
        tried = sum(row["inputs"] for row in own)
        if len(own) < count or tried < inputs:
            problems.append(
                f"{name}: {len(own)} rows with {tried} inputs were survived,"
                f" at least {count} with {inputs} must"
            )
    print(f"{len(rows)} rows of seed {found['seed']}, {len(problems)} problems")
    for problem in problems:
        print(f"WRONG {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
