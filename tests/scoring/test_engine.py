from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import score
from scoring.labels import FACTORS, INQUIRY_TYPES, INSURANCES, PROCEDURES, TIERS, URGENCIES
from scoring.lead import Activity, Lead
from scoring.model import (
    All,
    Any,
    AtLeast,
    Contains,
    In,
    Is,
    Known,
    Not,
    Rule,
    ScoringModel,
    Tier,
    WithinDays,
)

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)  # a Wednesday
MICROSECOND = timedelta(microseconds=1)
ENOUGH = settings(max_examples=150, deadline=None)


def rule(**given):
    return Rule(
        **{
            "id": "one",
            "factor": "engagement",
            "when": Known(field="has_phone"),
            "points": 10,
            "says": "A reason",
            **given,
        }
    )


def model(*rules, **given):
    return ScoringModel(**{"version": "test-1", "rules": rules, "text_cap": 60, **given})


def lead(**given):
    return Lead(**{"fields": {"has_phone": True}, "created_at": NOW, **given})


# Random models and leads: every operator, every kind of field, points of both signs.
instants = st.integers(-60 * 24 * 60, 24 * 60).map(
    lambda minutes: NOW + timedelta(minutes=minutes)
)
leaf_conditions = st.one_of(
    st.builds(Is, field=st.just("signal.urgency"), value=st.sampled_from(URGENCIES)),
    st.builds(In, field=st.just("inquiry_type"), values=st.tuples(st.sampled_from(INQUIRY_TYPES))),
    st.builds(AtLeast, field=st.just("web_visits"), value=st.integers(0, 5)),
    st.builds(
        WithinDays,
        field=st.sampled_from(["last_web_visit_at", "activity.email_open"]),
        days=st.floats(0.01, 60),
    ),
    st.builds(
        Contains, field=st.just("signal.procedures"), values=st.tuples(st.sampled_from(PROCEDURES))
    ),
    st.builds(
        Known, field=st.sampled_from(["has_phone", "signal.insurance", "last_email_open_at"])
    ),
)
conditions = st.recursive(
    leaf_conditions,
    lambda inner: st.one_of(
        st.builds(All, conditions=st.tuples(inner, inner)),
        st.builds(Any, conditions=st.tuples(inner, inner)),
        st.builds(Not, condition=inner),
    ),
    max_leaves=4,
)
points = st.integers(-100, 100).filter(bool)
rules = st.one_of(
    st.builds(rule, factor=st.sampled_from(FACTORS), when=conditions, points=points),
    st.builds(
        rule,
        factor=st.sampled_from(FACTORS),
        when=conditions,
        points=points,
        since=st.sampled_from(["last_web_visit_at", "activity.email_open"]),
        half_life_days=st.none() | st.floats(0.1, 40),
        window_days=st.none() | st.floats(0.1, 40),
        max_times=st.integers(2, 5),
    ),
)
models = st.lists(rules, max_size=8).map(
    lambda made: model(*[replace(each, id=f"r{index}") for index, each in enumerate(made)])
)
leads = st.builds(
    Lead,
    text=st.sampled_from(
        ["", "How much are veneers?", "I want an appointment today, my tooth hurts. I have Cigna"]
    ),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "has_phone": st.booleans(),
            "urgency": st.sampled_from(URGENCIES[1:]),
            "inquiry_type": st.sampled_from(INQUIRY_TYPES),
            "insurance_status": st.sampled_from(INSURANCES),
            "web_visits": st.integers(0, 9),
            "last_web_visit_at": instants,
            "first_response_at": instants,
            "override_score": st.integers(0, 100),
            "override_until": instants,
        },
    ),
    activities=st.lists(
        st.builds(
            Activity,
            kind=st.sampled_from(["email_open", "form_submission"]),
            at=instants,
            count=st.integers(1, 4),
        ),
        max_size=5,
    ).map(tuple),
    created_at=instants,
)


@ENOUGH
@given(leads, models)
def test_reasons_sum_to_the_score(some_lead, some_model):
    found = score(some_lead, some_model, NOW)

    assert sum(reason.points for reason in found.reasons) == (found.score or 0)
    assert all(isinstance(reason.points, int) for reason in found.reasons)
    assert found.score is None or 0 <= found.score <= 100
    assert found.tier in TIERS


@ENOUGH
@given(leads, models)
def test_factors_sum_to_the_score_before_the_clamp(some_lead, some_model):
    found = score(some_lead, some_model, NOW)

    after = {"clamp", "override.staff"}
    before = sum(reason.points for reason in found.reasons if reason.code not in after)
    assert sum(found.factors.values()) == before


@ENOUGH
@given(leads, models, st.floats(0, 1))
def test_a_score_is_the_same_until_it_says_it_changes(some_lead, some_model, share):
    found = score(some_lead, some_model, NOW)

    if found.valid_until is None:
        later = score(some_lead, some_model, NOW + timedelta(days=4000))
        assert later == found
        return
    assert found.valid_until > NOW
    between = NOW + (found.valid_until - MICROSECOND - NOW) * share
    assert score(some_lead, some_model, between) == found
    assert score(some_lead, some_model, found.valid_until - MICROSECOND) == found
    changed = score(some_lead, some_model, found.valid_until)
    assert (changed.score, changed.reasons) != (found.score, found.reasons)


@ENOUGH
@given(st.text(max_size=300), st.integers(1, 5))
def test_words_alone_never_reach_the_hot_tier(text, times):
    generous = model(
        rule(id="a", factor="inquiry_type", when=Known(field="signal.inquiry_type"), points=100),
        rule(id="b", factor="urgency", when=Not(condition=Is(field="signal.urgency", value="emergency")), points=100),
        rule(id="c", factor="procedure", when=Not(condition=Known(field="signal.procedures")), points=100),
        rule(id="d", factor="insurance", when=Not(condition=Known(field="signal.insurance")), points=100),
    )  # fmt: skip

    found = score(Lead(text="appointment " + text * times), generous, NOW)

    assert found.score is None or found.score <= 60
    assert found.tier != "hot"


def test_points_are_capped_by_factor_with_a_line_of_its_own():
    found = score(lead(), model(rule(points=50)), NOW)

    assert found.score == 20
    assert [(line.code, line.points) for line in found.reasons] == [
        ("one", 50),
        ("cap.engagement", -30),
    ]


def test_decayed_points_are_a_line_of_their_own():
    visited = NOW - timedelta(days=7)
    aging = rule(when=Known(field="last_web_visit_at"), points=8, half_life_days=7)

    found = score(lead(fields={"last_web_visit_at": visited}), model(aging), NOW)

    assert [(line.code, line.points) for line in found.reasons] == [("one", 8), ("decay.one", -4)]


def test_only_the_latest_occurrences_count():
    opens = Activity(kind="email_open", at=NOW - timedelta(days=1), count=9)
    counted = rule(when=Known(field="activity.email_open"), points=2, max_times=3)

    found = score(lead(activities=(opens,)), model(counted), NOW)

    assert found.score == 6


def test_an_occurrence_leaves_its_window_at_the_instant_it_ends():
    at = NOW - timedelta(days=6)
    windowed = rule(when=Known(field="activity.web_visit"), window_days=7)
    visit = lead(activities=(Activity(kind="web_visit", at=at),))

    found = score(visit, model(windowed), NOW)

    assert found.valid_until == at + timedelta(days=7)
    assert score(visit, model(windowed), found.valid_until).score == 0


def test_the_crm_field_beats_the_text():
    says = rule(factor="insurance", when=Is(field="signal.insurance", value="medicare"))
    some = lead(text="I have Cigna", fields={"insurance_status": "medicare"})

    found = score(some, model(says), NOW)

    assert found.score == 10
    assert found.signals.insurance == "medicare"


def test_staff_override_wins_until_it_ends():
    until = NOW + timedelta(days=2)
    overridden = lead(fields={"has_phone": True, "override_score": 90, "override_until": until})

    found = score(overridden, model(rule()), NOW)

    assert (found.score, found.tier, found.valid_until) == (90, "hot", until)
    assert ("override.staff", 80) in [(line.code, line.points) for line in found.reasons]
    assert score(overridden, model(rule()), until).score == 10


def test_override_reason_is_never_repeated():
    overridden = lead(fields={"override_score": 90, "override_reason": "marker-5519"})

    assert "marker-5519" not in str(score(overridden, model(rule()), NOW).to_json())


def test_respond_by_counts_from_the_inquiry_in_business_minutes():
    late = datetime(2026, 3, 6, 16, 59, tzinfo=UTC)  # a Friday

    found = score(lead(created_at=late), model(rule()), NOW)

    assert found.tier == "low"
    # 1 minute of Friday, 540 of Monday, 539 of Tuesday: two business days.
    assert found.respond_by == datetime(2026, 3, 10, 16, 59, tzinfo=UTC)


def test_an_answered_inquiry_has_no_respond_by():
    answered = lead(fields={"has_phone": True, "first_response_at": NOW + timedelta(minutes=1)})

    assert score(answered, model(rule()), NOW).respond_by is None


def test_a_new_form_after_the_answer_starts_the_clock_again():
    again = lead(
        fields={
            "first_response_at": NOW,
            "last_form_submission_at": NOW + timedelta(hours=1),
        }
    )

    assert score(again, model(rule()), NOW).respond_by is not None


def test_cut_offs_may_differ_by_service_line():
    lines = {"ortho": {"hot": 10, "warm": 8, "nurture": 4}}
    cut = model(rule(), service_lines=lines)

    assert score(lead(), cut, NOW).tier == "low"
    assert score(lead(fields={"has_phone": True, "service_line": "ortho"}), cut, NOW).tier == "hot"


def test_tiers_and_hours_can_be_replaced():
    tiers = {
        "hot": Tier(at_least=10, respond_within_minutes=3),
        "warm": Tier(at_least=6, respond_within_minutes=60),
        "nurture": Tier(at_least=2, respond_within_minutes=60),
        "low": Tier(at_least=0, respond_within_minutes=60),
    }

    found = score(lead(), replace(model(rule()), tiers=tiers), NOW)

    assert found.tier == "hot"
    assert found.respond_by == NOW + timedelta(minutes=3)


def test_nothing_known_is_unscored():
    found = score(Lead(created_at=NOW), model(rule()), NOW)

    assert (found.score, found.tier, found.respond_by) == (None, "unscored", None)


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="aware"):
        score(lead(), model(rule()), NOW.replace(tzinfo=None))


def test_no_field_value_shows_in_a_repr_of_lead_or_reason():
    marked = lead(text="marker-7741", fields={"insurance_carrier": "marker-7741"})
    shown = rule(factor="insurance", when=Known(field="insurance_carrier"))

    found = score(marked, model(shown), NOW)

    assert "marker-7741" not in repr(marked)
    assert "marker-7741" not in repr(found)
    assert found.reasons[0].detail == "insurance_carrier=marker-7741"
