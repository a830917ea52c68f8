"""Where master keys come from besides a file (S51), and who looks whether they have changed.

All sources answer to `keys.KeySource`. A file and a keyring are changed in place; a credential and
the environment belong to whoever starts the service, so they say what to put where.
"""

import importlib
import logging
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from store.keys import (
    KeyFileError,
    KeySource,
    MasterKeys,
    ReadOnlyKeysError,
    keys_from_text,
    parse_keys,
)

log = logging.getLogger(__name__)

_NEVER_S = float("inf")


class Environment:
    """Keys in an environment variable, as a key file's text or 64 hex digits."""

    look_every_s = urgent_every_s = _NEVER_S  # a process's environment does not change

    def __init__(self, variable: str, value: str) -> None:
        self.name = variable
        self._value = value

    def read(self) -> MasterKeys:
        """See `KeySource.read`."""
        return replace(keys_from_text(self._value, self.name), source=self)

    def mark(self) -> object:
        """See `KeySource.mark`."""
        return None

    def change(self, step: Callable[[MasterKeys], MasterKeys]) -> NoReturn:
        """See `KeySource.change`."""
        del step
        raise ReadOnlyKeysError(
            f"{self.name}: an environment variable cannot be changed from here. Run this again with"
            f" --to FILE, set {self.name} to the content of that file (all lines), start the"
            " service anew, and delete the file"
        )


class Credential:
    """Keys in a credential that the service manager hands over.

    Source: systemd.exec(5), "Credentials": files in `$CREDENTIALS_DIRECTORY`, which nobody but the
    service may enter; the group bits of a file there stand for an access list, not for a group.
    """

    look_every_s = urgent_every_s = _NEVER_S  # handed over once, when the service starts

    def __init__(self, folder: Path | None, credential: str) -> None:
        self.name = f"credential {credential}"
        self._folder = folder
        self._credential = credential

    def read(self) -> MasterKeys:
        """See `KeySource.read`."""
        if self._folder is None:
            raise KeyFileError(
                f"{self.name}: CREDENTIALS_DIRECTORY is not set; start the service with"
                f" LoadCredentialEncrypted={self._credential} in its unit"
            )
        path = self._folder / self._credential
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(
                f"{self.name}: cannot be read: {type(error).__name__}; the unit needs"
                f" LoadCredentialEncrypted={self._credential}"
            ) from None
        if mode & stat.S_IRWXO:
            raise KeyFileError(f"{self.name}: others may read it; run: chmod 400 {path}")
        return replace(parse_keys(text, self.name), source=self)

    def mark(self) -> object:
        """See `KeySource.mark`."""
        return None

    def change(self, step: Callable[[MasterKeys], MasterKeys]) -> NoReturn:
        """See `KeySource.change`."""
        del step
        raise ReadOnlyKeysError(
            f"{self.name}: belongs to the service manager. Run this again with --to FILE, then:"
            f" systemd-creds encrypt --name={self._credential} FILE"
            f" /etc/credstore.encrypted/{self._credential}; restart the service; shred -u FILE"
        )


class KeyringBackend(Protocol):
    """What we use of the package `keyring`."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret, or None when there is none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a secret."""


class Keyring:
    """Keys in the keyring of the operating system, through the package `keyring` (an extra)."""

    look_every_s, urgent_every_s = 60.0, 1.0  # each look is a call to another process

    def __init__(self, entry: str, backend: KeyringBackend | None = None) -> None:
        """Take the entry's name, and what holds it; None for the keyring of this machine."""
        self.name = f"keyring entry leadscore/{entry}"
        self._entry = entry
        self._backend = backend

    def read(self) -> MasterKeys:
        """See `KeySource.read`."""
        return replace(parse_keys(self._text(), self.name), source=self)

    def mark(self) -> object:
        """See `KeySource.mark`."""
        return self._text()

    def change(self, step: Callable[[MasterKeys], MasterKeys]) -> MasterKeys:
        """See `KeySource.change`. A keyring has no lock: one person rotates at a time."""
        keys = step(self.read())
        self._call("set_password", "leadscore", self._entry, keys.to_text())
        if parse_keys(self._text(), self.name) != keys:
            raise KeyFileError(f"{self.name}: holds something else than was just put there")
        return replace(keys, source=self)

    def _text(self) -> str:
        found = self._call("get_password", "leadscore", self._entry)
        if found is None:
            raise KeyFileError(
                f"{self.name}: there is no such entry; make a key file and put it there:"
                f" keyring set leadscore {self._entry} < master.key"
            )
        return str(found)

    def _call(self, name: str, *arguments: str) -> Any:
        if self._backend is None:
            try:
                self._backend = importlib.import_module("keyring")
            except ImportError:
                raise KeyFileError(
                    f"{self.name}: needs the package keyring: pip install 'leadscore[keyring]'"
                ) from None
        try:
            return getattr(self._backend, name)(*arguments)
        except Exception as error:  # noqa: BLE001
            # Its backends raise what they like; a text of theirs might hold the secret.
            raise KeyFileError(f"{self.name}: {name} failed: {type(error).__name__}") from None


class Watch:
    """Looks whether the keys changed where they come from. Thread-safe."""

    def __init__(self, keys: MasterKeys, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._source = keys.source
        self._keys = keys
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._mark: object = object()  # unlike any: the first look reads
        self._looked_at = monotonic()

    def look(self, *, is_urgent: bool = False) -> MasterKeys | None:
        """Return the keys if they changed since the last look, else None.

        What cannot be read leaves the keys as they were: a process goes on with what it has.

        Args:
            is_urgent: A key is missing here: look now.
        """
        source = self._source
        if source is None:
            return None
        wait_s = source.urgent_every_s if is_urgent else source.look_every_s
        with self._lock:
            if self._monotonic() - self._looked_at < wait_s:
                return None
            self._looked_at = self._monotonic()
            return self._changed(source)

    def _changed(self, source: KeySource) -> MasterKeys | None:
        try:
            mark = source.mark()
            if mark == self._mark:
                return None
            keys = source.read()
        except KeyFileError as error:
            log.warning("keys.not_read", extra={"error": type(error).__name__})
            return None
        self._mark = mark
        if keys == self._keys:
            return None
        if keys.hash_key() != self._keys.hash_key():
            # Under another one no hash would be found again, the audit trail would break.
            log.error("keys.oldest_is_missing", extra={"version": keys.numbers[0]})
            return None
        self._keys = keys
        log.info("keys.changed", extra={"version": keys.primary})
        return keys
