"""The verdict on a lead: gate first, then points, tier, respond-by and valid-until."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from scoring.compile import Compiled, FromText, Said, compiled
from scoring.gate import NOT_LEADS, clinical_reason, is_possible_emergency, not_a_lead
from scoring.labels import FACTORS, ROUTES
from scoring.lead import Lead
from scoring.model import ScoringModel
from scoring.result import LeadScore, Reason, Signals
from scoring.runtime import ENDLESS
from scoring.text.normalise import Words, words_of
from scoring.text.reading import signals_in
from scoring.text.semantic import Meaning

_SAYS_NOTHING: Final = frozenset({None, "", "unknown", "none", (), ("none",)})
_SILENT: Final = Signals()
_NEW: Final[Callable[[type[LeadScore], Iterable[object]], LeadScore]] = tuple.__new__


def score(  # noqa: C901, PLR0912  # one way through for every lead, without further calls
    lead: Lead, model: ScoringModel, now: datetime, meaning: Meaning | None = None
) -> LeadScore:
    """Return the score of `lead` under `model` at `now`.

    The emergency gate reads the text before anything else does, and its verdict stands whatever
    the fields, the model or the staff say. A staff override comes next, then the routes of what
    is no lead, then the points. `meaning` lets the gate flag more, where the practice uses it.

    The same lead, model and instant give the same result; `now` must be aware.
    """
    if now.tzinfo is not UTC:
        if now.tzinfo is None:
            raise ValueError("now: must be aware")
        now = now.astimezone(UTC)
    fields, text = lead.fields, lead.text
    get = fields.get
    urgency = get("urgency")
    words = None
    if text or urgency == "emergency":
        words = words_of(text)
        if is_possible_emergency(lead, words, meaning):
            return _clinical(lead, words, model, now)
    if model.lines:
        model = model.lines.get(str(get("service_line")), model)
    ready: Compiled = model.kept or compiled(model)
    kind, insurance, procedures = get("inquiry_type"), get("insurance_status"), get("procedures")
    if words is None:
        signals, said, from_text = _merged(urgency, kind, insurance, procedures)
    else:
        of_text = _signals_of(words, ready)
        signals, said, from_text = _merged(urgency, kind, insurance, procedures, of_text)
    override = _override(lead, now) if "override_score" in fields else None
    if override is None and (said[1] in NOT_LEADS or ready.excluded is not None or not fields):
        reason = _barring(lead, signals, ready, model)
        if reason is not None:
            tier = "unscored" if reason is _NOTHING_KNOWN else "not_a_lead"
            return _without_score(tier, reason, signals, model)
    plan = ready.plans.get(get("service_line"), ready.plan) if ready.plans else ready.plan
    if text:
        account = ready.account_text(fields, lead.activities, said, now, from_text, plan.text_cap)
    else:
        account = ready.account(fields, lead.activities, said, now)
    points, factors, reasons, wait = account
    if override is not None or not 0 <= points <= 100:
        points, wait = _adjusted(points, wait, reasons, lead, override, now)
    tier, opened = plan.bands[points]
    inquired = inquired_at(lead)
    respond_by = None
    if "first_response_at" not in fields or not _is_answered(lead, inquired):
        respond_by = model.hours.after(inquired or now, opened)
    valid_until = None if wait is ENDLESS else now + wait
    lines = tuple(reasons)
    # Half the cost of calling the class, for every lead.
    return _NEW(
        LeadScore,
        (points, tier, factors, lines, signals, respond_by, valid_until, model.version, None),
    )


def _signals_of(words: Words, ready: Compiled) -> Signals:
    """Return what `words`, which are no emergency, say: also by the model's own phrases."""
    signals = signals_in(words, is_emergency=False)
    return signals if ready.lay_words is None else ready.lay_words.added(signals, words)


def inquired_at(lead: Lead) -> datetime | None:
    """Return when the inquiry came: the latest of creation and form submissions, or None.

    >>> inquired_at(Lead()) is None
    True
    """
    latest = lead.created_at
    form = lead.fields.get("last_form_submission_at")
    if form is not None and (latest is None or form > latest):  # type: ignore[operator]  # an instant
        latest = form  # type: ignore[assignment]  # by the kind of the field
    for activity in lead.activities:
        if activity.kind == "form_submission" and (latest is None or activity.at > latest):
            latest = activity.at
    return latest


_NOTHING_KNOWN: Final = Reason("unscored.nothing_known", 0, "Nothing to score yet")


def _adjusted(  # noqa: PLR0917  # by position, as all of this path
    points: int,
    wait: timedelta,
    reasons: list[Reason],
    lead: Lead,
    override: int | None,
    now: datetime,
) -> tuple[int, timedelta]:
    """Return points within 0 to 100, or the staff's own, and how long; add the lines to `reasons`."""
    if not 0 <= points <= 100:
        within = 0 if points < 0 else 100
        reasons.append(Reason("clamp", within - points, "A score lies between 0 and 100"))
        points = within
    if override is not None:
        # A line of its own even at 0 points: so the override's end is a change in any case.
        reasons.append(Reason("override.staff", override - points, "Score set by staff"))
        points = override
        until = lead.fields.get("override_until")
        if isinstance(until, datetime):
            wait = min(wait, until - now)
    return points, wait


@lru_cache(maxsize=8192)
def _merged(
    urgency: object,
    inquiry_type: object,
    insurance: object,
    procedures: object,
    text: Signals = _SILENT,
) -> tuple[Signals, Said, FromText]:
    """Return the CRM's fields where they say something, else the text's signals.

    As a record, as a plain tuple, which is faster to read, and which of the first four are the
    text's.

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
    return merged, _plain(merged), from_text


def _plain(signals: Signals) -> Said:
    urgency, inquiry_type, insurance, procedures, booking_intent = signals
    return urgency, inquiry_type, insurance, procedures, booking_intent


def _barring(lead: Lead, signals: Signals, ready: Compiled, model: ScoringModel) -> Reason | None:
    """Return why the lead gets no score, or None where it gets one."""
    barred = not_a_lead(lead, signals)
    if barred is not None:
        return barred.reason
    if ready.excluded is not None:
        place = ready.excluded(lead.fields, lead.activities, _plain(signals))
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
        signals, *_ = _merged(
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
