"""Nothing that fails beside the rules can switch the emergency gate off."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scoring
from scoring.text.emergency import BY_WEIGHT, emergency_in
from scoring.text.normalise import words_of
from scoring.text.weights import Evidence, Weights

EMERGENCY = "Crushing chest pain and sweating since this morning"
ORDINARY = "How much is teeth whitening?"
PROGRAM = """
from datetime import UTC, datetime
from scoring.text.emergency import possible_emergency
assert possible_emergency("Crushing chest pain and sweating since this morning")
print("flagged")
"""


def raises(_features):
    raise RuntimeError


@pytest.mark.parametrize("weigh", [raises, lambda _: None, lambda _: "a"])
def test_weights_that_fail_leave_the_verdict_of_the_rules(weigh):
    assert emergency_in(words_of(EMERGENCY), weigh=weigh) is not None
    assert emergency_in(words_of(ORDINARY), weigh=weigh) is None


def test_strong_weights_add_a_flag_to_a_text_without_a_rule():
    assert emergency_in(words_of(ORDINARY), weigh=lambda _: 10_000) == BY_WEIGHT


@pytest.mark.parametrize("file", ["emergency_weights.tsv", "signal_weights.tsv", "signals.tsv"])
@pytest.mark.parametrize("content", [None, "", "\x00\x01\tgarbage", "(bias)\tdanger=none\n"])
def test_a_missing_or_broken_file_beside_the_rules_leaves_the_flag(tmp_path, file, content):
    copy = tmp_path / "scoring"
    shutil.copytree(Path(scoring.__file__).parent, copy)
    broken = copy / "text" / "lexicons" / file
    if content is None:
        broken.unlink()
    else:
        broken.write_text(content, encoding="utf-8")

    done = subprocess.run(  # noqa: S603  # our own interpreter on our own copy
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout == "flagged\n", done.stderr


@pytest.mark.parametrize("kind", [Weights, Evidence])
def test_weights_without_a_constant_term_are_refused(kind):
    with pytest.raises(ValueError, match="no line"):
        kind([["pain", "danger=1"]])


@pytest.mark.parametrize("kind", [Weights, Evidence])
def test_a_weight_that_is_no_number_is_refused(kind):
    with pytest.raises(ValueError, match="invalid literal"):
        kind([["(bias)", "danger=much"]])


def test_sums_of_many_weights_stay_exact_below_and_above_zero():
    table = [["(bias)", "a=-3", "b=4", "c=0"], ["x", "a=-70000", "c=9"], ["y", "b=-5", "c=-10"]]

    assert Weights(table).sums({"x", "y", "unknown"}) == [-70003, -1, -1]


def test_short_names_stand_for_values():
    table = [["(values)", "0=type:spam", "1=type:referral"], ["(bias)", "0=1", "1=2"]]

    weights = Weights(table)

    assert dict(zip(weights.values, weights.sums(()), strict=True)) == {
        "type:spam": 1,
        "type:referral": 2,
    }
