"""Scores JSON lines: one line in, one line out, in the same order; no database, no CRM."""

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple, Never

import orjson

from console.answer import AnswerWriter
from scoring.engine import score
from scoring.errors import FieldError
from scoring.lead import READERS, Lead, read_activity, read_instant
from scoring.model import ScoringModel
from scoring.text.semantic import Meaning

MAX_LINE_BYTES: Final = 4_000_000
MAX_ACTIVITIES: Final = 10_000
MAX_ID_CHARS: Final = 200
_KEYS: Final = frozenset({"id", "text", "fields", "activities", "created_at"})
_SPACED_COLON: Final = re.compile(rb'"[ \t\r\n]+:')
_ACTIVITY_KEYS: Final = frozenset({"kind", "at", "count"})


class LineError(Exception):
    """A line that cannot be scored; the message shows no value of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.id: str | int | None = None  #: Of the line, where it can be read.


class Scored(NamedTuple):
    """One line of output, and what of it is counted."""

    line: str
    score: int | None
    tier: str  #: Empty for a bad line.


class LineReader:
    """Reads leads from lines of JSON, strictly."""

    def __init__(self) -> None:
        # Made once: `json.loads` with hooks makes a decoder for every line.
        self._decode = json.JSONDecoder(
            object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        ).raw_decode

    def __call__(self, line: bytes) -> tuple[str | int, Lead]:
        """Return id and lead. Raises: LineError, which shows no value but the id."""
        record = _read_fast(line)
        if record is None:
            record = _read(line, self._decode)
        try:
            return _id(record), _lead(record)
        except LineError as error:
            error.id = _id_or_none(record)
            raise


class LineScorer:
    """Turns lines of JSON into lines of JSON, under one model at one instant."""

    def __init__(self, model: ScoringModel, now: datetime, meaning: Meaning | None = None) -> None:
        self._model = model
        self._meaning = meaning
        self._now = now
        self._reader = LineReader()
        self._answer = AnswerWriter().write

    def __call__(self, line: bytes) -> Scored:
        """Return the scored line, with its line end.

        A bad line gives `{"id", "error": {"code", "message"}}`, with a null id where it has none
        that can be read.
        """
        try:
            lead_id, lead = self._reader(line)
        except LineError as error:
            answer = {"id": error.id, "error": {"code": error.code, "message": str(error)}}
            return Scored(json.dumps(answer) + "\n", None, "")
        found = score(lead, self._model, self._now, self._meaning)
        return Scored(self._answer(lead_id, found) + "\n", found.score, found.tier)


def _read_fast(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of `line`, or None where only the strict reader can tell.

    orjson refuses all that RFC 8259 does, but of a key that occurs twice it keeps the last. Every
    key is followed by a colon: where the text has as many as the object has keys, none was lost.
    """
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        record = orjson.loads(line)
        fields, activities = record.get("fields") or (), record.get("activities") or ()
        keys = len(record) + len(fields) + sum(map(len, activities))
    except (ValueError, AttributeError, TypeError):
        return None
    if keys != line.count(b'":') or _SPACED_COLON.search(line) is not None:
        return None
    return record  # type: ignore[no-any-return]  # it has `get` and is no list: an object


def _read(line: bytes, decode: Callable[[str], tuple[Any, int]]) -> dict[str, object]:
    """Return the JSON object of `line`, read strictly: RFC 8259 and no key twice."""
    if len(line) > MAX_LINE_BYTES:
        raise LineError("too_long", f"the line has more than {MAX_LINE_BYTES} bytes")
    try:
        text = line.strip(b" \t\r\n").decode("utf-8")
        record, end = decode(text)
        if "\\u" in text:
            # Only an escape can name half a character; what cannot be encoded has one.
            json.dumps(record, ensure_ascii=False).encode("utf-8")
    except LineError:
        raise
    except UnicodeEncodeError:
        raise LineError("invalid_json", "half a character: a surrogate without its pair") from None
    except UnicodeDecodeError:
        raise LineError("invalid_json", "not UTF-8") from None
    except RecursionError:
        raise LineError("invalid_json", "nested too deep") from None
    except ValueError:
        raise LineError("invalid_json", "not a JSON value on one line") from None
    if end != len(text):
        raise LineError("invalid_json", "not a JSON value on one line")
    if not isinstance(record, dict):
        raise LineError("invalid_line", "must be a JSON object")
    return record


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise LineError("invalid_json", "a key occurs twice in one object")
    return found


def _refuse_constant(_: str) -> Never:
    raise LineError("invalid_json", "NaN and Infinity are no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise LineError("invalid_json", "a number is too large")
    return number


def _id(record: dict[str, object]) -> str | int:
    found = _id_or_none(record)
    if found is None:
        raise LineError(
            "invalid_id", f"id: must be text of 1 to {MAX_ID_CHARS} characters or a whole number"
        )
    return found


def _id_or_none(record: dict[str, object]) -> str | int | None:
    found = record.get("id")
    if isinstance(found, str) and 0 < len(found) <= MAX_ID_CHARS:
        return found
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63:
        return found
    return None


def _lead(record: dict[str, object]) -> Lead:
    if not record.keys() <= _KEYS:
        raise LineError("unknown_key", "allowed keys: " + ", ".join(sorted(_KEYS)))
    text = record.get("text")
    fields = record.get("fields")
    created_at = record.get("created_at")
    if text is not None and not isinstance(text, str):
        raise LineError("invalid_text", "text: must be text")
    if fields is not None and not isinstance(fields, dict):
        raise LineError("invalid_field", "fields: must be an object")
    try:
        readers = READERS
        read = {
            name: readers[name](value)
            for name, value in (fields or {}).items()
            if value is not None
        }
        activities = record.get("activities")
        return Lead(
            text=text or "",
            fields=read,
            activities=tuple(_activities(activities)) if activities else _none(activities),
            created_at=None if created_at is None else read_instant("created_at", created_at),
        )
    except FieldError as error:
        raise LineError("invalid_field", str(error)) from None
    except KeyError:
        raise LineError("invalid_field", "fields: unknown field") from None


def _none(found: object) -> tuple[Any, ...]:
    if found is None or found == []:
        return ()
    raise LineError("invalid_activity", f"activities: must be a list of at most {MAX_ACTIVITIES}")


def _activities(found: object) -> Iterable[Any]:
    if not isinstance(found, list) or len(found) > MAX_ACTIVITIES:
        raise LineError(
            "invalid_activity", f"activities: must be a list of at most {MAX_ACTIVITIES}"
        )
    for item in found:
        if not isinstance(item, dict) or not item.keys() <= _ACTIVITY_KEYS:
            raise LineError("invalid_activity", "activities: objects with kind, at and count")
        yield read_activity(item.get("kind"), item.get("at"), item.get("count", 1))
