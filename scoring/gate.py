"""Who is not scored at all: possible emergencies first, then what is no lead.

The emergency gate has a lexicon, a matcher and a path of its own: it needs no model, and nothing
that fails in the other signals can switch it off. It only ever adds a flag; it never says that
something is not urgent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scoring.labels import ROUTES
from scoring.lead import Lead
from scoring.result import Reason, Signals
from scoring.text.normalise import Words
from scoring.text.reading import read_route
from scoring.text.semantic import Meaning, emergency_by_any

#: Inquiry type -> route, where the text names no closer one.
_ROUTES: Final[Mapping[str, str]] = {
    "existing_patient_clinical": "clinical_staff",
    "existing_patient_admin": "front_office",
    "job_or_vendor": "office_manager",
    "spam": "none",
}


#: The inquiry types of what is no lead.
NOT_LEADS: Final = frozenset(_ROUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Why a lead gets no score."""

    tier: str
    reason: Reason


def is_possible_emergency(lead: Lead, words: Words, meaning: Meaning | None = None) -> bool:
    """Return whether `words`, those of the text, or the CRM's own urgency field, says possible danger.

    `meaning` adds flags, where the practice uses it.
    """
    if lead.fields.get("urgency") == "emergency":
        return True
    return emergency_by_any(lead.text, words, meaning) is not None


def clinical_reason() -> Reason:
    """Return the one line of a gated lead."""
    return Reason(
        code="clinical.possible_emergency",
        points=0,
        text="Possible emergency: a clinician must read this now",
    )


def not_a_lead(lead: Lead, signals: Signals) -> Barred | None:
    """Return the route of a message that is no lead, or None where it is one."""
    inquiry_type = signals.inquiry_type
    if inquiry_type not in _ROUTES:
        return None
    route = _ROUTES[inquiry_type]
    if inquiry_type.startswith("existing_patient"):
        route = read_route(lead.text) or route
    reason = Reason(code=f"not_a_lead.{route}", points=0, text=ROUTES[route])
    return Barred(tier="not_a_lead", reason=reason)
