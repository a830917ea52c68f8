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
        self._ends = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def start(self) -> None:
        """Begin to watch."""
        self._timer.start()

    def stop(self) -> None:
        """End watching: the reply is read, or the call has failed."""
        self._timer.cancel()
        self._socket = None

    def uses(self, connection: socket.socket | None) -> None:
        """Say which socket the call uses now."""
        self._socket = connection

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return time.monotonic() >= self._ends

    def _cut(self) -> None:
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RDWR)


class DeadlinePools:
    """Connection pools whose calls tell the calling thread's deadline which socket they use."""

    def __init__(self) -> None:
        self._calling = threading.local()

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
        found.start()
        try:
            yield found
        finally:
            found.stop()
