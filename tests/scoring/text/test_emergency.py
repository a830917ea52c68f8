import time
from pathlib import Path

import pytest

from scoring.text.emergency import possible_emergency

HERE = Path(__file__).parent
CLEAR = "my chest hurts and my left arm is heavy, sweating a lot"


def invented(name):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_most_invented_emergencies_are_flagged():
    texts = invented("invented_emergencies.tsv")

    assert sum(possible_emergency(text) is not None for text in texts) >= 0.95 * len(texts)


def test_few_ordinary_inquiries_are_flagged():
    texts = invented("invented_ordinary.tsv")

    assert sum(possible_emergency(text) is not None for text in texts) <= 0.05 * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        CLEAR,
        CLEAR.upper() + "!!!!",
        "my ch\u200best hu\u00adrts and my left arm is heavy",
        "my \uff43\uff48\uff45\uff53\uff54 hurts and my left arm is heavy",  # full width
        "my che\u0301st hurts and my left arm is heavy",
        "my chest hurrrrts and my left arm is heavyyyy",
        "\x00my\x07 chest hurts\x1b and my left arm is heavy",
        "my \u0441hest hurts and my left arm is heavy",  # a Cyrillic letter
        "cant breath and my lips r blue",
        "filler words of no weight. " * 40_000 + CLEAR,
    ],
)
def test_disguises_do_not_hide_an_emergency(text):
    assert possible_emergency(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "No chest pain, no trouble breathing, just a checkup",
        "My uncle had a stroke years ago",
        "Do you treat chest pain",
        "I'm dying to see the results",
    ],
)
def test_denied_past_supposed_and_figurative_danger_is_not_flagged(text):
    assert possible_emergency(text) is None


@pytest.mark.parametrize(
    "word", ["chest pain ", "a", "no ", "if i ", "swollen face eye ", "\u200b"]
)
def test_a_megabyte_is_read_in_bounded_time(word):
    text = word * (1_000_000 // len(word))
    began = time.process_time()

    possible_emergency(text)

    assert time.process_time() - began < 5  # far above what it takes; a square would be minutes


def test_ten_thousand_repeats_change_nothing():
    assert possible_emergency("How much is whitening? " * 10_000) is None
    assert possible_emergency((CLEAR + ". ") * 10_000) is not None
