"""S89: the master key is turned under load and the rotation killed; an old copy is brought back."""

import shutil
import subprocess
import sys
import time

from bench.faults.circumstances import Circumstances, until
from bench.faults.invariants import check
from bench.faults.report import Row, row
from bench.faults.rig import Rig
from store.engine import check_integrity
from store.keys import keys_from_file

#: What a log says of a value that did not open.
_UNOPENED = ("does_not_open", "VaultError")


def rotated_under_load(circumstances: Circumstances, database: str) -> Row:
    """Turn the key again and again while everything runs; kill every other rotation."""
    with row(f"S89 key turned under load, {database}") as found:
        rig = Rig(circumstances, "turn", database=database, people=30)
        with rig:
            rig.add("receive")
            rig.add("work", lease_s=None)
            rig.ready()
            turns = 40 if circumstances.is_long else 10
            with rig.living(), rig.sending(rate=20, seconds=turns * 0.8, events=2) as sent:
                killed = 0
                for _ in range(turns):
                    turning = _command(rig, "keys", "rotate")
                    try:
                        turning.wait(rig.rng.uniform(0.1, 1.2))
                    except subprocess.TimeoutExpired:
                        turning.kill()
                        turning.wait()
                        killed += 1
                    found.inputs += 1
            result = sent()
            last = _command(rig, "keys", "rotate")
            found.demand(last.wait(60) == 0, "the last rotation did not end well")
            found.demand(killed > 0, "no rotation was killed")
            found.demand(set(result.answers) == {"200"}, f"not received: {result.answers}")
            primary = keys_from_file(rig.folder / "master.key").primary
            found.demand(primary > 1, "the key was not turned")
            rig.reopen()
            found.take(check(rig))
            for part in rig.parts:
                said = part.log.read_text("utf-8", "replace")
                found.demand(
                    not any(word in said for word in _UNOPENED), f"{part.command}: a value is shut"
                )
            found.sent = result.events + len(rig.watch.queued)
            found.notes.append(f"{killed} of {turns} rotations killed; key {primary} at the end")
    return found


def copy_brought_back(circumstances: Circumstances) -> Row:
    """Bring back a copy from before an erasure: the erased contact is still gone."""
    with row("S89 copy from before an erasure brought back") as found:
        rig = Rig(circumstances, "copy", people=40)
        with rig:
            rig.add("receive")
            rig.add("work")
            rig.ready()
            until(lambda: len(rig.watch.writes) >= 40, 30)
            until(lambda: not rig.store.due.waiting("hubspot", rig.now()), 10)
            # Not beside the keys: the command warns of that.
            copy = circumstances.folder / f"{rig.folder.name}-brought-back"
            done = _command(rig, "backup", str(copy)).wait(60) == 0
            found.demand(done, "no copy was made")
            erased = rig.records.pop(0)
            rig.crm.privacy_delete(erased)
            gone = until(lambda: rig.store.leads.facts("hubspot", "contact", erased) is None, 20)
            found.demand(gone, "the contact was not erased")
            until(lambda: not rig.store.due.waiting("hubspot", rig.now()), 10)
            for part in rig.parts:
                part.end()
            rig.store.close()
            shutil.rmtree(rig.data)
            began = time.monotonic()
            restored = _command(rig, "restore", str(copy)).wait(60) == 0
            found.demand(restored, "the copy was not brought back")
            found.notes.append(f"brought back and checked in {time.monotonic() - began:.1f} s")
            rig.reopen()
            found.inputs += 1
            for part in rig.parts:
                part.start()
            rig.ready()
            rig.crm.update_contact(rig.records[0], {"message": "Do you have time on Friday?"})
            until(lambda: rig.crm.wait_until_idle(0.2), 20)
            until(lambda: not rig.store.due.waiting("hubspot", rig.now()), 20)
            for record in rig.records:
                known = rig.store.leads.facts("hubspot", "contact", record) is not None
                found.demand(known, "a contact that was in the copy is not known")
            back = rig.store.leads.facts("hubspot", "contact", erased)
            found.demand(back is None, "the erased contact is back")
            found.demand(check_integrity(rig.store.databases) == [], "I8: the database is damaged")
            _, broken = rig.store.audit.verify("hubspot")
            found.demand(broken is None, "I6: the audit trail does not hold")
            found.sent = found.stored = len(rig.watch.queued)
    return found


def _command(rig: Rig, *words: str) -> subprocess.Popen[bytes]:
    """Start a command beside the service."""
    with (rig.folder / f"{words[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "console", *words], env=rig.env(0), stdout=log, stderr=log
        )
