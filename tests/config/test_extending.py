import re
from pathlib import Path

import pytest

from config.models import check, load, load_text
from config.problems import ConfigError
from console.models import outcome

BASE = """
name = "base"
[caps]
urgency = 10
[groups]
reach = 5
[[rules]]
id = "phone"
factor = "engagement"
points = 4
group = "reach"
says = "Left a phone number"
when = { field = "has_phone", is = true }
[[rules]]
id = "soon"
factor = "urgency"
points = 8
says = "Wants care soon"
when = { field = "signal.urgency", is = "soon" }
[[cases]]
name = "a case"
tier = "low"
lead = { fields = { has_phone = true } }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base.toml").write_text(BASE)
    return tmp_path


def extended(folder, text):
    return load_text('name = "own"\nextends = "base.toml"\n' + text, "own.toml", folder)


def problems(folder, text):
    with pytest.raises(ConfigError) as refused:
        extended(folder, text)
    return [str(problem) for problem in refused.value.problems]


def test_what_a_file_leaves_out_is_that_of_the_base(folder):
    found = extended(folder, "[caps]\ninsurance = 3\n")

    assert [rule.id for rule in found.model.rules] == ["phone", "soon"]
    assert (found.model.caps["urgency"], found.model.caps["insurance"]) == (10, 3)
    assert found.file.cases == ()
    assert found.model.version.startswith("own-")


def test_a_rule_is_changed_by_its_id_key_by_key(folder):
    found = extended(folder, '[[rules]]\nid = "soon"\npoints = 9\n')

    [_, soon] = found.model.rules
    assert (soon.points, soon.says) == (9, "Wants care soon")


def test_rules_are_removed_by_id_and_their_empty_group_goes(folder):
    found = extended(folder, 'remove = ["phone"]\n')

    assert [rule.id for rule in found.model.rules] == ["soon"]
    assert found.model.groups == {}


def test_a_rule_to_remove_that_is_not_there_is_told_with_the_nearest(folder):
    found = problems(folder, 'remove = ["phonne"]\n')

    assert found == [
        "remove[0]: 'base.toml' has no such rule, found 'phonne'; did you mean 'phone'?"
    ]


def test_a_problem_is_told_with_the_place_in_the_file_itself(folder):
    found = problems(folder, '[[rules]]\nid = "soon"\npoints = 0\n')

    assert found == ["rules[0].points: must be -100 to 100 and not 0, found 0"]


def test_a_problem_of_the_base_names_the_base(folder):
    (folder / "base.toml").write_text(BASE.replace('"signal.urgency"', '"signal.urgeny"'))

    [found] = problems(folder, "")

    assert "base.toml" in found
    assert "rules[1].when.field: no such field, found 'signal.urgeny'; did you mean 'signal.urgency'?" in found  # fmt: skip


def test_models_that_extend_each_other_in_a_circle_are_refused(folder):
    (folder / "base.toml").write_text('name = "base"\nextends = "base.toml"\n')

    with pytest.raises(ConfigError, match="never in a circle"):
        load("base.toml", folder)


def test_every_problem_is_told_at_once_with_its_place():
    rule = {
        "id": "a",
        "factor": "urgency",
        "points": 3,
        "says": "A",
        "when": {"field": "source", "known": True},
    }
    wrong = [
        {**rule, "id": "b", "when": {"all": [{"field": "sourze", "known": True}]}},
        rule,
        {**rule, "id": "c", "points": 0, "says": "<b>"},
        {**rule, "group": "nobody"},
    ]

    file, found = check(
        {"name": "x", "rules": wrong, "caps": {"urgncy": 3}, "tier": {}, "hours": {"time_zone": "Mars"}}
    )  # fmt: skip

    assert file is None
    assert {problem.path for problem in found} == {
        "rules[0].when.all[0].field", "rules[2].points", "rules[2].says", "hours.time_zone", "tier",
        "caps.urgncy", "rules[3].id", "rules[3].group",
    }  # fmt: skip


def test_figures_need_their_source():
    rule = {
        "id": "a",
        "factor": "urgency",
        "points": 3,
        "says": "A",
        "when": {"field": "source", "known": True},
    }

    _, found = check({"name": "x", "rules": [rule], "benchmarks": {"figures": {"show_rate": 0.8}}})

    assert [str(problem) for problem in found] == [
        "benchmarks: figures need a 'source': who measured them, where and when"
    ]


def test_public_holidays_become_dates():
    rule = {
        "id": "a",
        "factor": "urgency",
        "points": 3,
        "says": "A",
        "when": {"field": "source", "known": True},
    }
    content = {"name": "x", "rules": [rule], "hours": {"holidays": ["US-CA", "2026-12-24"]}}

    file, found = check(content)

    assert found == []
    days = {day.isoformat() for day in file.build().hours.holidays}
    assert {"2026-12-24", "2026-12-25", "2027-03-31"} <= days  # Cesar Chavez Day is Californian
    _, [problem] = check({**content, "hours": {"holidays": "US-CAL"}})
    assert str(problem) == "hours.holidays: 'US' has no part 'CAL'; did you mean 'CA'?"


def test_the_model_of_the_docs_is_one():
    page = Path(__file__).parents[2] / "docs" / "scoring.md"
    [example] = re.findall(r"```toml\n(.*?)```", page.read_text(), flags=re.DOTALL)

    loaded = load_text(example, "docs/scoring.md", Path())

    assert loaded.model.version.startswith("implants-")
    assert all(outcome(loaded, case)[0] == case.tier for case in loaded.file.cases)
