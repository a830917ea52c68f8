"""JSON log lines built from an allow-list of fields: ids, counts and codes, never values (S59).

A line's message is a constant event name; its facts come in `extra`. A fact whose name is not in
`FACTS` is left out and its name listed under "dropped", so that a slip shows without leaking.
Tracebacks are written as class and place only: an exception's text may hold a value.
"""

import json
import logging
import sys
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
        "sqlite",
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
        dropped = []
        for name, value in vars(record).items():
            if name in FACTS:
                line[name] = value
            elif name not in _STANDARD:
                dropped.append(name)
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


def start_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all log lines of this process to `stream` (standard error), as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
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
