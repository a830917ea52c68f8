import pytest

from scoring.errors import ModelError
from scoring.model import Any, AtLeast, Contains, Is, Known, Rule, ScoringModel, Tier, WithinDays


def rule(**given):
    return Rule(
        **{
            "id": "one",
            "factor": "urgency",
            "when": Known(field="source"),
            "points": 5,
            "says": "A reason",
            **given,
        }
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"factor": "luck"}, "factor: must be one of"),
        ({"points": 0}, "points: must be"),
        ({"when": Known(field="sourze")}, "unknown field 'sourze'"),
        ({"when": Is(field="urgency", value="yesterday")}, "'urgency' is never 'yesterday'"),
        ({"when": Is(field="has_phone", value="yes")}, "the value has another type"),
        ({"when": AtLeast(field="source", value=1)}, "'at_least' does not fit 'source'"),
        ({"when": WithinDays(field="booked_at", days=0)}, "within_days must be above 0"),
        ({"when": Contains(field="procedures", values=("magic",))}, "is never 'magic'"),
        ({"when": Any(conditions=())}, "need at least one condition"),
        ({"half_life_days": 3.0}, "need an instant or an activity"),
        ({"says": "<b>loud</b>"}, "without < and >"),
        ({"says": "two\nlines"}, "must be plain text"),
        ({"max_times": 0}, "max_times: must be"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(given, problem):
    with pytest.raises(ModelError) as refused:
        ScoringModel(version="v", rules=(rule(**given),))

    assert any(problem in found for found in refused.value.problems)


def test_all_problems_are_told_at_once():
    with pytest.raises(ModelError) as refused:
        ScoringModel(version="v", rules=(rule(points=0), rule(factor="luck")), text_cap=-1)

    assert len(refused.value.problems) == 4  # cap, points, factor, and the id taken twice


def test_tiers_must_fall_and_reach_zero():
    tiers = {
        name: Tier(at_least=10, respond_within_minutes=5)
        for name in ("hot", "warm", "nurture", "low")
    }

    with pytest.raises(ModelError, match="low must begin at 0"):
        ScoringModel(version="v", rules=(rule(),), tiers=tiers)
