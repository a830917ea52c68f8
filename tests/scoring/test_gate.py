from datetime import UTC, datetime, timedelta

import pytest

from scoring import engine
from scoring.conditions import Known
from scoring.engine import score
from scoring.lead import Lead
from scoring.model import ScoringModel
from scoring.rule import Rule

NOW = datetime(2026, 3, 7, 23, 0, tzinfo=UTC)  # a Saturday night
MODEL = ScoringModel(
    version="test-1",
    rules=(
        Rule(
            id="phone",
            factor="engagement",
            when=Known(field="has_phone"),
            points=10,
            says="Left a phone number",
        ),
    ),
)
STROKE = "My dad's mouth is drooping on one side and his words come out slurred since lunch"


def test_possible_emergency_is_clinical_and_at_once_whatever_the_hours():
    inquired = NOW - timedelta(minutes=3)

    found = score(Lead(text=STROKE, created_at=inquired), MODEL, NOW)

    assert (found.tier, found.score, found.respond_by) == ("clinical", None, inquired)
    assert [(line.code, line.points) for line in found.reasons] == [
        ("clinical.possible_emergency", 0)
    ]
    assert found.signals.urgency == "emergency"


def test_crm_fields_and_staff_cannot_switch_the_gate_off():
    fields = {"urgency": "none", "inquiry_type": "spam", "override_score": 5}

    assert score(Lead(text=STROKE, fields=fields), MODEL, NOW).tier == "clinical"


def test_a_failure_in_other_signals_cannot_switch_the_gate_off(monkeypatch):
    def fail(words, *, is_emergency):
        raise LookupError

    monkeypatch.setattr(engine, "signals_in", fail)

    assert score(Lead(text=STROKE), MODEL, NOW).tier == "clinical"


def test_an_emergency_in_the_crm_field_is_flagged_without_any_text():
    assert score(Lead(fields={"urgency": "emergency"}), MODEL, NOW).tier == "clinical"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I was charged twice on my last invoice, please send a corrected bill", "billing"),
        ("Need a refill of my blood pressure pills sent to the pharmacy", "refill"),
        ("I can't log in to the portal, the password link is dead", "front_office"),
        (
            "Are you hiring? I am a licensed hygienist with ten years of experience",
            "office_manager",
        ),
    ],
)
def test_what_is_no_lead_gets_a_route_and_no_score(text, code):
    found = score(Lead(text=text), MODEL, NOW)

    assert (found.tier, found.score, found.respond_by) == ("not_a_lead", None, None)
    assert [line.code for line in found.reasons] == [f"not_a_lead.{code}"]


def test_staff_may_score_what_the_text_says_is_no_lead():
    fields = {"inquiry_type": "job_or_vendor", "override_score": 50}

    assert score(Lead(fields=fields), MODEL, NOW).score == 50


def test_no_words_of_the_inquiry_reach_the_result():
    text = STROKE + " call Zebulon at 555-0155 <b>now</b>"

    shown = str(score(Lead(text=text), MODEL, NOW).to_json())

    assert not any(text[at : at + 8] in shown for at in range(len(text) - 8))
