"""Every pack is a checked model file, and each of its cases gets its tier."""

import pytest

from config.models import packaged, packaged_models
from console.models import outcome
from scoring.model import NAMEABLE

CASES = [(name, case) for name in packaged_models() for case in packaged(name).file.cases]
SPECIALTIES = [name for name in packaged_models() if name != "general"]


@pytest.mark.parametrize(
    ("name", "case"), CASES, ids=[f"{name}: {case.name}" for name, case in CASES]
)
def test_a_case_gets_its_tier(name, case):
    tier, why = outcome(packaged(name), case)

    assert tier == case.tier, why


@pytest.mark.parametrize("name", SPECIALTIES)
def test_a_specialty_pack_says_what_it_is_for_and_shows_it_by_cases(name):
    file = packaged(name).file

    assert file.extends == "general"
    assert file.pack is not None
    assert {"hot", "warm", "clinical", "not_a_lead"} <= {case.tier for case in file.cases}
    assert not file.benchmarks.figures or file.benchmarks.source


@pytest.mark.parametrize("name", SPECIALTIES)
def test_a_pack_names_its_procedures_and_its_urgency(name):
    words = packaged(name).file.words

    assert "urgent" in words
    assert set(words) & set(NAMEABLE) - {"urgent", "soon"}
