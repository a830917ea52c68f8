"""What scoring gives back: the score, its tier, and reasons that sum to it.

These are named tuples, not dataclasses: one is made for every lead, and a frozen dataclass costs
three to five times as much to make (docs/decisions/0010-generated-scoring.md).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from scoring.labels import FACTORS


class Reason(NamedTuple):
    """One line of the account of a score. Made once for each rule and points, then shared."""

    code: str
    points: int
    text: str  #: Free of PHI: from the model or from a fixed template, never from the inquiry.
    reads: tuple[str, ...] = ()  #: What the rule reads; `details_of` looks their values up.


class Signals(NamedTuple):
    """What the inquiry says: the CRM's own field where it has one, else read from the text."""

    urgency: str = "none"
    inquiry_type: str = "general_question"
    insurance: str = "unknown"
    procedures: tuple[str, ...] = ("none",)
    booking_intent: int = 0  #: 0 to 4; from the text only.


class Likelihood(NamedTuple):
    """Of a hundred leads like this one, how many book."""

    percent: int
    low: int
    high: int


class LeadScore(NamedTuple):
    """The verdict on one lead."""

    score: int | None  #: 0 to 100; None for clinical, not_a_lead and unscored.
    tier: str  #: One of `labels.TIERS`.
    factors: Mapping[str, int]  #: The five; they sum to the score before clamp and override.
    reasons: tuple[Reason, ...]  #: Points sum exactly to the score, or to 0 where it is None.
    signals: Signals
    respond_by: datetime | None
    valid_until: datetime | None  #: When score or reasons change by themselves; None is never.
    model: str
    likelihood: Likelihood | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `leadscore score` prints, without its id."""
        likelihood = self.likelihood
        return {
            "score": self.score,
            "tier": self.tier,
            "likelihood": None if likelihood is None else likelihood._asdict(),
            "factors": {factor: self.factors[factor] for factor in FACTORS},
            "reasons": [
                {"code": reason.code, "points": reason.points, "text": reason.text}
                for reason in self.reasons
            ],
            "signals": {
                "urgency": self.signals.urgency,
                "inquiry_type": self.signals.inquiry_type,
                "insurance": self.signals.insurance,
                "procedures": list(self.signals.procedures),
            },
            "respond_by": instant_text(self.respond_by),
            "valid_until": instant_text(self.valid_until),
            "model": self.model,
        }


def instant_text(at: datetime | None) -> str | None:
    """Return `at` as ISO 8601 in UTC with a Z.

    >>> instant_text(datetime(2026, 3, 1, 8, 0, tzinfo=UTC))
    '2026-03-01T08:00:00Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
