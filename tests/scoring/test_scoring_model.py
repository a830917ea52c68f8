import pytest

from scoring.conditions import Any, AtLeast, AtMost, Contains, Is, Known, WithinDays
from scoring.errors import ModelError
from scoring.model import Exclusion, Reset, ScoringModel, Tier
from scoring.rule import Rule


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
        ({"factor": "luck"}, "factor: no such factor, found 'luck'"),
        ({"points": 0}, "points: must be -100 to 100 and not 0, found 0"),
        ({"when": Known(field="sourze")}, "when.field: no such field, found 'sourze'"),
        ({"when": Is(field="urgency", value="yesterday")}, "'urgency' is never 'yesterday'"),
        ({"when": Is(field="has_phone", value="yes")}, "the value has another type"),
        (
            {"when": AtLeast(field="source", value=1)},
            "when.at_least: does not fit 'source', which is text",
        ),
        ({"when": WithinDays(field="booked_at", days=0)}, "when.within_days: must be above 0"),
        ({"when": Contains(field="procedures", values=("magic",))}, "is never 'magic'"),
        ({"when": Any(conditions=())}, "'any' needs at least one condition"),
        ({"half_life_days": 3.0}, "need an instant or an activity"),
        ({"says": "<b>loud</b>"}, "without < and >"),
        ({"says": "two\nlines"}, "must be plain text"),
        ({"max_times": 0}, "max_times: must be"),
        ({"id": "decay.one"}, "id: must not begin like a line of the engine's own"),
        ({"when": None}, "when: a rule with one number of points needs 'when'"),
        ({"by": "channel"}, "by: needs points by value"),
        ({"points": {"call": 3}}, "by: points by value need the field"),
        ({"points": {"call": 3}, "by": "source"}, "by: must be a choice"),
        ({"points": {"pigeon": 3}, "by": "channel"}, "points.pigeon: 'channel' is never 'pigeon'"),
        (
            {"points": {"call": 3}, "by": "channel", "says": {"chat": "x"}},
            "says.chat: every value",
        ),
        ({"when": AtMost(field="web_visits", value=float("nan"))}, "must be a finite number"),
        ({"since": "booked_at"}, "since: has no effect without"),
        ({"group": "nobody"}, "group: no such group in [groups], found 'nobody'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(given, problem):
    with pytest.raises(ModelError) as refused:
        ScoringModel(version="v", rules=(rule(**given),))

    assert any(problem in str(found) for found in refused.value.problems)


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


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"groups": {"email": 8}}, "groups.email: no rule is in this group"),
        ({"exclusions": (Exclusion(when=Known(field="source"), route="nowhere"),)}, "exclusions[0].route: no such route"),
        ({"exclusions": (Exclusion(when=WithinDays(field="booked_at", days=3), route="billing"),)}, "exclusions[0].when: within_days has no place here"),
        ({"resets": (Reset(since="source"),)}, "resets[0].since: must be an instant or an activity"),
        ({"words": {"emergency": ("pain",)}}, "words.emergency: neither a procedure nor urgent or soon"),
        ({"words": {"ivf": ("(a|b)*",)}}, "words.ivf[0]: must be 1 to 60 plain letters"),
        ({"text_cap": 101}, "text_cap: must be 0 to 100, found 101"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_is_refused(given, problem):
    with pytest.raises(ModelError) as refused:
        ScoringModel(version="v", rules=(rule(),), **given)

    assert any(problem in str(found) for found in refused.value.problems)


def test_a_group_is_of_one_factor():
    rules = (rule(group="g"), rule(id="two", factor="insurance", group="g"))

    with pytest.raises(ModelError, match="must all be of one factor"):
        ScoringModel(version="v", rules=rules, groups={"g": 5})
