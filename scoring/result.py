"""What scoring gives back: the score, its tier, and reasons that sum to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scoring.labels import FACTORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One line of the account of a score."""

    code: str
    points: int
    text: str  #: Free of PHI: from the model or from a fixed template, never from the inquiry.
    detail: str = field(default="", repr=False)  #: May name field values: sealed places only.


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What the inquiry says: the CRM's own field where it has one, else read from the text."""

    urgency: str = "none"
    inquiry_type: str = "general_question"
    insurance: str = "unknown"
    procedures: tuple[str, ...] = ("none",)
    booking_intent: int = 0  #: 0 to 4; from the text only.


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Of a hundred leads like this one, how many book."""

    percent: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadScore:
    """The verdict on one lead."""

    score: int | None  #: 0 to 100; None for clinical, not_a_lead and unscored.
    tier: str  #: One of `labels.TIERS`.
    factors: Mapping[str, int]  #: The five; they sum to the score before clamp and override.
    reasons: tuple[Reason, ...]  #: Points sum exactly to the score, or to 0 where it is None.
    signals: Signals
    respond_by: datetime | None
    valid_until: datetime | None  #: When the verdict changes by itself; None is never.
    model: str
    likelihood: Likelihood | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `leadscore score` prints, without its id."""
        likelihood = self.likelihood
        return {
            "score": self.score,
            "tier": self.tier,
            "likelihood": None
            if likelihood is None
            else {
                "percent": likelihood.percent,
                "low": likelihood.low,
                "high": likelihood.high,
            },
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
            "respond_by": _instant(self.respond_by),
            "valid_until": _instant(self.valid_until),
            "model": self.model,
        }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
