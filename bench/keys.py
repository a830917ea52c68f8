"""How long rotation, backup and restore of many keys take: python -m bench.keys [LEADS] [URL]."""

import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from store.backup import make_backup
from store.due import Claim
from store.keys import KeyFile, new_key_file
from store.leads import Batch, ScoredLead
from store.restore import Place, restore
from store.rooms import open_store
from webhooks.wiring import utc_now


def _lead(number: int) -> ScoredLead:
    claim = Claim(
        record_id=str(number),
        cause="changed",
        version=1,
        attempts=0,
        first_failed_at=None,
        since_at=None,
    )
    return ScoredLead(
        claim=claim,
        score=50,
        tier="warm",
        model_version="m",
        valid_until=None,
        respond_by=None,
        first_response_at=None,
        facts=b"x" * 400,
        reasons=b"y" * 300,
        written_hash=None,
    )


def main() -> None:
    """Store leads, turn the key, copy, bring back; print the times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/a/leadscore.db"
        new_key_file(folder / "master.key")
        source = KeyFile(folder / "master.key")
        store = open_store(url, source.read(), folder / "heads")
        store.accounts.ensure([("portal", "hubspot", "1")])
        lease = store.accounts.take("portal", "bench")
        if lease is None:
            raise SystemExit("another worker has the account")
        now = utc_now()
        for start in range(0, count, 500):
            ends = min(start + 500, count)
            batch = Batch(object_type="contact", scored=[_lead(n) for n in range(start, ends)])
            store.leads.save(lease, batch, {}, now)
        source.change(lambda keys: keys.with_pending(date(2026, 11, 24)).with_pending_as_primary())
        began = time.perf_counter()
        done = store.rotation.rewrap("bench", now)
        print(f"{done} keys wrapped anew in {time.perf_counter() - began:.1f} s")
        if not url.startswith("sqlite"):
            return
        began = time.perf_counter()
        manifest = make_backup(store, folder / "copy", "bench", now)
        size = sum(row["bytes"] for row in manifest.content["files"].values()) / 1e6
        print(f"{size:.0f} MB copied in {time.perf_counter() - began:.1f} s")
        store.close()
        place = Place(
            database_url=f"sqlite:///{folder}/b/leadscore.db",
            keys=source.read(),
            heads=folder / "heads",
            tombstones=folder / "tombstones",
        )
        began = time.perf_counter()
        found = restore(folder / "copy", place, "bench", now, force=False)
        print(f"restored, {found.keys_opened} keys opened, in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
