"""Bad input: the verdict is that of the clean text, and the time is bounded."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.text.normalise import MAX_CHARS, words_of
from scoring.text.reading import read_signals

ROWS = [
    json.loads(line)
    for name in ("train_g", "train_h", "train_i")
    for line in (Path(__file__).parent / "inquiries" / f"{name}.jsonl").read_text("utf-8").splitlines()
]  # fmt: skip
TEXTS = [row["text"] for row in ROWS]
UNSEEN = ["\u200b", "\u200d", "\u200e", "\ufeff", "\u00ad", "\x00", "\x07", "\x1b", "\u202e", "\ud800", "\udfff"]  # fmt: skip
ALIKE = str.maketrans("aeopcx", "\u0430\u0435\u043e\u0440\u0441\u0445")
EMERGENCY = "My husband has crushing chest pain and is sweating since this morning."
ORDINARY = "How much is teeth whitening, and can I pay cash?"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from(UNSEEN), st.data())
def test_s041_characters_that_nobody_sees_change_no_verdict(text, unseen, data):
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    soiled = text
    for place in sorted(places, reverse=True):
        soiled = soiled[:place] + unseen + soiled[place:]

    assert read_signals(soiled) == read_signals(text)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEXTS))
def test_s041_letters_of_another_script_that_look_alike_change_no_verdict(text):
    assert read_signals(text.translate(ALIKE)) == read_signals(text)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEXTS), st.integers(2, 5))
def test_s042_a_text_said_again_counts_once(text, times):
    assert read_signals("\n".join([text] * times)) == read_signals(text)


@pytest.mark.parametrize("text", [EMERGENCY, ORDINARY])
def test_s042_ten_thousand_repeats_change_no_verdict(text):
    assert read_signals((text + "\n") * 10_000) == read_signals(text)


@pytest.mark.parametrize(
    "junk", ["\U0001f600", "\U0001f1fa\U0001f1f8", " ", "\u200d", "\n", "*", "\x00"]
)
@pytest.mark.parametrize("text", [EMERGENCY, ORDINARY])
def test_a_megabyte_of_junk_round_a_text_changes_no_verdict(text, junk):
    flood = junk * (500_000 // len(junk))

    assert read_signals(f"{flood} {text} {flood}") == read_signals(text)


def test_a_keyword_repeated_behind_an_emergency_does_not_hide_it():
    assert read_signals(EMERGENCY + " whitening" * 10_000).urgency == "emergency"


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "ab ",
        "no ",
        "chest pain ",
        "if i ",
        "swollen face eye ",
        "\u0301",
        "\ufdfa",
        "a\u0301.",
        "x?",
        "!",
        "\ud800",
    ],
)
def test_the_time_grows_no_faster_than_the_text(piece):
    def cost(chars):
        text = piece * (chars // len(piece))
        began = time.process_time()
        read_signals(text)
        return time.process_time() - began

    cost(1_000)

    assert cost(1_000_000) < 5  # far above what it takes; a square would be minutes


def test_a_long_text_is_cut_to_a_bounded_one():
    letters = " ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{n}" for n in range(60_000))

    assert len(words_of(letters).words) < 3 * MAX_CHARS
