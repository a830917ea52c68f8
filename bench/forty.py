"""Forty rules over thirty fields, and invented leads for them: what `engines` scores."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.conditions import (
    All,
    AtLeast,
    Condition,
    Contains,
    In,
    Is,
    Known,
    Not,
    WithinDays,
)
from scoring.labels import CHANNELS, INQUIRY_TYPES, INSURANCES, PAYER_KINDS, PROCEDURES, URGENCIES
from scoring.lead import FieldValue, Lead
from scoring.model import ScoringModel
from scoring.rule import Rule

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ELECTIVE = ("dental_implant", "veneers", "invisalign_braces", "lasik", "ivf", "rhinoplasty")
DIRECT = ("call", "voicemail", "walk_in")
GOOD_LINES = ("implants", "ortho")


def rule(rule_id: str, factor: str, points: int, says: str, when: Condition, **aging: Any) -> Rule:
    return Rule(id=rule_id, factor=factor, points=points, says=says, when=when, **aging)


def _is(field: str, value: FieldValue) -> Condition:
    return Is(field=field, value=value)


def _aging(  # noqa: PLR0917  # a table row
    rule_id: str, points: int, says: str, field: str, half_life: float, window: float
) -> Rule:
    when = Known(field=field)
    return rule(rule_id, "engagement", points, says, when, half_life_days=half_life, window_days=window)  # fmt: skip


_TYPES = {
    "appointment_request": 20, "referral": 20, "procedure_consult": 17,
    "price_question": 9, "insurance_question": 11, "general_question": 4,
}  # fmt: skip
_INSURANCE = {
    "insured_named": 13, "insured_unnamed": 9, "medicare": 12, "medicaid": 8,
    "self_pay": 12, "financing_wanted": 8, "uninsured": -3,
}  # fmt: skip
_URGENCY = {"urgent": 20, "soon": 13, "routine": 6}

RULES = (
    *(
        rule(f"type.{value}", "inquiry_type", points, f"Type: {value}", _is("signal.inquiry_type", value))
        for value, points in _TYPES.items()
    ),
    rule("type.intent", "inquiry_type", 5, "Wants to book now", AtLeast(field="signal.booking_intent", value=4)),
    rule("type.direct", "inquiry_type", 3, "Called or came", In(field="channel", values=DIRECT)),
    rule("type.referred", "inquiry_type", 5, "Came as a referral", _is("channel", "referral")),
    rule("type.search", "inquiry_type", 2, "Came by a search", Contains(field="source", values=("google",))),
    *(
        rule(f"urgency.{value}", "urgency", points, f"Urgency: {value}", _is("signal.urgency", value))
        for value, points in _URGENCY.items()
    ),
    *(
        rule(f"insurance.{value}", "insurance", points, f"Insurance: {value}", _is("signal.insurance", value))
        for value, points in _INSURANCE.items()
    ),
    rule("insurance.carrier", "insurance", 2, "Carrier on file", Known(field="insurance_carrier")),
    rule("insurance.payer", "insurance", 2, "Payer on file", All(conditions=(Known(field="payer_kind"), Not(condition=Known(field="insurance_carrier"))))),
    rule("procedure.named", "procedure", 12, "Names a procedure", All(conditions=(Known(field="signal.procedures"), Not(condition=Contains(field="signal.procedures", values=("other",)))))),
    rule("procedure.other", "procedure", 6, "Names other care", Contains(field="signal.procedures", values=("other",))),
    rule("procedure.elective", "procedure", 5, "A planned treatment", Contains(field="signal.procedures", values=ELECTIVE)),
    rule("procedure.line", "procedure", 3, "Service line on file", Known(field="service_line")),
    rule("procedure.good_line", "procedure", 4, "A line with free chairs", In(field="service_line", values=GOOD_LINES)),
    _aging("engaged.form", 6, "Sent a form", "last_form_submission_at", 14, 90),
    _aging("engaged.reply", 6, "Replied to an email", "last_email_reply_at", 14, 90),
    _aging("engaged.click", 3, "Clicked in an email", "last_email_click_at", 10, 60),
    _aging("engaged.open", 1, "Opened an email", "last_email_open_at", 7, 30),
    _aging("engaged.visit", 3, "Visited the website", "last_web_visit_at", 7, 30),
    rule("engaged.visits", "engagement", 3, "Visited several times", AtLeast(field="web_visits", value=3)),
    rule("engaged.forms", "engagement", 3, "Sent several forms", AtLeast(field="form_submissions", value=2)),
    rule("engaged.booked", "engagement", -8, "Has booked already", Known(field="booked_at")),
    rule("engaged.mail", "engagement", 2, "Reads our emails", All(conditions=(AtLeast(field="email_clicks", value=2), AtLeast(field="email_opens", value=3)))),
    rule("engaged.contacted", "engagement", 4, "Was spoken to lately", WithinDays(field="last_contacted_at", days=30)),
    rule("engaged.phone", "engagement", 4, "Left a phone number", _is("has_phone", True)),  # noqa: FBT003
    rule("engaged.email", "engagement", 2, "Left an email address", _is("has_email", True)),  # noqa: FBT003
    rule("engaged.no_consent", "engagement", -5, "Wants no contact", _is("consent_to_contact", False)),  # noqa: FBT003
)  # fmt: skip
MODEL = ScoringModel(version="forty-1", rules=RULES)


def leads(count: int, seed: int = 1, *, known: float = 0.75) -> list[Lead]:
    """Return invented leads without text, of whose 25 fields the share `known` is known."""
    rng = random.Random(seed)  # noqa: S311  invented leads
    return [_lead(rng, known) for _ in range(count)]


def _lead(rng: random.Random, share: float) -> Lead:
    def ago(days: float) -> datetime:
        return NOW - timedelta(seconds=rng.randrange(1, int(days * 86_400)))

    fields: dict[str, FieldValue] = {
        "inquiry_type": rng.choice(INQUIRY_TYPES[:6]),
        "urgency": rng.choice(URGENCIES[1:4]),
        "insurance_status": rng.choice(INSURANCES[:7]),
        "procedures": tuple(rng.sample([*ELECTIVE, *PROCEDURES[-3:-1]], rng.choice([1, 1, 2]))),
        "payer_kind": rng.choice(PAYER_KINDS),
        "insurance_carrier": rng.choice(["Cigna", "Aetna", "Delta Dental"]),
        "service_line": rng.choice(["implants", "ortho", "hygiene", "surgery"]),
        "channel": rng.choice(CHANNELS),
        "source": rng.choice(["google ads", "Google maps", "a friend", "facebook"]),
        "consent_to_contact": rng.random() < 0.9,
        "existing_patient": rng.random() < 0.1,
        "has_phone": rng.random() < 0.8,
        "has_email": rng.random() < 0.8,
        "web_visits": rng.randrange(8),
        "form_submissions": rng.randrange(4),
        "email_opens": rng.randrange(8),
        "email_clicks": rng.randrange(4),
        "last_web_visit_at": ago(60),
        "last_email_open_at": ago(60),
        "last_email_click_at": ago(90),
        "last_email_reply_at": ago(120),
        "last_form_submission_at": ago(120),
        "last_contacted_at": ago(90),
        "first_response_at": ago(200),
        "booked_at": ago(200),
    }
    known = {name: value for name, value in fields.items() if rng.random() < share}
    return Lead(fields=known, created_at=ago(120))


def row_of(lead: Lead, signals: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lead as the other engines get it: made beforehand, which flatters them.

    Signals are merged, ages are days, text is in lower case, missing numbers are -1, missing ages
    a billion, missing texts empty.
    """
    row: dict[str, Any] = {}
    for name in ("payer_kind", "insurance_carrier", "service_line", "channel", "source"):
        row[name] = str(lead.fields.get(name, "")).lower()
    for name in ("web_visits", "form_submissions", "email_opens", "email_clicks"):
        row[name] = lead.fields.get(name, -1)
    for name in ("consent_to_contact", "has_phone", "has_email"):
        row[f"{name}_is_true"] = lead.fields.get(name) is True
        row[f"{name}_is_false"] = lead.fields.get(name) is False
    for name in sorted(
        {rule.since for rule in RULES if rule.since} | {"last_contacted_at", "booked_at"}
    ):
        at = lead.fields.get(name)
        row[f"{name}_age"] = (NOW - at) / DAY if isinstance(at, datetime) else 1e9
    for name, value in signals.items():
        row[f"signal_{name}"] = list(value) if isinstance(value, tuple) else value
    return row
