"""A bound on a whole call. A socket's own time-out bounds each silence, not their sum (S37).

A reply of one byte a second is never silent for long: header and body could take hours. So each
call has a deadline that shuts its socket down, whatever the call waits for at that moment.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """The end of one call, by a clock that only runs forward."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self._socket: socket.socket | None = None

    def uses(self, connection: socket.socket | None) -> None:
        """Say which socket the call uses now; None when it uses none any more.

        One that comes after the end is cut at once: nobody watches the call any more.
        """
        self._socket = connection
        if self.is_over():
            self.cut()

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return time.monotonic() >= self.ends

    def cut(self) -> None:
        """Shut the call's socket down."""
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RDWR)


class _Watch:
    """One thread that cuts the calls whose time is over; a timer each would cost half a call."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._running: set[Deadline] = set()
        self._wakes_at = 0.0  #: When the thread looks again by itself; monotonic.
        self._thread: threading.Thread | None = None

    def begin(self, deadline: Deadline) -> None:
        """Watch a call."""
        with self._news:
            self._running.add(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._wakes_at = deadline.ends
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline.ends < self._wakes_at:
                self._news.notify()

    def end(self, deadline: Deadline) -> None:
        """Watch it no more."""
        with self._news:
            self._running.discard(deadline)

    def _watch(self) -> None:
        """Cut what is over, again and again; end when nothing was running for a while."""
        with self._news:
            while self._running:
                for each in [each for each in self._running if each.is_over()]:
                    each.cut()
                    self._running.discard(each)
                now = time.monotonic()
                self._wakes_at = min((each.ends for each in self._running), default=now + 1.0)
                self._news.wait(self._wakes_at - now)
            self._thread = None


class DeadlinePools:
    """Connection pools whose calls tell the calling thread's deadline which socket they use."""

    def __init__(self) -> None:
        self._calling = threading.local()
        self._watch = _Watch()

    def install(self, manager: PoolManager) -> None:
        """Let `manager` make such pools."""
        calling = self._calling

        class Plain(HTTPConnection):
            def getresponse(self) -> Any:
                calling.deadline.uses(self.sock)
                return super().getresponse()

        class Secure(HTTPSConnection):
            def getresponse(self) -> Any:
                calling.deadline.uses(self.sock)
                return super().getresponse()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """Bound the calls of this thread until the block ends."""
        found = self._calling.deadline = Deadline(seconds)
        self._watch.begin(found)
        try:
            yield found
        finally:
            self._watch.end(found)
            found.uses(None)
