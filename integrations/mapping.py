"""CRM properties -> `Lead`, and `LeadScore` -> CRM properties, by the field map.

What a CRM holds is what people typed. A value that does not fit its field counts as missing, and
the field's name is reported, never the value.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from config.fields import FieldMap, Source
from integrations.base import MEDIA, Happening
from scoring.engine import inquired_at
from scoring.errors import FieldError
from scoring.lead import FIELDS, MAPPABLE, Activity, FieldKind, FieldValue, Lead, read_field
from scoring.result import LeadScore

#: A longer inquiry is cut: the signals of one stand at its beginning.
MAX_TEXT_CHARS = 20_000

_YES = frozenset({"true", "yes", "y", "1", "si", "sí", "on"})
_NO = frozenset({"false", "no", "n", "0", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A lead as read from a CRM record."""

    lead: Lead = field(repr=False)
    unfit: tuple[str, ...] = ()  #: Fields whose value did not fit and was left out.


class LeadReader:
    """Turns records of one CRM into leads, by a field map."""

    def __init__(self, fields: FieldMap, *, answered_by: Collection[str] = MEDIA) -> None:
        """Read by `fields`; of `MEDIA`, those of `answered_by` count as a first response."""
        self._answered_by = frozenset(answered_by)
        self._sources = [(name, source, MAPPABLE[name]) for name, source in fields.items()]
        self._aliases = {
            name: {_fold(key): value for key, value in source.aliases.items()}
            for name, source in fields.items()
        }
        #: The properties to read: no other is asked for (S43).
        self.properties = tuple(dict.fromkeys(source.property for source in fields.values()))

    def read(self, record: Mapping[str, Any], happenings: Sequence[Happening] = ()) -> Reading:
        """Return the lead in `record`, a mapping of property name -> the CRM's value.

        Args:
            record: What the CRM holds.
            happenings: What happened around it, where the CRM keeps that apart.
        """
        fields: dict[str, FieldValue] = {}
        unfit = []
        for name, source, kind in self._sources:
            raw = record.get(source.property)
            if raw is None or raw == "":
                continue
            value = self._value(raw, name, source, kind)
            try:
                # The lead's own reader has the last word on ranges and allowed values.
                if value is not None and name in FIELDS:
                    value = read_field(name, value)
            except FieldError:
                value = None
            if value is None:
                unfit.append(name)
            else:
                fields[name] = value
        text = fields.pop("message", "")
        created_at = fields.pop("created_at", None)
        lead = Lead(
            text=str(text)[:MAX_TEXT_CHARS],
            fields=fields,
            activities=tuple(
                Activity(kind=each.kind, at=each.at)
                for each in sorted(happenings, key=lambda each: each.at)
                if each.kind is not None
            ),
            created_at=created_at if isinstance(created_at, datetime) else None,
        )
        answers = [each for each in happenings if each.medium in self._answered_by]
        return Reading(lead=_answered(lead, answers), unfit=tuple(unfit))

    def _value(self, raw: Any, name: str, source: Source, kind: FieldKind) -> FieldValue | None:
        aliases = self._aliases[name]
        if kind.name == "choices":
            parts = str(raw).split(source.separator)
            labels = [aliases.get(_fold(part)) or _label(part) for part in parts if part.strip()]
            known = tuple(dict.fromkeys(label for label in labels if label in kind.allowed))
            return known or None
        value = aliases.get(_fold(raw), raw)
        match kind.name:
            case "choice":
                return _label(value)
            case "number":
                return _number(value)
            case "flag":
                return _flag(value)
            case "instant":
                return instant(value)
            case _:
                text = str(value)
                return text if name == "message" else text.strip()[:500]


def _answered(lead: Lead, happenings: Sequence[Happening]) -> Lead:
    """Return the lead with its first response: the property's, or when we first turned to it.

    What we did before the inquiry came answers it as little as what is yet to come.
    """
    inquired = inquired_at(lead)
    times = [each.answered_at for each in happenings if each.answered_at is not None]
    known = lead.fields.get("first_response_at")
    if isinstance(known, datetime):
        times.append(known)
    answers = [at for at in times if inquired is None or at >= inquired]
    is_known = lead.fields or lead.activities or lead.text
    if not answers or not is_known:  # of an unknown lead an answer alone makes no known one
        return lead
    return replace(lead, fields={**lead.fields, "first_response_at": min(answers)})


def _fold(value: Any) -> str:
    return " ".join(str(value).split()).casefold()


def _label(value: Any) -> str:
    return _fold(value).replace(" ", "_").replace("-", "_")


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = _fold(value)
    if word in _YES:
        return True
    return False if word in _NO else None


def instant(value: Any) -> datetime | None:
    """Return an aware UTC instant, or None when `value` is none.

    Reads ISO 8601 with an offset (`2026-03-02T14:05:09.000+0000`, `…Z`), a plain date as midnight
    UTC, and milliseconds since 1970 as a number or digits. Source: HubSpot docs, "Properties";
    reference salesforce.md section 8.

    >>> instant("2026-03-02T14:05:09.000+0000")
    datetime.datetime(2026, 3, 2, 14, 5, 9, tzinfo=datetime.timezone.utc)
    >>> instant("1790000000000")
    datetime.datetime(2026, 9, 21, 14, 13, 20, tzinfo=datetime.timezone.utc)
    >>> instant("soon") is None
    True
    """
    try:
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            number = int(value)
            at = datetime.fromtimestamp(number / 1000, UTC) if number > 100_000_000_000 else None
        else:
            at = datetime.fromisoformat(str(value))
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at is not None and 1900 <= at.year <= 2200 else None


def crm_values(
    score: LeadScore, outputs: Mapping[str, str], *, trend: str, now: datetime
) -> dict[str, str | int | None]:
    """Return what is written back: property name -> value; None clears the property.

    Instants are ISO 8601 UTC with whole seconds; both CRMs take them.

    Args:
        score: The score to write.
        outputs: Meaning -> property name, as in `config.fields.OUTPUTS`.
        trend: up, steady or down.
        now: The time of scoring.
    """
    likelihood = score.likelihood
    meanings: dict[str, str | int | None] = {
        "score": score.score,
        "tier": score.tier,
        "reasons": reasons_text(score),
        "inquiry": score.factors["inquiry_type"] if score.score is not None else None,
        "urgency": score.factors["urgency"] if score.score is not None else None,
        "insurance": score.factors["insurance"] if score.score is not None else None,
        "procedure": score.factors["procedure"] if score.score is not None else None,
        "engagement": score.factors["engagement"] if score.score is not None else None,
        "likelihood": likelihood.percent if likelihood else None,
        "respond_by": _iso(score.respond_by),
        "trend": trend if score.score is not None else None,
        "updated_at": _iso(now),
        "model": score.model,
    }
    return {name: meanings[meaning] for meaning, name in outputs.items()}


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def reasons_text(score: LeadScore) -> str:
    """Return the reasons as a person in the CRM reads them: one a line, points first."""
    lines = [
        f"{reason.points:+d} {reason.text}" if reason.points else reason.text
        for reason in score.reasons
    ]
    return "\n".join(lines)
