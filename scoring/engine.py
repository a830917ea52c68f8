"""The verdict on a lead: gate first, then points, tier, respond-by and valid-until."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from scoring.factors import Tally, next_change, tally
from scoring.facts import Facts
from scoring.gate import Barred, clinical_reason, is_possible_emergency, not_a_lead
from scoring.labels import FACTORS, SCORED_TIERS
from scoring.lead import Lead
from scoring.model import ScoringModel
from scoring.result import LeadScore, Reason, Signals
from scoring.text.normalise import Words, words_of
from scoring.text.reading import signals_in

#: So many changes of a rule without any effect are looked through for the next that has one.
_MAX_LOOKS: Final = 200


def score(lead: Lead, model: ScoringModel, now: datetime) -> LeadScore:
    """Return the score of `lead` under `model` at `now`.

    The emergency gate reads the text before anything else does, and its verdict stands whatever
    the fields, the model or the staff say. A staff override comes next, then the routes of what
    is no lead, then the points.

    The same lead, model and instant give the same result; `now` must be aware.
    """
    if now.tzinfo is None:
        raise ValueError("now: must be aware")
    words = words_of(lead.text)
    if is_possible_emergency(lead, words):
        return _clinical(lead, words, model, now)
    facts = Facts(lead, signals_in(words, is_emergency=False))
    override = _override(lead, now)
    barred = not_a_lead(lead, facts) if override is None else None
    if barred is None and override is None and not _is_anything_known(lead):
        reason = Reason(code="unscored.nothing_known", points=0, text="Nothing to score yet")
        barred = Barred(tier="unscored", reason=reason)
    if barred is not None:
        return _without_score(barred.tier, barred.reason, facts.signals, model)
    return _scored(lead, model, now, facts, override)


def inquired_at(lead: Lead) -> datetime | None:
    """Return when the inquiry came: the latest of creation and form submissions, or None.

    >>> inquired_at(Lead()) is None
    True
    """
    instants = [lead.created_at, lead.fields.get("last_form_submission_at")]
    instants.extend(item.at for item in lead.activities if item.kind == "form_submission")
    return max((at for at in instants if isinstance(at, datetime)), default=None)


def _scored(
    lead: Lead, model: ScoringModel, now: datetime, facts: Facts, override: int | None
) -> LeadScore:
    points, reasons, current = _total(facts, model, now, override)
    line = lead.fields.get("service_line")
    cut_offs = model.cut_offs(line if isinstance(line, str) else None)
    tier = next(name for name in SCORED_TIERS if points >= cut_offs[name])
    minutes = model.tiers[tier].respond_within_minutes
    inquired = inquired_at(lead)
    respond_by = None
    if not _is_answered(lead, inquired):
        respond_by = model.hours.after(inquired or now, minutes)
    return LeadScore(
        score=points,
        tier=tier,
        factors=current.factors,
        reasons=reasons,
        signals=facts.signals,
        respond_by=respond_by,
        valid_until=_valid_until(lead, model, now, facts, override),
        model=model.version,
    )


def _total(
    facts: Facts, model: ScoringModel, now: datetime, override: int | None
) -> tuple[int, tuple[Reason, ...], Tally]:
    current = tally(facts, model, now)
    raw = sum(current.factors.values())
    points = max(0, min(raw, 100))
    reasons = list(current.reasons)
    if points != raw:
        reasons.append(
            Reason(code="clamp", points=points - raw, text="A score lies between 0 and 100")
        )
    if override is not None:
        reasons.append(
            Reason(code="override.staff", points=override - points, text="Score set by staff")
        )
        points = override
    return points, tuple(reasons), current


def _valid_until(
    lead: Lead, model: ScoringModel, now: datetime, facts: Facts, override: int | None
) -> datetime | None:
    """Return the first instant after `now` at which score or reasons are others."""
    until = lead.fields.get("override_until")
    ends = until if override is not None and isinstance(until, datetime) else None
    here = _total(facts, model, now, override)[:2]
    at = now
    for _ in range(_MAX_LOOKS):
        coming = next_change(facts, model, at)
        if coming is None or (ends is not None and coming >= ends):
            return ends
        at = coming
        if _total(facts, model, at, override)[:2] != here:
            return at
    return at


def _override(lead: Lead, now: datetime) -> int | None:
    """Return the staff's own score while it is in force: no end given, or an end ahead."""
    given = lead.fields.get("override_score")
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        return None
    until = lead.fields.get("override_until")
    if isinstance(until, datetime) and until <= now:
        return None
    return round(given)


def _is_anything_known(lead: Lead) -> bool:
    return bool(lead.text.strip() or lead.fields or lead.activities)


def _is_answered(lead: Lead, inquired: datetime | None) -> bool:
    answered = lead.fields.get("first_response_at")
    return isinstance(answered, datetime) and (inquired is None or answered >= inquired)


def _clinical(lead: Lead, words: Words, model: ScoringModel, now: datetime) -> LeadScore:
    try:
        signals = Facts(lead, signals_in(words, is_emergency=True)).signals
    except Exception:  # noqa: BLE001  # whatever fails elsewhere must not hide an emergency
        signals = Signals()
    inquired = inquired_at(lead)
    return replace(
        _without_score("clinical", clinical_reason(), signals, model),
        signals=replace(signals, urgency="emergency"),
        respond_by=None if _is_answered(lead, inquired) else (inquired or now),
    )


def _without_score(tier: str, reason: Reason, signals: Signals, model: ScoringModel) -> LeadScore:
    return LeadScore(
        score=None,
        tier=tier,
        factors=dict.fromkeys(FACTORS, 0),
        reasons=(reason,),
        signals=signals,
        respond_by=None,
        valid_until=None,
        model=model.version,
    )
