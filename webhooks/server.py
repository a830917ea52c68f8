"""waitress, with the limits of S11 in its parser: refused while reading, never cut silently.

waitress reads slow clients in one thread that never blocks, and hands over whole requests only, so
eighty slow clients do not stop a good one (S12; reference measurements.md section 1). Its own
parser joins chunked bodies and knows one limit for all paths; this one refuses chunked bodies (411),
any content coding (415) and more than the path's limit (413) as soon as the headers are read.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import (
    HTTPRequestParser,
    ParsingError,
    TransferEncodingNotImplemented,
)
from waitress.server import BaseWSGIServer, MultiSocketServer
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import Error, RequestEntityTooLarge

from config.logs import fault_of
from store.group_commit import run_together
from store.inbox import STORE_TIMEOUT_S

log = logging.getLogger(__name__)

WsgiApp = Callable[..., Any]

#: Source: SECURITY-REQUIREMENTS S11.
JSON_LIMIT = 1024 * 1024
XML_LIMIT = 4 * 1024 * 1024
#: Every other route reads a small form at most.
OTHER_LIMIT = 64 * 1024

HEADER_LIMIT = 16 * 1024
#: Requests that one thread serves together at most.
TOGETHER = 64
#: Bounds what half-read bodies can hold: 256 x 4 MiB at the very worst.
MAX_CONNECTIONS = 256
#: A connection that says nothing for so long is closed.
IDLE_S = 60


class LengthRequiredError(Error):  # type: ignore[misc]  # waitress has no types
    """411: a chunked body, whose size nobody knows beforehand."""

    code = 411
    reason = "Length Required"


def _chunked() -> tuple[Error | None, str]:
    """Return how any transfer coding is refused, and the reason that is counted."""
    return LengthRequiredError("send a Content-Length"), "body_chunked"


class UnsupportedMediaTypeError(Error):  # type: ignore[misc]  # waitress has no types
    """415: a content coding; a small body could unpack to a large one."""

    code = 415
    reason = "Unsupported Media Type"


def body_limit(path: str) -> int:
    """Return how many bytes a request to `path` may carry.

    >>> body_limit("/webhooks/hubspot"), body_limit("/webhooks/salesforce/secret")
    (1048576, 4194304)
    """
    if path.startswith("/webhooks/salesforce/"):
        return XML_LIMIT
    return JSON_LIMIT if path.startswith("/webhooks/") else OTHER_LIMIT


class StrictParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """waitress's parser with our limits; `refused` is told of each request that it refuses."""

    refused: Callable[[str, str], None]

    def received(self, data: bytes) -> int:
        """See `HTTPRequestParser.received`."""
        had_error = self.error is not None
        consumed = int(super().received(data))
        if self.error is not None and not had_error and not self._is_counted:
            # waitress's own refusals: what is no HTTP, or has too much of a header.
            self.refused(_crm(getattr(self, "path", "")), f"http_{self.error.code}")
        return consumed

    _is_counted = False

    def parse_header(self, header_plus: bytes) -> None:
        """See `HTTPRequestParser.parse_header`."""
        try:
            super().parse_header(header_plus)
        except ValueError:
            # waitress reads a length of thousands of digits with `int`, which refuses it.
            raise ParsingError("Content-Length is invalid") from None
        except TransferEncodingNotImplemented:
            # waitress says 501: no input may cause a 5xx, which the sender would repeat (S18).
            error, reason = _chunked()
        else:
            error, reason = self._refusal()
        if error is None:
            return
        self.refused(_crm(self.path), reason)
        self._is_counted = True
        # Without a receiver for the body the request is complete: it is answered at once
        # and the connection closed, whatever else the sender has to say.
        self.error = error
        self.body_rcv = None
        self.content_length = 0
        self.expect_continue = False
        self.connection_close = True

    def _refusal(self) -> tuple[Error | None, str]:
        # HTTP/1.0 has no transfer codings; waitress leaves the header there.
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            return _chunked()
        if self.headers.get("CONTENT_ENCODING", "identity").lower() != "identity":
            return UnsupportedMediaTypeError("send the body as it is"), "body_coded"
        limit = body_limit(self.path)
        if self.content_length > limit:
            return RequestEntityTooLarge(f"at most {limit} bytes"), "body_too_large"
        return None, ""


def _parser(told: Callable[[str, str], None]) -> type[StrictParser]:
    class Parser(StrictParser):
        refused = staticmethod(told)

    return Parser


def _crm(path: str) -> str:
    for crm in ("hubspot", "salesforce"):
        if path.startswith(f"/webhooks/{crm}"):
            return crm
    return "other"


def _serve(channel: HTTPChannel) -> None:
    """Answer one request; nothing it raises may reach the others."""
    try:
        channel.service()
    except Exception as error:  # noqa: BLE001  logged by class and place, without its text
        kind, place = fault_of(error)
        log.error("request.failed", extra={"error": kind, "place": place})  # noqa: TRY400


class TogetherDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Hands one thread all requests that wait, so that their rows share a commit.

    A second thread takes part only when the first has not come back for a while: the database is
    busy, or a page takes long. Under Python's interpreter lock more threads at once are slower:
    they wake each other instead of working (docs/decisions/0002).
    """

    def __init__(self, threads: int) -> None:
        """Start `threads` threads."""
        super().__init__()
        #: A thread that has not come back for so long is helped by the next one. With a locked
        #: database the last one comes to help as the first gives up: nobody waits twice.
        self._stuck_s = STORE_TIMEOUT_S / threads
        self._working = 0
        self._taken_at = 0.0  #: When a thread took requests last, monotonic.
        self._is_watched = False
        self.set_thread_count(threads)

    def handler_thread(self, thread_no: int) -> None:
        """Serve requests until told to stop. Source: waitress 3.0.2, task.py, same name."""
        while channels := self._take():
            run_together(partial(_serve, channel) for channel in channels)
            with self.lock:
                self._working -= 1
        with self.lock:
            self.stop_count -= 1
            self.threads.discard(thread_no)
            self.thread_exit_cv.notify()

    def _take(self) -> list[HTTPChannel]:
        """Wait for requests; return those that wait, or nothing when the thread shall end."""
        with self.lock:
            while not self.stop_count:
                now = time.monotonic()
                if self.queue and (not self._working or now - self._taken_at > self._stuck_s):
                    self._working += 1
                    self._taken_at = now
                    if not self._is_watched:
                        self.queue_cv.notify()
                    return [self.queue.popleft() for _ in range(min(len(self.queue), TOGETHER))]
                if self._is_watched:
                    self.queue_cv.wait()
                else:  # one idle thread looks whether the others are stuck
                    self._is_watched = True
                    self.queue_cv.wait(self._stuck_s)
                    self._is_watched = False
            return []

    def add_task(self, task: HTTPChannel) -> None:
        """Queue a channel whose request is whole."""
        with self.lock:
            self.queue.append(task)
            if not self._working:
                self.queue_cv.notify()


def build_server(
    app: WsgiApp,
    *,
    host: str,
    port: int,
    threads: int,
    refused: Callable[[str, str], None],
) -> BaseWSGIServer | MultiSocketServer:
    """Return a waitress server that listens on `host:port`; `run()` serves, `close()` ends.

    Args:
        app: The WSGI application.
        host: Address to listen on.
        port: Port; 0 takes a free one, found in `server.effective_port`.
        threads: Threads that run the application.
        refused: Called with the CRM and a reason code for each request refused here.
    """
    parser = _parser(refused)

    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        parser_class = parser

    server = create_server(
        app,
        _dispatcher=TogetherDispatcher(threads),
        host=host,
        port=port,
        ident=None,
        connection_limit=MAX_CONNECTIONS,
        backlog=1024,
        channel_timeout=IDLE_S,
        cleanup_interval=10,
        asyncore_use_poll=True,
        max_request_header_size=HEADER_LIMIT,
        max_request_body_size=XML_LIMIT + 1,
        # Bodies stay in memory: a temporary file would hold contact data in clear (S62).
        inbuf_overflow=XML_LIMIT + 2,
        clear_untrusted_proxy_headers=False,
        expose_tracebacks=False,
        # A delivery of a hundred events comes in one read, not in five.
        recv_bytes=65_536,
    )
    # A host name may stand for several sockets, each with a server of its own.
    listening = [server, *getattr(server, "map", {}).values()]
    for one in listening:
        if isinstance(one, BaseWSGIServer):
            one.channel_class = Channel
    return server


class HttpServer:
    """The server in a thread of its own."""

    def __init__(
        self,
        app: WsgiApp,
        *,
        host: str,
        port: int,
        threads: int,
        refused: Callable[[str, str], None],
    ) -> None:
        self._server = build_server(app, host=host, port=port, threads=threads, refused=refused)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        if isinstance(self._server, MultiSocketServer):
            return int(self._server.effective_listen[0][1])
        return int(self._server.effective_port)

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._server.run()
            except OSError:
                # The loop may stumble over a socket that was closed under it; by `stop`, too.
                if not self._stopping.is_set():
                    log.exception("server.loop_failed")
                    time.sleep(0.1)
                    continue
            return

    def stop(self) -> None:
        """Answer what was read, then close every connection."""
        self._stopping.set()
        self._server.task_dispatcher.shutdown(timeout=5)
        # waitress's loop ends when no socket is left; only the loop itself may close them.
        sockets = self._server.map if isinstance(self._server, MultiSocketServer) else None
        sockets = self._server._map if sockets is None else sockets  # noqa: SLF001
        trigger = next(
            (one for one in [self._server, *sockets.values()] if hasattr(one, "trigger")), None
        )
        if trigger is not None:
            with contextlib.suppress(
                OSError
            ):  # the loop has lost what wakes it: it ends by itself
                trigger.trigger.pull_trigger(lambda: wasyncore.close_all(sockets))
        self._thread.join(5)
