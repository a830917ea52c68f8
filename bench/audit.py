"""How long a million rows of the audit trail take to verify: python -m bench.audit [ROWS]."""

import sys
import tempfile
import time
from pathlib import Path

from store.audit import Act
from store.keys import MasterKeys
from store.rooms import open_store
from webhooks.wiring import utc_now


def main() -> None:
    """Write a trail, verify it, print both times."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        keys = MasterKeys(1, {1: bytes(32)})
        store = open_store(f"sqlite:///{name}/leadscore.db", keys, Path(name) / "heads")
        now = utc_now()
        began = time.perf_counter()
        with store.databases.ledger.begin() as connection:
            for place in range(rows):
                act = Act(
                    account_id="portal",
                    actor="ada",
                    act="dead_letter.replayed",
                    object_type="contact",
                    record_id=str(place),
                )
                store.audit.append(connection, act, now)
        written = time.perf_counter() - began
        store.audit.keep_heads()
        began = time.perf_counter()
        count, broken = store.audit.verify("portal")
        verified = time.perf_counter() - began
        if (count, broken) != (rows, None):
            raise SystemExit(f"the trail breaks: {broken}")
        print(
            f"{rows} rows written in {written:.1f} s, verified in {verified:.1f} s (target 60 s)"
        )
        store.close()


if __name__ == "__main__":
    main()
