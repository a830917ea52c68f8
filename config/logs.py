"""JSON log lines built from an allow-list of fields: ids, counts and codes, never values (S59).

A line's message is a constant event name; its facts come in `extra`. A fact whose name is not in
`FACTS` is left out and its name listed under "dropped", so that a slip shows without leaking.
Tracebacks are written as class and place only: an exception's text may hold a value.
"""

import contextlib
import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

#: Every fact a log line may carry. All are ids, counts, codes, names or durations.
FACTS = frozenset(
    {
        "account",
        "address",
        "attempt",
        "attempts",
        "batch",
        "bytes",
        "calls",
        "cause",
        "code",
        "count",
        "crm",
        "database",
        "dead",
        "delivery",
        "duration_ms",
        "error",
        "events",
        "fence",
        "gone",
        "ignored",
        "lag_ms",
        "object_type",
        "passed",
        "path",
        "place",
        "port",
        "reason",
        "record_id",
        "records",
        "refused",
        "rejects",
        "request_id",
        "retry_in_s",
        "retried",
        "status",
        "threads",
        "unchanged",
        "version",
        "waiting",
        "wait_s",
        "written",
    }
)

_ENCODER = json.JSONEncoder(default=str, separators=(",", ":"))

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "log": record.name,
            "event": record.msg if _is_ours(record) else "library",
        }
        facts = vars(record)
        given = facts.keys() - _STANDARD
        for name in sorted(given & FACTS):
            line[name] = facts[name]
        dropped = given - FACTS
        if dropped:
            line["dropped"] = sorted(dropped)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"], line["place"] = fault_of(record.exc_info[1])
        return _ENCODER.encode(line)


def fault_of(error: BaseException) -> tuple[str, str]:
    """Return an exception's class name and the place it was raised at: no text, no locals."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__, ""
    # With its folder: both CRMs have an adapter.py.
    file = "/".join(frames[-1].filename.split("/")[-2:])
    return type(error).__name__, f"{file}:{frames[-1].lineno}"


#: Our packages. The text of a library's message may hold a URL or a value: it is not printed.
_OURS = ("config", "scoring", "integrations", "store", "webhooks", "console")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _OURS


#: Lines wait at most this long before they are written, several in one call.
FLUSH_S = 0.2


class BatchedStream(logging.Handler):
    """Writes lines several at a time: a write for each would cost a busy receiver a fifth of its rate.

    A line of level error is written at once, with all that wait. A process that is killed outright
    loses the lines of its last moment; what it accepted is in the database all the same.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: list[logging.LogRecord] = []
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def createLock(self) -> None:  # noqa: N802  the name is logging's
        """Make no lock: appending to a list needs none."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self._waiting.append(record)
        if record.levelno >= logging.ERROR:
            self.flush()

    def flush(self) -> None:
        """Write all lines that wait."""
        with self._writing:
            records, self._waiting = self._waiting, []
            if records:
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("".join(self.format(record) + "\n" for record in records))
                    self._stream.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_S):
            self.flush()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._stopping.set()
        self._thread.join(1.0)
        self.flush()
        super().close()


def start_logging(level: str, stream: TextIO | None = None) -> logging.Handler:
    """Send all log lines of this process to `stream` (standard error), as JSON.

    Returns:
        The handler; closing it writes the last lines. Python's exit does so, too.
    """
    handler = BatchedStream(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in ("urllib3", "alembic", "waitress", "requests", "werkzeug"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # Silent but for its own failures: stack traces of a broken log line carry values.
    logging.raiseExceptions = False
    # Facts no line of ours shows; leaving them out halves the cost of a line.
    # Source: Python 3.11 documentation, "Logging HOWTO", section "Optimization".
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001
    return handler
