"""Copies the databases while they are in use, with a manifest to restore by (S33).

On SQLite the inbox is copied before the ledger. A delivery is marked unpacked only after the ledger
holds what it names, so in this order whatever the older inbox shows as unpacked is in the newer
ledger; what it shows as waiting is unpacked again, which does no harm (I1, I2). On PostgreSQL
`pg_dump` sees one state of both. The contents stay sealed; the master keys are not in the copy.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from store import engine
from store.audit import SYSTEM, Act
from store.dialect import StoreError
from store.rooms import Store
from store.vault import Vault

FORMAT = 1
MANIFEST = "manifest.json"


class BackupError(Exception):
    """A copy that cannot be made or must not be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy holds and what it takes to open it."""

    content: dict[str, Any]

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return str(self.content["database"])

    @property
    def keys(self) -> set[int]:
        """The numbers of the master keys it needs."""
        return set(self.content["keys"])

    @property
    def heads(self) -> list[dict[str, Any]]:
        """The newest row of each audit trail when the copy began: account, seq, hash."""
        return list(self.content["audit_heads"])

    def proof(self, vault: Vault) -> str:
        """Return the keyed hash of the manifest: who has no master key cannot write one."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"))
        return vault.keyed_hash("backup", SYSTEM, text.encode()).hex()


def make_backup(store: Store, folder: Path, actor: str, now: datetime) -> Manifest:
    """Copy both databases into a new folder, and return the manifest that lies beside them.

    The folder appears only when it is complete.

    Raises:
        BackupError: it cannot be made; what is there of it is removed.
    """
    if folder.exists():
        raise BackupError(f"{folder}: exists; name a folder that does not")
    part = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
        part.mkdir(mode=0o700, parents=True)
        manifest = _copy(store, part, now)
        store.audit.record(
            Act(account_id=SYSTEM, actor=actor, act="backup.made", fields=folder.name[:200]), now
        )
        part.rename(folder)
        sync_folder(folder.parent)
    except (OSError, StoreError) as error:
        shutil.rmtree(part, ignore_errors=True)
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise BackupError(f"{folder}: {said}") from None
    return manifest


def _copy(store: Store, part: Path, now: datetime) -> Manifest:
    heads = store.audit.heads()
    keys = set(store.rotation.uses())
    files = engine.copy_to(store.databases, part)
    keys |= set(store.rotation.uses())
    content = {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "database": store.databases.ledger.dialect.name,
        "schema": engine.versions(store.databases),
        "keys": sorted(keys),
        "audit_heads": [
            {"account": account, "seq": seq, "hash": digest.hex()}
            for account, (seq, digest) in sorted(heads.items())
        ],
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in files
        },
    }
    manifest = Manifest(content)
    text = json.dumps({**content, "proof": manifest.proof(store.vault)}, indent=2)
    (part / MANIFEST).write_text(text + "\n", encoding="ascii")
    for path in part.iterdir():
        path.chmod(0o600)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(part)
    return manifest


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return a copy's manifest and its proof, after checking the files against it.

    Raises:
        BackupError: there is none, or a file is missing or changed.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text("ascii"))
        proof = content.pop("proof")
        files = {name: row["sha256"] for name, row in content["files"].items()}
        version = content["format"]
    except FileNotFoundError:
        raise BackupError(f"{folder}: holds no {MANIFEST}; it is no backup of ours") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        name = type(error).__name__
        raise BackupError(f"{folder / MANIFEST}: cannot be read: {name}") from None
    if version != FORMAT:
        raise BackupError(f"{folder / MANIFEST}: format {version} is unknown; use its version")
    for name, wanted in files.items():
        path = folder / Path(name).name
        if not path.is_file():
            raise BackupError(f"{path}: is missing")
        if sha256_of(path) != wanted:
            raise BackupError(f"{path}: was changed since the backup was made")
    return Manifest(content), str(proof)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Bring a folder's names to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
