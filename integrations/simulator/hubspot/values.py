"""Checks and normal forms of property values, as HubSpot keeps them.

Every value travels as a string and "" clears. Source: reference hubspot.md section 4.1; HubSpot
docs "Properties"; error codes as in public logs (see `errors.py`).
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

#: Longest text. Source: HubSpot docs "Properties".
TEXT_LIMIT = 65_536

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class InvalidValueError(ValueError):
    """A value that the property does not take."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(code)
        self.message = message
        self.code = code


Check = Callable[[str], str]  #: Value to its kept form; raises InvalidValueError.


def check_for(definition: Mapping[str, object], options: Collection[str]) -> Check:
    """Return the check for a property definition whose visible option values are `options`."""
    if definition["name"] == "email":
        return _email
    kind = str(definition["type"])
    if kind == "enumeration":
        several = definition["fieldType"] == "checkbox"
        return lambda value: _option(value, options, several=several)
    plain: dict[str, Check] = {
        "number": _number,
        "datetime": _datetime,
        "date": _date,
        "bool": _bool,
    }
    return plain.get(kind, _text)


def iso(at: datetime) -> str:
    """Return an aware instant as HubSpot writes it: UTC with milliseconds.

    >>> iso(datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC))
    '2026-09-21T14:13:20.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant(value: str) -> datetime | None:
    """Return the instant of an ISO 8601 text or of epoch milliseconds, None for other text."""
    if re.fullmatch(r"-?\d{1,15}", value):
        try:
            return _EPOCH + timedelta(milliseconds=int(value))
        except OverflowError:
            return None
    if not _ISO.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@lru_cache(maxsize=1024)
def _number(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise InvalidValueError(f"{value} was not a valid number.", "INVALID_DOUBLE")
    return value


@lru_cache(maxsize=1024)  # a batch tends to carry the same few instants
def _datetime(value: str) -> str:
    at = instant(value)
    if at is None:
        raise InvalidValueError(f"{value} was not a valid long.", "INVALID_LONG")
    return iso(at)


def _date(value: str) -> str:
    at = instant(value)
    if at is None:
        raise InvalidValueError(f"{value} was not a valid long.", "INVALID_LONG")
    if at.astimezone(UTC).timetz().replace(tzinfo=None).isoformat() != "00:00:00":
        raise InvalidValueError(f"{value} is at {at:%H:%M:%S} UTC, not midnight!", "INVALID_DATE")
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def _bool(value: str) -> str:
    if value not in ("true", "false"):
        raise InvalidValueError(f"{value} was not a valid boolean.", "INVALID_BOOLEAN")
    return value


def _option(value: str, options: Collection[str], *, several: bool) -> str:
    if value in options:
        return value
    chosen = [part for part in value.split(";") if part] if several else [value]
    for part in chosen:
        if part not in options:
            listed = ", ".join(options)
            raise InvalidValueError(
                f"{part} was not one of the allowed options: [{listed}]", "INVALID_OPTION"
            )
    return ";".join(chosen)


def _text(value: str) -> str:
    if len(value) > TEXT_LIMIT:
        raise InvalidValueError(
            f"Value is too long: {len(value)} of {TEXT_LIMIT} characters.",
            "PROPERTY_VALUE_TOO_LONG",
        )
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise InvalidValueError(f"Email address {value} is invalid", "INVALID_EMAIL")
    return value.lower()
