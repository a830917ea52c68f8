"""Meaning adds flags to the gate's; it takes none away, whatever it says and however it fails."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import load_model
from scoring.engine import score
from scoring.lead import Lead
from scoring.text.emergency import BY_WEIGHT, emergency_in
from scoring.text.lexicon import lines
from scoring.text.normalise import words_of
from scoring.text.reading import read_signals
from scoring.text.semantic import ADDS_FROM, BY_MEANING, Meaning, emergency_by_any

EMERGENCY = "Crushing chest pain and sweating since this morning"
ORDINARY = "How much is teeth whitening?"
NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
ZERO = [0.0] * 384
PIECES = st.sampled_from(
    [
        *("chest", "pain", "can't breathe", "no", "not", "my dad", "bleeding,", "passed out", "."),
        *("whitening?", "price", "dying smile", "swallowed", "pills", "want to end it all"),
        *("insurance", "tomorrow", "dolor de pecho", "99"),
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=14).map(" ".join))


def raises(_text):
    raise RuntimeError(EMERGENCY)


def of(numbers):
    return Meaning(lambda _: numbers, table=TABLE)


#: The whole evidence is the vector's first number, times a hundred.
TABLE = [["(bias)", "danger=0"], *([f"@{n}", f"danger={100 * (n == 0)}"] for n in range(384))]
FAULTS = {
    "raises": raises,
    "nothing": lambda _: None,
    "no numbers": lambda _: ["a"] * 384,
    "too short": lambda _: [9.0],
    "too long": lambda _: [9.0] * 385,
    "nan": lambda _: [math.nan] * 384,
    "infinite": lambda _: [math.inf] * 384,
}


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, numbers=st.lists(st.floats(), min_size=383, max_size=385) | st.none())
def test_no_vector_takes_a_flag_away_or_renames_it(text, numbers):
    words = words_of(text)
    alone = emergency_in(words)

    found = emergency_by_any(text, words, of(numbers))

    assert found == alone if alone is not None else found in {None, BY_MEANING}


@pytest.mark.parametrize("embed", FAULTS.values(), ids=FAULTS)
def test_whatever_fails_the_other_verdict_stands_and_only_the_kind_is_told(embed):
    told = []
    meaning = Meaning(embed, table=TABLE, on_fault=told.append)

    for text in (EMERGENCY, ORDINARY):
        words = words_of(text)
        assert emergency_by_any(text, words, meaning) == emergency_in(words)
    assert len(told) == 1
    assert "chest" not in told[0]


def test_evidence_at_the_threshold_flags_and_below_it_does_not():
    words = words_of(ORDINARY)

    for hundredths, found in ((ADDS_FROM, BY_MEANING), (ADDS_FROM - 1, None)):
        vector = [hundredths / 100, *ZERO[1:]]
        assert emergency_by_any(ORDINARY, words, of(vector)) == found
    assert BY_MEANING != BY_WEIGHT


def test_a_text_that_is_flagged_already_is_not_embedded_nor_one_without_words():
    asked = []
    meaning = Meaning(asked.append, table=TABLE)

    assert emergency_by_any(EMERGENCY, words_of(EMERGENCY), meaning)
    assert emergency_by_any("?!", words_of("?!"), meaning) is None
    assert asked == []


def test_a_flag_by_meaning_gates_the_lead_and_its_signals(tmp_path):
    model = load_model("general", tmp_path)
    flags = of([9.0, *ZERO[1:]])

    found = score(Lead(text=ORDINARY), model, NOW, flags)

    assert (found.tier, found.score) == ("clinical", None)
    assert read_signals(ORDINARY, flags).urgency == "emergency"


@pytest.mark.parametrize("embed", FAULTS.values(), ids=FAULTS)
def test_a_fault_leaves_the_score_as_it_is_without_meaning(tmp_path, embed):
    model = load_model("general", tmp_path)

    for text in (EMERGENCY, ORDINARY):
        lead = Lead(text=text)
        assert score(lead, model, NOW, Meaning(embed)) == score(lead, model, NOW)


def test_the_shipped_weights_judge_a_vector_of_384_numbers():
    names = [line[0] for line in lines("semantic_weights.tsv")]

    assert [name for name in names if name.startswith("@")] == [f"@{n}" for n in range(384)]
    assert not Meaning(lambda _: ZERO).adds(ORDINARY, words_of(ORDINARY))


@pytest.mark.parametrize(
    "table",
    [
        [],
        [["@0", "danger=1"]],
        [["(bias)", "danger=x"]],
        [["(bias)", "danger=1"], ["@0", "danger="]],
        [["(bias)", "danger=1"], ["@1", "danger=1"]],
    ],
)
def test_broken_weights_are_refused(table):
    with pytest.raises(ValueError, match=r"weights|invalid literal"):
        Meaning(lambda _: ZERO, table=table)
