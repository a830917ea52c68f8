"""What is scored: a lead in canonical field names, and the activities around it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from scoring.errors import FieldError
from scoring.labels import (
    ACTIVITY_KINDS,
    CHANNELS,
    INQUIRY_TYPES,
    INSURANCES,
    PAYER_KINDS,
    PROCEDURES,
    URGENCIES,
)

FieldValue: TypeAlias = str | float | int | bool | datetime | tuple[str, ...]

#: Instants outside these years are typing errors, and would break the arithmetic of dates.
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
MAX_TEXT_FIELD_CHARS: Final = 500
_INSTANT_REMEDY: Final = "must be an ISO 8601 instant with an offset, such as 2026-03-01T09:00:00Z"
MAX_LIST_ITEMS: Final = 100
MAX_COUNT: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKind:
    """The type of a canonical field."""

    name: str  #: choice, choices, text, number, flag or instant.
    allowed: tuple[str, ...] = ()  #: The values of a choice; empty for the other kinds.
    lowest: float | None = None  #: Smallest number allowed.
    highest: float | None = None  #: Largest number allowed.


_TEXT = FieldKind(name="text")
_FLAG = FieldKind(name="flag")
_INSTANT = FieldKind(name="instant")
_COUNT = FieldKind(name="number", lowest=0)

#: The canonical fields: name -> kind.
FIELDS: Final[Mapping[str, FieldKind]] = MappingProxyType(
    {
        "inquiry_type": FieldKind(name="choice", allowed=INQUIRY_TYPES),
        "urgency": FieldKind(name="choice", allowed=URGENCIES),
        "insurance_status": FieldKind(name="choice", allowed=INSURANCES),
        "payer_kind": FieldKind(name="choice", allowed=PAYER_KINDS),
        "insurance_carrier": _TEXT,
        "procedures": FieldKind(name="choices", allowed=PROCEDURES),
        "service_line": _TEXT,
        "channel": FieldKind(name="choice", allowed=CHANNELS),
        "source": _TEXT,
        "consent_to_contact": _FLAG,
        "existing_patient": _FLAG,
        "has_phone": _FLAG,
        "has_email": _FLAG,
        "web_visits": _COUNT,
        "form_submissions": _COUNT,
        "email_opens": _COUNT,
        "email_clicks": _COUNT,
        "last_web_visit_at": _INSTANT,
        "last_email_open_at": _INSTANT,
        "last_email_click_at": _INSTANT,
        "last_email_reply_at": _INSTANT,
        "last_form_submission_at": _INSTANT,
        "last_contacted_at": _INSTANT,
        "first_response_at": _INSTANT,
        "booked_at": _INSTANT,
        "override_score": FieldKind(name="number", lowest=0, highest=100),
        "override_reason": _TEXT,
        "override_until": _INSTANT,
    }
)
#: What a field map may fill: the fields, and `message` -> `Lead.text`, `created_at`.
MAPPABLE: Final[Mapping[str, FieldKind]] = MappingProxyType(
    {**FIELDS, "message": _TEXT, "created_at": _INSTANT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something that happened around a lead."""

    kind: str  #: One of `labels.ACTIVITY_KINDS`; other kinds earn nothing.
    at: datetime
    count: int = 1  #: How many times at that instant.


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """An inquiry, as far as it is known; what is missing is simply not there."""

    text: str = field(default="", repr=False)
    fields: Mapping[str, FieldValue] = field(default_factory=dict, repr=False)
    activities: tuple[Activity, ...] = ()
    created_at: datetime | None = None


def read_field(name: str, value: object) -> FieldValue:
    """Return the untrusted `value` as field `name` wants it.

    Instants come as ISO 8601 text with an offset, or as aware datetimes; lists as lists of text.

    Raises:
        FieldError: The field does not exist or the value does not fit; the value is not shown.

    >>> read_field("procedures", ["ivf", "egg_freezing"])
    ('ivf', 'egg_freezing')
    >>> read_field("override_score", 101)
    Traceback (most recent call last):
        ...
    scoring.errors.FieldError: override_score: must be a number from 0 to 100
    """
    reader = READERS.get(name)
    if reader is None:
        raise FieldError("unknown field")
    return reader(value)


def read_instant(name: str, value: object) -> datetime:
    """Return an instant in UTC from ISO 8601 text with an offset, or from an aware datetime.

    Raises:
        FieldError: Not such an instant, or outside the years 1900 to 2200.

    >>> read_instant("created_at", "2026-03-01T09:00:00+01:00")
    datetime.datetime(2026, 3, 1, 8, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise FieldError(f"{name}: {_INSTANT_REMEDY}") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise FieldError(f"{name}: {_INSTANT_REMEDY}")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise FieldError(f"{name}: must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def read_activity(kind: object, at: object, count: object = 1) -> Activity:
    """Return an activity from untrusted values.

    Raises:
        FieldError: The kind is not known, or instant or count do not fit.
    """
    if not isinstance(kind, str) or kind not in ACTIVITY_KINDS:
        raise FieldError("activities.kind: must be one of " + ", ".join(ACTIVITY_KINDS))
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise FieldError(f"activities.count: must be a whole number from 1 to {MAX_COUNT}")
    return Activity(kind=kind, at=read_instant("activities.at", at), count=count)


def _choice(name: str, kind: FieldKind) -> Callable[[object], FieldValue]:
    # One object for each label: comparing it later is comparing addresses.
    allowed: dict[object, str] = {label: label for label in kind.allowed}

    def read(value: object) -> FieldValue:
        if isinstance(value, str) and value in allowed:
            return allowed[value]
        raise FieldError(f"{name}: must be one of " + ", ".join(kind.allowed))

    return read


def _choices(name: str, kind: FieldKind) -> Callable[[object], FieldValue]:
    read_one = _choice(name, kind)

    def read(value: object) -> FieldValue:
        if not isinstance(value, list | tuple) or len(value) > MAX_LIST_ITEMS:
            raise FieldError(f"{name}: must be a list of at most {MAX_LIST_ITEMS} values")
        return tuple(dict.fromkeys(str(read_one(item)) for item in value))

    return read


def _text(name: str, _: FieldKind) -> Callable[[object], FieldValue]:
    def read(value: object) -> FieldValue:
        if not isinstance(value, str):
            raise FieldError(f"{name}: must be text")
        if len(value) > MAX_TEXT_FIELD_CHARS:
            raise FieldError(f"{name}: must have at most {MAX_TEXT_FIELD_CHARS} characters")
        return value

    return read


def _flag(name: str, _: FieldKind) -> Callable[[object], FieldValue]:
    def read(value: object) -> FieldValue:
        if not isinstance(value, bool):
            raise FieldError(f"{name}: must be true or false")
        return value

    return read


def _number(name: str, kind: FieldKind) -> Callable[[object], FieldValue]:
    lowest = -math.inf if kind.lowest is None else kind.lowest
    highest = math.inf if kind.highest is None else kind.highest
    bounds = f" from {lowest:g}" if kind.lowest is not None else ""
    bounds += f" to {highest:g}" if kind.highest is not None else ""

    def read(value: object) -> FieldValue:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise FieldError(f"{name}: must be a number{bounds}")
        if not (lowest <= value <= highest and math.isfinite(value)):
            raise FieldError(f"{name}: must be a number{bounds}")
        return value

    return read


def _instant(name: str, _: FieldKind) -> Callable[[object], FieldValue]:
    parse = datetime.fromisoformat

    def read(value: object) -> FieldValue:
        # The usual form first; whatever is unusual about it, `read_instant` judges.
        if isinstance(value, str):
            try:
                at = parse(value)
            except ValueError:
                return read_instant(name, value)
            if at.tzinfo is UTC and FIRST_YEAR <= at.year <= LAST_YEAR:
                return at
        return read_instant(name, value)

    return read


_MAKERS: Final = {
    "choice": _choice,
    "choices": _choices,
    "text": _text,
    "flag": _flag,
    "number": _number,
    "instant": _instant,
}
#: By field: the function from an untrusted value to the field's own; raises FieldError.
READERS: Final = {name: _MAKERS[kind.name](name, kind) for name, kind in FIELDS.items()}
