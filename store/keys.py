"""Master keys: what they look like, their life, and the file they usually lie in.

A key's life: *pending* (opens, seals nothing: it can be brought to every machine first), *primary*
(one: seals and opens), *decrypt-only* (opens what it once sealed), *retired* (gone).

A key file holds one line for each key: `<number> <state> <64 hex digits> [<YYYY-MM-DD>]`, the date
being the day it was made. A retired key's digits are not the key but the hash key derived from it:
keyed hashes hang on the oldest key and must outlive it, and nothing opens with them. Lines that
begin with `#` are comments.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Protocol

KEY_BYTES = 32

PENDING, PRIMARY, DECRYPT_ONLY, RETIRED = "pending", "primary", "decrypt-only", "retired"

_LINE = re.compile(
    r"(\d{1,9}) (pending|primary|decrypt-only|retired) ([0-9a-f]{64})( \d{4}-\d\d-\d\d)?"
)
_HASH_KEY_LABEL = b"leadscore hash key v1"


class KeyFileError(Exception):
    """Master keys that cannot be used; the text says why and what to do, never a key."""


class ReadOnlyKeysError(KeyFileError):
    """Keys that only a person can change, where they come from; the text says how."""


class KeySource(Protocol):
    """Where master keys come from (S51): a file, a credential, the environment, a keyring."""

    name: str  #: As it stands in messages.
    look_every_s: float  #: How often it is worth looking whether the keys changed.
    urgent_every_s: float  #: The same when a key is missing.

    def read(self) -> "MasterKeys":
        """Return the keys as they are now. Raises: KeyFileError."""

    def mark(self) -> object:
        """Return what differs once the keys have changed; cheap. Raises: KeyFileError."""

    def change(self, step: Callable[["MasterKeys"], "MasterKeys"]) -> "MasterKeys":
        """Replace the keys by what `step` makes of them, durably; return them.

        One change at a time: what `step` gets is what is there.

        Raises:
            ReadOnlyKeysError: only a person can; the text says what to put where.
            KeyFileError: they cannot be read or written.
        """


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """All master keys by number; the primary one seals."""

    primary: int
    keys: Mapping[int, bytes] = field(repr=False)  #: Those that open: all but the retired.
    pending: int | None = None
    retired: Mapping[int, bytes] = field(default_factory=dict, repr=False)  #: Their hash keys.
    made_on: Mapping[int, date] = field(default_factory=dict)  #: Where it is known.
    source: KeySource | None = field(default=None, compare=False, repr=False)

    @property
    def numbers(self) -> list[int]:
        """The numbers of all keys, oldest first."""
        return sorted({*self.keys, *self.retired})

    def state(self, number: int) -> str:
        """Return where key `number` stands in its life."""
        if number in self.retired:
            return RETIRED
        return {self.primary: PRIMARY, self.pending: PENDING}.get(number, DECRYPT_ONLY)

    def hash_key(self) -> bytes:
        """Return the key of all keyed hashes.

        It hangs on the oldest key, so that hashes stay comparable when keys turn.
        """
        oldest = self.numbers[0]
        return self.retired.get(oldest) or _hash_key_of(self.keys[oldest])

    def with_pending(self, made_on: date) -> "MasterKeys":
        """Return the keys with a new pending one; as they are when there is one."""
        if self.pending is not None:
            return self
        number = self.numbers[-1] + 1
        return replace(
            self,
            keys={**self.keys, number: secrets.token_bytes(KEY_BYTES)},
            pending=number,
            made_on={**self.made_on, number: made_on},
        )

    def with_pending_as_primary(self) -> "MasterKeys":
        """Return the keys with the pending one, if any, sealing from now on."""
        return self if self.pending is None else replace(self, primary=self.pending, pending=None)

    def without(self, number: int) -> "MasterKeys":
        """Return the keys with `number` retired. Raises: KeyFileError when it cannot be."""
        if number in self.retired:
            return self
        if number not in self.keys:
            raise KeyFileError(f"master key {number} is not here")
        if number == self.primary:
            raise KeyFileError(f"master key {number} is the primary one; rotate first")
        kept = {other: key for other, key in self.keys.items() if other != number}
        return replace(
            self,
            keys=kept,
            pending=None if number == self.pending else self.pending,
            retired={**self.retired, number: _hash_key_of(self.keys[number])},
        )

    def to_text(self) -> str:
        """Return the text of a key file."""
        lines = [
            "# Master keys of leadscore. Keep a copy in a safe place, apart from the database:",
            "# without them nothing that was stored can be read again.",
        ]
        for number in self.numbers:
            digits = (self.retired.get(number) or self.keys[number]).hex()
            made_on = self.made_on.get(number)
            tail = "" if made_on is None else f" {made_on.isoformat()}"
            lines.append(f"{number} {self.state(number)} {digits}{tail}")
        return "\n".join(lines) + "\n"


def _hash_key_of(key: bytes) -> bytes:
    return hmac.digest(key, _HASH_KEY_LABEL, hashlib.sha256)


def parse_keys(text: str, source: str) -> MasterKeys:
    """Return the keys in a key file's text. Raises: KeyFileError."""
    found: dict[str, dict[int, bytes]] = {}
    made_on: dict[int, date] = {}
    seen: set[int] = set()
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise KeyFileError(
                f"{source}, line {place}: must be `<number> <state> <64 hex digits> [<day>]`,"
                " the state pending, primary, decrypt-only or retired"
            )
        number = int(match.group(1))
        if number in seen:
            raise KeyFileError(f"{source}, line {place}: key {number} stands twice")
        seen.add(number)
        found.setdefault(match.group(2), {})[number] = bytes.fromhex(match.group(3))
        if match.group(4):
            made_on[number] = _day(match.group(4).strip(), f"{source}, line {place}")
    primary, pending = found.get(PRIMARY, {}), found.get(PENDING, {})
    if len(primary) != 1:
        raise KeyFileError(f"{source}: needs exactly one primary key, found {len(primary)}")
    if len(pending) > 1:
        raise KeyFileError(f"{source}: may hold one pending key, found {len(pending)}")
    return MasterKeys(
        primary=next(iter(primary)),
        keys={**found.get(DECRYPT_ONLY, {}), **primary, **pending},
        pending=next(iter(pending), None),
        retired=found.get(RETIRED, {}),
        made_on=made_on,
    )


def _day(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise KeyFileError(f"{place}: {text} is no day") from None


def keys_from_text(value: str, source: str) -> MasterKeys:
    """Return the keys in an environment variable: 64 hex digits, or a key file's text."""
    if re.fullmatch(r"[0-9a-f]{64}", value.strip()):
        return MasterKeys(1, {1: bytes.fromhex(value.strip())})
    return parse_keys(value, source)


class KeyFile:
    """Keys in a file of its own, for its owner's eyes only."""

    look_every_s, urgent_every_s = 1.0, 0.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def read(self) -> MasterKeys:
        """See `KeySource.read`. Refuses a file that others may read (S52)."""
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_text(encoding="ascii")
        except FileNotFoundError:
            raise KeyFileError(f"{self.path}: no such file; `leadscore init` makes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{self.path}: cannot be read: {type(error).__name__}") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{self.path}: others may read it; run: chmod 600 {self.path}")
        return replace(parse_keys(text, str(self.path)), source=self)

    def mark(self) -> object:
        """See `KeySource.mark`."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise KeyFileError(f"{self.path}: cannot be read: {type(error).__name__}") from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def change(self, step: Callable[[MasterKeys], MasterKeys]) -> MasterKeys:
        """See `KeySource.change`. A reader sees the old file or the new one, never a half."""
        path = self.path.resolve()
        try:
            folder = os.open(path.parent, os.O_RDONLY)
        except OSError as error:
            raise KeyFileError(f"{path.parent}: cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            before = self.read()
            keys = step(before)
            if keys != before:
                new = path.with_name(f".{path.name}.new")
                new.unlink(missing_ok=True)  # of a run that was killed
                write_secret(new, keys.to_text())
                new.replace(path)
                os.fsync(folder)
            return replace(keys, source=self)
        except OSError as error:
            raise KeyFileError(f"{path}: cannot be written: {error.strerror}") from None
        finally:
            os.close(folder)


def keys_from_file(path: Path) -> MasterKeys:
    """Return the keys in the file at `path`.

    Raises:
        KeyFileError: missing, unreadable, readable by others than its owner (S52), or malformed.
    """
    return KeyFile(path).read()


def new_key_file(path: Path, made_on: date | None = None) -> None:
    """Write a new random primary key to `path`, readable by its owner only.

    Raises:
        FileExistsError: there is a file: a key is never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = {1: secrets.token_bytes(KEY_BYTES)}
    days = {} if made_on is None else {1: made_on}
    write_secret(path, MasterKeys(1, key, made_on=days).to_text())


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, durably. Raises: OSError, FileExistsError."""
    # The mode must be there before the content.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
