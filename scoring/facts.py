"""A lead as conditions see it: fields, text signals and activities under one set of names."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from scoring.lead import FieldValue, Lead
from scoring.result import Signals

#: Signal -> the CRM field that beats the text where it is filled.
_FIELD_OF_SIGNAL: Final[Mapping[str, str]] = {
    "signal.urgency": "urgency",
    "signal.inquiry_type": "inquiry_type",
    "signal.insurance": "insurance_status",
    "signal.procedures": "procedures",
}
_UNKNOWN: Final = (None, "", "unknown", "none", (), ("none",))


class Facts:
    """What is known of a lead, by name; `signals` are those of its text."""

    __slots__ = ("_by_kind", "_values", "from_text", "signals")

    def __init__(self, lead: Lead, signals: Signals) -> None:
        values: dict[str, FieldValue] = dict(lead.fields)
        of_text: dict[str, FieldValue] = {
            "signal.urgency": signals.urgency,
            "signal.inquiry_type": signals.inquiry_type,
            "signal.insurance": signals.insurance,
            "signal.procedures": signals.procedures,
            "signal.booking_intent": signals.booking_intent,
        }
        read_from_text = set()
        for name, value in of_text.items():
            given = lead.fields.get(_FIELD_OF_SIGNAL.get(name, ""))
            if given in _UNKNOWN:
                read_from_text.add(name)
                values[name] = value
            else:
                values[name] = given
        by_kind: dict[str, list[datetime]] = {}
        counts: dict[str, int] = {}
        for activity in lead.activities:
            name = f"activity.{activity.kind}"
            # More occurrences than any rule counts would only cost memory.
            by_kind.setdefault(name, []).extend([activity.at] * min(activity.count, 100))
            counts[name] = counts.get(name, 0) + activity.count
        values.update(counts)
        self._values = values
        self._by_kind = {name: sorted(at, reverse=True) for name, at in by_kind.items()}
        #: The signals that the text alone supports.
        self.from_text = frozenset(read_from_text)
        self.signals = Signals(
            urgency=str(values["signal.urgency"]),
            inquiry_type=str(values["signal.inquiry_type"]),
            insurance=str(values["signal.insurance"]),
            procedures=_listed(values["signal.procedures"]),
            booking_intent=signals.booking_intent,
        )

    def value(self, name: str) -> FieldValue | None:
        """Return the value under `name`, or None."""
        return self._values.get(name)

    def is_known(self, name: str) -> bool:
        """Return whether there is a value, and not one that says that nothing is known."""
        return self._values.get(name) not in _UNKNOWN

    def number(self, name: str) -> float | None:
        """Return the number or the count of the activity under `name`, or None."""
        value = self._values.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def instant(self, name: str) -> datetime | None:
        """Return the instant, or that of the latest activity, under `name`, or None."""
        occurred = self.occurrences(name)
        return occurred[0] if occurred else None

    def occurrences(self, name: str) -> list[datetime]:
        """Return every instant under `name`, latest first: one for a field, any for activities."""
        if name in self._by_kind:
            return self._by_kind[name]
        value = self._values.get(name)
        return [value] if isinstance(value, datetime) else []


def _listed(value: FieldValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)
