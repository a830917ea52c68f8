"""Master keys: where they come from and what they look like.

A key file holds one line for each key: `<number> <state> <64 hex digits>`, where the state is
`primary` (one, seals and opens) or `decrypt-only`. Lines that begin with `#` are comments.
"""

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32

_LINE = re.compile(r"(\d{1,9}) (primary|decrypt-only) ([0-9a-f]{64})")


class KeyFileError(Exception):
    """Master keys that cannot be used; the text says why and what to do, never a key."""


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """All master keys by number; the primary one seals."""

    primary: int
    keys: Mapping[int, bytes] = field(repr=False)


def parse_keys(text: str, source: str) -> MasterKeys:
    """Return the keys in a key file's text. Raises: KeyFileError."""
    keys: dict[int, bytes] = {}
    primary: list[int] = []
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise KeyFileError(
                f"{source}, line {place}: must be `<number> primary|decrypt-only <64 hex digits>`"
            )
        number = int(match.group(1))
        if number in keys:
            raise KeyFileError(f"{source}, line {place}: key {number} stands twice")
        keys[number] = bytes.fromhex(match.group(3))
        if match.group(2) == "primary":
            primary.append(number)
    if len(primary) != 1:
        raise KeyFileError(f"{source}: needs exactly one primary key, found {len(primary)}")
    return MasterKeys(primary[0], keys)


def keys_from_file(path: Path) -> MasterKeys:
    """Return the keys in the file at `path`.

    Raises:
        KeyFileError: missing, unreadable, readable by others than its owner (S52), or malformed.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyFileError(f"{path}: no such file; `leadscore init` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: cannot be read: {type(error).__name__}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"{path}: others may read it; run: chmod 600 {path}")
    return parse_keys(text, str(path))


def keys_from_text(value: str, source: str) -> MasterKeys:
    """Return the keys in an environment variable: 64 hex digits, or a key file's text."""
    if re.fullmatch(r"[0-9a-f]{64}", value.strip()):
        return MasterKeys(1, {1: bytes.fromhex(value.strip())})
    return parse_keys(value, source)


def new_key_file(path: Path) -> None:
    """Write a new random primary key to `path`, readable by its owner only.

    Raises:
        FileExistsError: there is a file: a key is never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = (
        "# Master key of leadscore. Keep a copy in a safe place, apart from the database:\n"
        "# without it nothing that was stored can be read again.\n"
        f"1 primary {secrets.token_hex(KEY_BYTES)}\n"
    )
    # The mode must be there before the content.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
