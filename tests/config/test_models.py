import pytest
from pydantic import ValidationError

from config.model_files import ModelFile
from config.models import packaged_model
from config.problems import ConfigError
from scoring.labels import SCORED_TIERS

RULE = {
    "id": "urgency.soon",
    "factor": "urgency",
    "points": 10,
    "says": "Wants care soon",
    "when": {"field": "signal.urgency", "is": "soon"},
}


def test_the_general_pack_is_a_checked_model():
    model = packaged_model()

    assert set(model.tiers) == set(SCORED_TIERS)
    assert len({rule.factor for rule in model.rules}) == 5


def test_an_unknown_pack_is_not_found():
    with pytest.raises(ConfigError, match="did you mean 'general'"):
        packaged_model("genral")


def test_the_version_follows_the_content():
    same = ModelFile.model_validate({"name": "mine", "rules": [RULE]})
    again = ModelFile.model_validate({"name": "mine", "rules": [dict(RULE)]})
    other = ModelFile.model_validate({"name": "mine", "rules": [{**RULE, "points": 11}]})

    assert same.build().version == again.build().version
    assert same.build().version != other.build().version
    assert same.build().version.startswith("mine-")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"name": "mine", "rules": [{**RULE, "pionts": 3}]}, ("rules", 0, "pionts")),
        ({"name": "mine", "rules": [RULE], "caps": {"urgency": 200}}, ("caps", "urgency")),
        ({"name": "mine", "rules": [RULE], "hours": {"monday": ["9-5"]}},
         ("hours", "monday", 0)),
        ({"name": "mine", "rules": [{**RULE, "when": {"field": "source"}}]}, ("rules", 0, "when")),
        ({"name": "mine", "rules": [{**RULE, "when": {"is": 3, "known": True}}]},
         ("rules", 0, "when")),
        ({"name": "Bad Name", "rules": [RULE]}, ("name",)),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(content, place):
    with pytest.raises(ValidationError) as refused:
        ModelFile.model_validate(content)

    assert place in [error["loc"] for error in refused.value.errors()]


def test_a_rule_the_engine_refuses_is_a_validation_error():
    wrong = {**RULE, "when": {"field": "no_such_field", "known": True}}

    with pytest.raises(ValidationError, match="no such field, found 'no_such_field'"):
        ModelFile.model_validate({"name": "mine", "rules": [wrong]})
