"""The verdict on a lead: gate first, then points, tier, respond-by and valid-until."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from scoring.compile import Compiled, FromText, compiled
from scoring.gate import clinical_reason, is_possible_emergency, not_a_lead
from scoring.labels import FACTORS, ROUTES
from scoring.lead import Lead
from scoring.model import ScoringModel
from scoring.result import LeadScore, Reason, Signals
from scoring.runtime import FOREVER
from scoring.text.normalise import Words, words_of
from scoring.text.reading import signals_in

_CLAMP: Final = ("clamp", "A score lies between 0 and 100")
_OVERRIDE: Final = ("override.staff", "Score set by staff")
_SAYS_NOTHING: Final = frozenset({None, "", "unknown", "none", (), ("none",)})
_SILENT: Final = Signals()


def score(lead: Lead, model: ScoringModel, now: datetime) -> LeadScore:
    """Return the score of `lead` under `model` at `now`.

    The emergency gate reads the text before anything else does, and its verdict stands whatever
    the fields, the model or the staff say. A staff override comes next, then the routes of what
    is no lead, then the points.

    The same lead, model and instant give the same result; `now` must be aware.
    """
    if now.tzinfo is not UTC:
        if now.tzinfo is None:
            raise ValueError("now: must be aware")
        now = now.astimezone(UTC)
    fields, text = lead.fields, lead.text
    words = None
    of_text = _SILENT
    if text or fields.get("urgency") == "emergency":
        words = words_of(text)
        if is_possible_emergency(lead, words):
            return _clinical(lead, words, model, now)
        of_text = signals_in(words, is_emergency=False)
    if model.lines:
        model = model.lines.get(str(fields.get("service_line")), model)
    ready = compiled(model)
    if words is not None and ready.lay_words is not None:
        of_text = ready.lay_words.added(of_text, words)
    signals, from_text = _merged(
        fields.get("urgency"),
        fields.get("inquiry_type"),
        fields.get("insurance_status"),
        fields.get("procedures"),
        of_text,
    )
    override = _override(lead, now) if "override_score" in fields else None
    if override is None:
        reason = _barring(lead, ready, model, signals)
        if reason is not None:
            tier = "unscored" if reason is _NOTHING_KNOWN else "not_a_lead"
            return _without_score(tier, reason, signals, model)
    return _scored(lead, ready, model, now, signals, from_text, override)


def inquired_at(lead: Lead) -> datetime | None:
    """Return when the inquiry came: the latest of creation and form submissions, or None.

    >>> inquired_at(Lead()) is None
    True
    """
    latest = lead.created_at
    form = lead.fields.get("last_form_submission_at")
    if isinstance(form, datetime) and (latest is None or form > latest):
        latest = form
    for activity in lead.activities:
        if activity.kind == "form_submission" and (latest is None or activity.at > latest):
            latest = activity.at
    return latest


_NOTHING_KNOWN: Final = Reason("unscored.nothing_known", 0, "Nothing to score yet")


def _scored(  # noqa: PLR0917  # by position: called for every lead
    lead: Lead,
    ready: Compiled,
    model: ScoringModel,
    now: datetime,
    signals: Signals,
    from_text: FromText,
    override: int | None,
) -> LeadScore:
    fields = lead.fields
    plan = ready.plan
    if ready.plans:
        plan = ready.plans.get(fields.get("service_line"), plan)
    points, factors, reasons, end = ready.account(
        fields, lead.activities, signals, from_text, plan.text_cap, now
    )
    if not 0 <= points <= 100:
        within = 0 if points < 0 else 100
        reasons.append(Reason(_CLAMP[0], within - points, _CLAMP[1]))
        points = within
    if override is not None:
        # A line of its own even at 0 points: so the override's end is a change in any case.
        reasons.append(Reason(_OVERRIDE[0], override - points, _OVERRIDE[1]))
        points = override
        until = fields.get("override_until")
        if isinstance(until, datetime) and until < end:
            end = until
    tier, minutes = plan.bands[points]
    inquired = inquired_at(lead)
    respond_by = None
    if not _is_answered(lead, inquired):
        respond_by = model.hours.after(inquired or now, minutes)
    return LeadScore(
        points,
        tier,
        factors,
        tuple(reasons),
        signals,
        respond_by,
        None if end is FOREVER else end,
        model.version,
    )


@lru_cache(maxsize=8192)
def _merged(
    urgency: object, inquiry_type: object, insurance: object, procedures: object, text: Signals
) -> tuple[Signals, FromText]:
    """Return the CRM's fields where they say something, else the text's signals; and which.

    Kept by value: the labels are closed sets, so a practice has few combinations.
    """
    from_text = (
        urgency in _SAYS_NOTHING,
        inquiry_type in _SAYS_NOTHING,
        insurance in _SAYS_NOTHING,
        procedures in _SAYS_NOTHING,
    )
    listed = procedures if isinstance(procedures, tuple) else (str(procedures),)
    merged = Signals(
        text.urgency if from_text[0] else str(urgency),
        text.inquiry_type if from_text[1] else str(inquiry_type),
        text.insurance if from_text[2] else str(insurance),
        text.procedures if from_text[3] else listed,
        text.booking_intent,
    )
    return merged, from_text


def _barring(lead: Lead, ready: Compiled, model: ScoringModel, signals: Signals) -> Reason | None:
    """Return why the lead gets no score, or None where it gets one."""
    barred = not_a_lead(lead, signals)
    if barred is not None:
        return barred.reason
    if ready.excluded is not None:
        place = ready.excluded(lead.fields, lead.activities, signals)
        if place is not None:
            exclusion = model.exclusions[place]
            wording = exclusion.says or ROUTES[exclusion.route]
            return Reason(f"not_a_lead.{exclusion.route}", 0, wording)
    if not (lead.fields or lead.activities or lead.text.strip()):
        return _NOTHING_KNOWN
    return None


def _override(lead: Lead, now: datetime) -> int | None:
    """Return the staff's own score while it is in force: no end given, or an end ahead."""
    given = lead.fields.get("override_score")
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        return None
    until = lead.fields.get("override_until")
    if isinstance(until, datetime) and until <= now:
        return None
    return round(given)


def _is_answered(lead: Lead, inquired: datetime | None) -> bool:
    answered = lead.fields.get("first_response_at")
    return isinstance(answered, datetime) and (inquired is None or answered >= inquired)


def _clinical(lead: Lead, words: Words, model: ScoringModel, now: datetime) -> LeadScore:
    fields = lead.fields
    try:
        signals, _ = _merged(
            None,
            fields.get("inquiry_type"),
            fields.get("insurance_status"),
            fields.get("procedures"),
            signals_in(words, is_emergency=True),
        )
    except Exception:  # noqa: BLE001  # whatever fails elsewhere must not hide an emergency
        signals = _SILENT
    inquired = inquired_at(lead)
    return _without_score(
        "clinical",
        clinical_reason(),
        signals._replace(urgency="emergency"),
        model,
        respond_by=None if _is_answered(lead, inquired) else (inquired or now),
    )


def _without_score(
    tier: str,
    reason: Reason,
    signals: Signals,
    model: ScoringModel,
    *,
    respond_by: datetime | None = None,
) -> LeadScore:
    factors = dict.fromkeys(FACTORS, 0)
    return LeadScore(None, tier, factors, (reason,), signals, respond_by, None, model.version)
