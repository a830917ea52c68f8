"""Serves a simulator on a loopback port for as long as a `with` block runs."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from wsgiref.types import WSGIApplication

import waitress
from waitress import wasyncore

THREADS = 16


class Simulator(Protocol):
    """What can be served: both CRMs."""

    @property
    def app(self) -> WSGIApplication:
        """The WSGI application."""
        ...

    def start(self) -> None:
        """Start sending deliveries."""

    def stop(self) -> None:
        """Stop sending deliveries."""


@contextmanager
def running(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve `simulator` and send its deliveries; yields the base URL, ends within a second.

    Port 0 takes a free one.
    """
    channels: dict[int, Any] = {}
    server = waitress.create_server(
        simulator.app,
        map=channels,
        host=host,
        port=port,
        threads=THREADS,
        ident=None,
        asyncore_use_poll=True,  # `select` fails as a whole over one socket that is cut under it
    )
    thread = threading.Thread(target=server.run, name="simulator", daemon=True)
    thread.start()
    simulator.start()
    try:
        yield f"http://{host}:{server.effective_port}"
    finally:
        simulator.stop()
        # Workers end before the sockets close: one that wakes the server later would write
        # to a file descriptor that by then may be another file's.
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)
        # Sockets belong to the server's own thread, so it is that thread that closes them. A fault
        # that cuts connections may have ended its loop before: then nobody else uses them.
        with contextlib.suppress(OSError):
            server.trigger.pull_trigger(lambda: wasyncore.close_all(channels, ignore_all=True))
        thread.join(timeout=1.0)
        if not thread.is_alive():
            wasyncore.close_all(channels, ignore_all=True)
