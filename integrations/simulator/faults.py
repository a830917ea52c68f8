"""Answers gone wrong on purpose: what a test programs, and the WSGI layer that does it.

Each fault names the paths it strikes by a regular expression and how often it does so. Faults
are tried in the order they were added; one that has struck often enough is used up.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to answer badly."""

    path: re.Pattern[str]
    status: int | None = None  #: None lets the call through (after the delay).
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    closes: bool = False  #: The connection ends without an answer.
    halves: bool = False  #: The true answer's head and half of its body, then the end.
    carried_out: bool = False  #: The call takes effect before its answer is lost.


class Faults:
    """The faults still to strike. Safe to program while the simulator serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []
        self._interrupted = threading.Event()
        self.struck = 0  #: How many calls were answered badly.

    def answer(
        self,
        path: str,
        status: int,
        body: object = b"",
        *,
        times: int = 1,
        headers: Iterable[tuple[str, str]] = (),
        carried_out: bool = False,
    ) -> None:
        """Answer the next `times` calls of `path` with `status` and `body`.

        `path` is a regular expression, searched for in the path. `body` is bytes or text as
        they are, anything else as JSON. A call that is `carried_out` takes effect first: its
        true answer is lost.
        """
        named = {name.lower() for name, _ in headers}
        raw = body.encode() if isinstance(body, str) else body
        if not isinstance(raw, bytes):
            raw = json.dumps(body).encode()
        kind = [] if "content-type" in named else [("Content-Type", "application/json")]
        self._add(
            Fault(
                path=re.compile(path),
                status=status,
                body=raw,
                headers=(*headers, *kind),
                carried_out=carried_out,
            ),
            times,
        )

    def html(self, path: str, *, times: int = 1, status: int = 200) -> None:
        """Answer with a web page where JSON is due, as a broken proxy does."""
        page = "<html><body><h1>We'll be right back</h1></body></html>"
        self.answer(path, status, page, times=times, headers=[("Content-Type", "text/html")])

    def delay(self, path: str, delay_s: float, *, times: int = 1) -> None:
        """Answer truly, but late."""
        self._add(Fault(path=re.compile(path), delay_s=delay_s), times)

    def close(self, path: str, *, times: int = 1, carried_out: bool = False) -> None:
        """Close the connection without an answer. Needs the real server."""
        fault = Fault(path=re.compile(path), closes=True, carried_out=carried_out)
        self._add(fault, times)

    def half(self, path: str, *, times: int = 1) -> None:
        """Carry the call out and send only half of its answer."""
        self._add(Fault(path=re.compile(path), halves=True, carried_out=True), times)

    def clear(self) -> None:
        """Forget every fault that has not struck yet."""
        with self._lock:
            self._left.clear()

    def interrupt(self) -> None:
        """End all delays now: the simulator stops."""
        self._interrupted.set()

    def resume(self) -> None:
        """Let delays last again: the simulator starts."""
        self._interrupted.clear()

    def _add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._left.append((fault, times))

    def take(self, path: str) -> Fault | None:
        """Return the fault that strikes this call of `path`, and use it up by one."""
        if not self._left:
            return None
        with self._lock:
            for place, (fault, times) in enumerate(self._left):
                if fault.path.search(path):
                    if times > 1:
                        self._left[place] = (fault, times - 1)
                    else:
                        del self._left[place]
                    self.struck += 1
                    return fault
        return None

    def wait(self, delay_s: float) -> None:
        """Wait for `delay_s` or until interrupted."""
        self._interrupted.wait(delay_s)


class FaultyApplication:
    """A WSGI application that answers as `faults` say and as `application` does otherwise."""

    def __init__(self, application: WSGIApplication, faults: Faults) -> None:
        self._application = application
        self._faults = faults

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """See PEP 3333."""
        fault = self._faults.take(environ["PATH_INFO"])
        if fault is None:
            return self._application(environ, start)
        if fault.delay_s:
            self._faults.wait(fault.delay_s)
        if fault.halves:
            return self._half(environ, start)
        if fault.carried_out:
            b"".join(_close_after(self._application(environ, _discard)))
        if fault.closes:
            _hang_up(environ)
        elif fault.status is None:
            return self._application(environ, start)
        status = fault.status or HTTPStatus.BAD_GATEWAY
        start(f"{status} {_reason(status)}", _with_length(fault.headers, len(fault.body)))
        return [fault.body]

    def _half(self, environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def remember(
            status: str, headers: list[tuple[str, str]], _: object = None
        ) -> Callable[[bytes], object]:
            seen.append((status, headers))
            return lambda _: None

        body = b"".join(_close_after(self._application(environ, remember)))
        status, headers = seen[0]
        # The full length is promised, so the client can tell that the answer broke off.
        start(status, _with_length(headers, len(body)))
        return [body[: len(body) // 2]]


def _discard(*_: object) -> Callable[[bytes], object]:
    return lambda _: None


def _close_after(chunks: Iterable[bytes]) -> Iterable[bytes]:
    try:
        yield from chunks
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _with_length(headers: Iterable[tuple[str, str]], length: int) -> list[tuple[str, str]]:
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return [*kept, ("Content-Length", str(length))]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"  # HubSpot's own codes, 477 and 523 among them


def _hang_up(environ: WSGIEnvironment) -> None:
    """Shut the client's socket down; waitress then finds it gone and drops the answer."""
    probe = environ.get("waitress.client_disconnected")
    if probe is None:
        raise RuntimeError("closing a connection needs the waitress server")
    channel = probe.__self__
    channel.socket.shutdown(socket.SHUT_RDWR)
    time.sleep(0.01)  # let the server's loop see the end before the answer is ready
