"""Brings a copy back, after checking everything that can be checked (S33, S57).

In this order: the manifest's hashes and proof, the schema's version, the master keys, the
database's own check, every wrapped key, the audit trails, and then the tombstones. On SQLite all of
it happens in a folder beside the target: only a copy that holds is moved into place. On PostgreSQL
it happens in the target itself, which must be empty and nobody's; what does not hold is dropped.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from store import engine, sqlite
from store.audit import SYSTEM, Act
from store.backup import BackupError, Manifest, read_manifest, sync_folder
from store.dialect import StoreError
from store.keys import MasterKeys
from store.rooms import Store, open_store
from store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a copy is to serve."""

    database_url: str
    keys: MasterKeys
    heads: Path
    tombstones: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it."""

    made_at: str
    keys_opened: int
    audit_rows: int
    acts_lost: int  #: Rows of the audit trail that are younger than the copy.
    erased: int  #: Records that were erased since the copy was made.
    aside: list[Path]  #: What was moved away.


def restore(folder: Path, place: Place, actor: str, now: datetime, *, force: bool) -> Restored:
    """Put the copy in `folder` into `place`.

    Args:
        folder: What `backup.make_backup` made.
        place: Where to; nobody may be using it.
        actor: Who wants it.
        now: For the audit trail, and the names of what is moved away.
        force: Move away a SQLite database that holds something.

    Raises:
        BackupError: the copy does not hold, or the place is not free; the place is as it was.
        StoreError: a database cannot be opened.
    """
    manifest, proof = read_manifest(folder)
    url = make_url(place.database_url)
    if manifest.kind != url.get_backend_name():
        raise BackupError(f"{folder}: is a copy of {manifest.kind}; DATABASE_URL is another kind")
    _check_keys(manifest, proof, place.keys)
    if not engine.knows(manifest.content["schema"]):
        raise BackupError(f"{folder}: was made by a newer version; restore it with that one")
    if manifest.kind == "sqlite":
        return _into_files(folder, manifest, place, actor, now, force=force)
    heads = place.heads.with_name(f"{place.heads.name}.restoring")
    try:
        with (
            engine.restored_dump(place.database_url, folder),
            _opened(place.database_url, manifest, place, heads) as store,
        ):
            found = _verified(store, manifest, place, actor, now)
        return replace(found, aside=_swap(heads, place.heads, now))
    finally:
        heads.unlink(missing_ok=True)


def _check_keys(manifest: Manifest, proof: str, keys: MasterKeys) -> None:
    missing = sorted(manifest.keys - set(keys.keys))
    if missing:
        names = ", ".join(map(str, missing))
        raise BackupError(f"the copy needs master key {names}, which is not here: put it back")
    if manifest.proof(Vault(keys)) != proof:
        raise BackupError("the manifest was changed, or made under another master key")


def _into_files(
    folder: Path, manifest: Manifest, place: Place, actor: str, now: datetime, *, force: bool
) -> Restored:
    url = make_url(place.database_url)
    targets = [Path(sqlite.inbox_url(url).database or ""), Path(url.database or "")]
    _require_free(place, targets, force=force)
    parent = targets[0].resolve().parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staging = parent / ".restoring"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    staging.mkdir(mode=0o700)
    try:
        staged = [staging / path.name for path in targets]
        for name, path in zip(sqlite.COPIES, staged, strict=True):
            shutil.copyfile(folder / name, path)
            path.chmod(0o600)
        heads = staging / "audit.heads"
        with _opened(f"sqlite:///{staged[1]}", manifest, place, heads) as store:
            found = _verified(store, manifest, place, actor, now)
        aside = [moved for path in targets for moved in _move_aside(path, now)]
        for new, path in zip(staged, targets, strict=True):
            new.replace(path)
        sync_folder(parent)
        aside += _swap(heads, place.heads, now)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return replace(found, aside=aside)


def _require_free(place: Place, targets: list[Path], *, force: bool) -> None:
    """Check that nobody uses the files, and that they hold nothing unless that is wanted."""
    there = [path for path in targets if path.exists() and path.stat().st_size]
    for path in there:
        if not sqlite.is_unused(path):
            raise BackupError(f"{path}: is in use; stop the service first")
    if not there:
        return
    try:
        store = open_store(place.database_url, place.keys, place.heads, place.tombstones)
    except StoreError:
        if force:
            return  # damaged: that is why a copy is brought back
        raise
    try:
        if engine.is_empty(store.databases):
            return
        if not force:
            raise BackupError(f"{targets[1]}: is not empty; --force moves it away")
        store.erasure.file_all()  # what was erased in it stays erased
    finally:
        store.close()


@contextmanager
def _opened(database_url: str, manifest: Manifest, place: Place, heads: Path) -> Iterator[Store]:
    """Open the copy, with the heads that its trails must agree with."""
    _write_heads(heads, manifest, place.heads)
    store = open_store(database_url, place.keys, heads, place.tombstones)
    try:
        yield store
    finally:
        store.close()


def _write_heads(path: Path, manifest: Manifest, kept: Path) -> None:
    """Put together the manifest's heads and those kept apart that are not younger."""
    last = {head["account"]: head["seq"] for head in manifest.heads}
    known = (
        [json.loads(line) for line in kept.read_text("ascii").splitlines()]
        if kept.exists()
        else []
    )
    heads = [head for head in known if head["seq"] <= last.get(head["account"], 0)]
    heads += manifest.heads
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text("".join(json.dumps(head) + "\n" for head in heads), encoding="ascii")
    path.chmod(0o600)


def _verified(
    store: Store, manifest: Manifest, place: Place, actor: str, now: datetime
) -> Restored:
    """Check the open copy, and bring it up to what was erased since."""
    faults = engine.check_integrity(store.databases)
    if faults:
        raise BackupError(f"the copy is damaged: {faults[0]}")
    opened, closed = store.rotation.check()
    if closed:
        raise BackupError(f"{closed} data keys of the copy do not open with the master keys here")
    rows = 0
    for account in store.audit.accounts():
        count, broken = store.audit.verify(account)
        if broken is not None:
            raise BackupError(f"audit trail of {account}, row {broken.seq}: {broken.what}")
        rows += count
    ends = store.audit.heads()
    lost = sum(
        max(0, seq - (ends[account][0] if account in ends else 0))
        for account, seq in _newest(place.heads).items()
    )
    erased = store.erasure.apply_file(actor, now)
    store.audit.record(
        Act(
            account_id=SYSTEM,
            actor=actor,
            act="backup.restored",
            fields=f"made {manifest.content['made_at']}",
        ),
        now,
    )
    store.audit.keep_heads()
    return Restored(
        made_at=str(manifest.content["made_at"]),
        keys_opened=opened,
        audit_rows=rows,
        acts_lost=lost,
        erased=erased,
        aside=[],
    )


def _newest(heads: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    if heads.exists():
        for line in heads.read_text("ascii").splitlines():
            head = json.loads(line)
            found[head["account"]] = max(head["seq"], found.get(head["account"], 0))
    return found


def _move_aside(path: Path, now: datetime) -> list[Path]:
    """Rename a file, with its log if it has one, to a name that tells when."""
    moved = []
    for tail in ("", "-wal", "-shm"):
        old = path.with_name(path.name + tail)
        if old.exists():
            new = path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%SZ}{tail}")
            old.rename(new)
            moved.append(new)
    return moved


def _swap(new: Path, path: Path, now: datetime) -> list[Path]:
    """Put the restored trail's heads in place of those of the trail that is no more."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f"{path.name}.new")
    shutil.copyfile(new, beside)
    beside.chmod(0o600)
    moved = _move_aside(path, now)
    beside.replace(path)
    sync_folder(path.parent)
    new.unlink()
    return moved
