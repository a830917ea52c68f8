import pytest

from scoring.evaluation import (
    Share,
    agreements,
    macro_f1,
    mean_absolute_error,
    micro_f1,
    recall_against_alarms,
)


def test_the_interval_of_a_share_is_wilsons():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148.
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Share(15, 148).interval == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_without_cases_the_interval_says_nothing():
    assert Share(0, 0).interval == (0.0, 1.0)
    assert Share(0, 0).value == 0.0


def test_macro_f1_leaves_out_values_without_a_row_and_micro_counts_their_mistakes():
    scores = agreements([({"a"}, {"a", "c"}), ({"b"}, {"b"})])

    assert macro_f1(scores) == 1.0
    assert micro_f1(scores) == pytest.approx(0.8)


def test_nothing_measured_is_zero():
    assert (macro_f1({}), micro_f1({}), mean_absolute_error([])) == (0.0, 0.0, 0.0)


def test_equal_scores_are_one_point_of_the_curve():
    points = recall_against_alarms([(1.0, True), (1.0, False), (0.0, False)])

    assert points == [(1.0, 1.0, 0.5), (0.0, 1.0, 1.0)]
