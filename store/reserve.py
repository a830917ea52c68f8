"""The disk reserve: a file beside SQLite's, given up when the disk is full (S83).

A full disk must not be the end of purging and scoring, which need a little room themselves. So a
file of some megabytes is held ready. The first write that fails for want of room releases it: the
worker and housekeeping go on in what that frees. Receivers take nothing until the reserve is held
again, so that they do not eat it up; the CRM keeps what they refuse and sends it again.

Whether it is held is told by the file itself: all processes on this database see the same.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

#: It is made again only when so much is left beside it, as a part of its size: otherwise the next
#: delivery would release it at once.
_MARGIN = 0.25
#: How often a receiver looks whether there is room again.
_LOOK_EVERY_S = 1.0
_CHUNK = 1024 * 1024


class Reserve:
    """A preallocated file. Safe to use from several threads and processes."""

    def __init__(
        self, path: Path, size: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the place of the file and its size in bytes, more than 0; makes nothing yet."""
        self._path = path
        self._size = size
        self._monotonic = monotonic
        self._look_at = -1.0  #: Monotonic instant before which no room is looked for.

    @property
    def size(self) -> int:
        """How many bytes are held ready."""
        return self._size

    def is_held(self) -> bool:
        """Tell whether the file is there in its full size."""
        try:
            return os.stat(self._path).st_size >= self._size  # noqa: PTH116  the hot path
        except FileNotFoundError:
            return False

    def hold(self) -> bool:
        """Tell whether the reserve is held, after making it where there is room."""
        if self.is_held():
            return True
        now = self._monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_EVERY_S
        found = os.statvfs(self._path.parent)
        if found.f_bavail * found.f_frsize < self._size * (1 + _MARGIN):
            return False
        try:
            self._make()
        except OSError as error:
            self.release()
            log.warning("disk_reserve.not_made", extra={"error": type(error).__name__})
            return False
        log.info("disk_reserve.made", extra={"bytes": self._size})
        return True

    def release(self) -> None:
        """Give the room back; safe to repeat."""
        self._look_at = self._monotonic() + _LOOK_EVERY_S
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size:
                os.truncate(self._path, 0)
                log.error("disk_reserve.released", extra={"bytes": self._size})

    def _make(self) -> None:
        # Whole or not at all: only a file of its full size counts as held.
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, self._size)
            else:  # macOS
                for start in range(0, self._size, _CHUNK):
                    os.pwrite(handle, bytes(min(_CHUNK, self._size - start)), start)
            os.fsync(handle)
        finally:
            os.close(handle)
