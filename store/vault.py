"""Seals and opens: AES-256-GCM under two levels of keys. The only user of `cryptography` here.

A master key, kept outside the database, wraps *data keys*; a data key seals the values of one
contact, or one account's deliveries. Destroying a contact's data key destroys what it sealed (S45).

Formats, version 1, all lengths in bytes (frozen; `tests/store/vectors/` holds vectors, S47):

sealed value   version 1 (0x01) | algorithm 1 (0x01) | data key id 8 | nonce 12 | ciphertext | tag 16
wrapped key    version 1 (0x01) | algorithm 1 (0x01) | master key number 4, big-endian | nonce 12 |
               ciphertext 32 | tag 16 | commitment 32

The header and the *cell* a value belongs to (account, table, column, row) are associated data, each
with its length, so that a value moved to another place does not open (S46). The commitment,
HMAC-SHA256 of a constant under the data key, is checked before a key is used; its first 8 bytes are
the data key id in each sealed value, so a value made under another key is refused undecrypted (S48).

Source: NIST SP 800-38D (GCM, random 96-bit nonces: section 8.2.2, at most 2**32 a key).
"""

import hashlib
import hmac
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.key_sources import Watch
from store.keys import KEY_BYTES, MasterKeys

VERSION: Final = 1
AES_256_GCM: Final = 1
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_ID_BYTES: Final = 8
COMMITMENT_BYTES: Final = 32

#: Source: SECURITY-REQUIREMENTS S49.
MAX_USES: Final = 2**20

_PREFIX: Final = bytes([VERSION, AES_256_GCM])
_COMMITMENT_LABEL: Final = b"leadscore data key commitment v1"
_HASH_LABEL: Final = b"leadscore keyed hash v1 "


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104) of `message` under `key`.

    `hmac.digest` gives the interpreter lock away at each call; in a receiver with eight busy
    threads that costs 30 us, twenty times the hash. `hmac.new` does so for long messages only.
    """
    return hmac.new(key, message, hashlib.sha256).digest()


class _Randomness:
    """Random bytes of the operating system, fetched many at a time for the same reason as `mac`.

    They serve as nonces and ids, which are no secrets; keys are fetched one by one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """Return `count` bytes, never the same twice, also after a fork."""
        with self._lock:
            if self._used + count > len(self._bytes):
                self._bytes, self._used = os.urandom(4096), 0
            self._used += count
            return self._bytes[self._used - count : self._used]

    def forget(self) -> None:
        """Drop what is left: a forked process must not use it, too."""
        self._lock = threading.Lock()
        self._bytes, self._used = b"", 0


random_bytes = _Randomness()
os.register_at_fork(after_in_child=random_bytes.forget)


class VaultError(Exception):
    """A sealed value that does not open: other key, other place, changed bytes or format."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The place of a sealed value. Its text is bound to it."""

    account_id: str
    table: str
    column: str
    row: str

    def bound(self, header: bytes) -> bytes:
        """Return the associated data: every part with its length in front."""
        parts = [header]
        parts += [part.encode() for part in (self.account_id, self.table, self.column, self.row)]
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)


class DataKey:
    """An open data key. Lives in memory only."""

    __slots__ = ("_cipher", "_header", "key_id")

    def __init__(self, key: bytes) -> None:
        self.key_id = _commitment(key)[:KEY_ID_BYTES]
        self._header = _PREFIX + self.key_id
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        """Return the id, never the key."""
        return f"DataKey({self.key_id.hex()})"

    def seal(self, plaintext: bytes, cell: Cell) -> bytes:
        """Return `plaintext` sealed for `cell`."""
        nonce = random_bytes(NONCE_BYTES)
        body = self._cipher.encrypt(nonce, plaintext, cell.bound(self._header))
        return self._header + nonce + body

    def open(self, sealed: bytes, cell: Cell) -> bytes:
        """Return what was sealed for `cell` under this key. Raises: VaultError."""
        head = len(self._header)
        if len(sealed) < head + NONCE_BYTES + TAG_BYTES:
            raise VaultError("sealed value: too short")
        if sealed[:2] != _PREFIX:
            raise VaultError(f"sealed value: unknown format {sealed[:2].hex()}")
        if not hmac.compare_digest(sealed[:head], self._header):
            raise VaultError("sealed value: made under another data key")
        nonce, body = sealed[head : head + NONCE_BYTES], sealed[head + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, cell.bound(self._header))
        except InvalidTag:
            raise VaultError("sealed value: changed, or moved from another place") from None


#: Where the master key's number, and the commitment, stand in a wrapped key.
NUMBER_AT: Final = slice(2, 6)
COMMITMENT_AT: Final = slice(66, 98)
_WRAPPED_BYTES: Final = 98


def wrapped_under(wrapped: bytes) -> int:
    """Return the number of the master key that a data key is wrapped under."""
    (number,) = struct.unpack(">I", wrapped[NUMBER_AT])
    return int(number)


@dataclass(frozen=True, slots=True)
class _Masters:
    """The master keys as they are used; replaced as a whole when they turn."""

    primary: int
    ciphers: Mapping[int, AESGCM] = field(repr=False)


class Vault:
    """Makes, wraps and unwraps data keys, and hashes under keys of its own. Thread-safe.

    When the master keys turn where they come from, a running process follows: it looks again
    before it makes a data key, and when it meets a number it does not know (S50).
    """

    def __init__(self, master: MasterKeys) -> None:
        self._watch = Watch(master)
        self._masters = _masters(master)
        # Hashes must stay comparable when keys turn, so they hang on the oldest key.
        self._hash_key = master.hash_key()

    def look(self, *, is_urgent: bool = False) -> None:
        """Take over master keys that changed; see `Watch.look`."""
        found = self._watch.look(is_urgent=is_urgent)
        if found is not None:
            self.take(found)

    def take(self, master: MasterKeys) -> None:
        """Use these master keys from now on; their oldest must be the one it was."""
        self._masters = _masters(master)

    @property
    def primary(self) -> int:
        """The number of the master key that seals."""
        return self._masters.primary

    def opens_with(self, number: int) -> bool:
        """Tell whether master key `number` is here to open with."""
        return number in self._masters.ciphers

    def new_key(self, cell: Cell) -> tuple[DataKey, bytes]:
        """Return a new random data key and its wrapped form, bound to `cell`."""
        self.look()
        key = os.urandom(KEY_BYTES)
        return DataKey(key), self._wrap(key, cell)

    def _wrap(self, key: bytes, cell: Cell) -> bytes:
        masters = self._masters
        header = _PREFIX + struct.pack(">I", masters.primary)
        nonce = os.urandom(NONCE_BYTES)
        body = masters.ciphers[masters.primary].encrypt(nonce, key, cell.bound(header))
        return header + nonce + body + _commitment(key)

    def rewrap(self, wrapped: bytes, cell: Cell) -> bytes:
        """Return the same data key wrapped under the primary master key. Raises: VaultError."""
        return self._wrap(self._unwrap(wrapped, cell), cell)

    def unwrap(self, wrapped: bytes, cell: Cell) -> DataKey:
        """Return the data key wrapped for `cell`. Raises: VaultError."""
        return DataKey(self._unwrap(wrapped, cell))

    def _unwrap(self, wrapped: bytes, cell: Cell) -> bytes:
        if len(wrapped) != _WRAPPED_BYTES:
            raise VaultError("wrapped key: wrong length")
        if wrapped[:2] != _PREFIX:
            raise VaultError(f"wrapped key: unknown format {wrapped[:2].hex()}")
        head = NUMBER_AT.stop
        header = wrapped[:head]
        number = wrapped_under(wrapped)
        cipher = self._masters.ciphers.get(number)
        if cipher is None:
            self.look(is_urgent=True)
            cipher = self._masters.ciphers.get(number)
        if cipher is None:
            raise VaultError(f"wrapped key: master key {number} is not here")
        nonce = wrapped[head : head + NONCE_BYTES]
        body = wrapped[head + NONCE_BYTES : -COMMITMENT_BYTES]
        try:
            key = cipher.decrypt(nonce, body, cell.bound(header))
        except InvalidTag:
            raise VaultError(
                f"wrapped key: master key {number} is another one, or it was moved"
            ) from None
        if not hmac.compare_digest(_commitment(key), wrapped[COMMITMENT_AT]):
            raise VaultError("wrapped key: its commitment does not match")
        return key

    def keyed_hash(self, purpose: str, account_id: str, value: bytes) -> bytes:
        """Return 32 bytes that tell equal values of one account and purpose, and no more."""
        label = _HASH_LABEL + struct.pack(">I", len(purpose)) + purpose.encode()
        label += struct.pack(">I", len(account_id)) + account_id.encode()
        return mac(self._hash_key, label + value)


def _commitment(key: bytes) -> bytes:
    return mac(key, _COMMITMENT_LABEL)


def _masters(keys: MasterKeys) -> _Masters:
    return _Masters(keys.primary, {number: AESGCM(key) for number, key in keys.keys.items()})
