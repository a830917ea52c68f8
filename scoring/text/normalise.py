"""Text as patients type it -> plain words in sentences."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from scoring.text.lexicon import MAX_REMEMBERED, respelled, vocabulary, word_forms

#: Longer texts are shortened first: repeats and junk go, then the middle.
MAX_CHARS: Final = 20_000
#: What stands beyond is not looked at.
MAX_LOOKED_AT: Final = 2_000_000

_WORDS: Final = re.compile(r"[a-z]+(?:['\u2019][a-z]+)*|\d+(?:[.,:/]\d+)*|[.!?;\n]+|,|[$%]")
_LONG_RUN: Final = re.compile(r"([a-z])\1{2,}")
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
#: Cyrillic and Greek letters that look like Latin ones, on purpose.
_SAME_LOOK: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u04cf\u0455\u0458\u043a\u043c\u0442\u043d\u0432"
    "\u0501\u04bb\u051b\u051d\u03b1\u03bf\u03c1\u03bd\u03c4\u03c5\u03b9\u03ba\u0261",
    "aeopcyxilsjkmthbdhqwaopvtuikg",
)
_END_OF_SENTENCE: Final = re.compile(r"[.!?;\n]+")
_JUNK: Final = re.compile(r"[^\w\s.,!?;:%$'\u2019]{2,}|\s{2,}")
_SAME_WORD: Final = re.compile(r"\b(\w{1,40})(?:\W{1,3}\1\b){2,}")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text, with the sentence and the clause in which each stands."""

    words: list[str]
    sentences: list[int]
    clauses: list[int]
    asks: frozenset[int]  #: Sentences that end with a question mark.
    #: What a pass over the text has found, for the next pass: the gate and the signals share it.
    memo: dict[str, object] = field(default_factory=dict, repr=False, compare=False)


def normalise(text: str) -> str:
    """Return `text` in lower case, without accents, invisible characters and long letter runs.

    >>> normalise("HEEEELP, mi beb\u00e9 no re\u200bspira")
    'help, mi bebe no respira'
    """
    text = _INVISIBLE.sub("", text)
    if len(text) > MAX_CHARS:
        text = _shortened(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).casefold().translate(_SAME_LOOK)
        text = "".join(char for char in text if not unicodedata.combining(char))
    return _LONG_RUN.sub(r"\1", text.lower())


def _shortened(text: str) -> str:
    """Return a long `text` with each sentence once, without junk, and cut in the middle."""
    text = _JUNK.sub(" ", text[:MAX_LOOKED_AT])
    text = _SAME_WORD.sub(r"\1", text)
    ends = iter([*_END_OF_SENTENCE.findall(text), ""])
    parts = dict.fromkeys((part.strip(), next(ends)[:1]) for part in _END_OF_SENTENCE.split(text))
    text = " ".join(part + end for part, end in parts)
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS // 2] + "\n" + text[-MAX_CHARS // 2 :]
    return text


def words_of(text: str) -> Words:
    """Return the words of `text`: possessives cut, short forms and common misspellings resolved.

    >>> words_of("My son's arm hurts. Cant breath!").words
    ['my', 'son', 'arm', 'hurts', 'cant', 'breathe']
    """
    words: list[str] = []
    sentences: list[int] = []
    clauses: list[int] = []
    asks: set[int] = set()
    sentence = clause = 0
    for token in _WORDS.findall(normalise(text)):
        first = token[0]
        if first in ".!?;\n":
            if "?" in token:
                asks.add(sentence)
            sentence += 1
            clause += 1
            continue
        if first == ",":
            clause += 1
            continue
        for word in _meant(token):
            words.append(word)
            sentences.append(sentence)
            clauses.append(clause)
    return Words(words, sentences, clauses, frozenset(asks))


@lru_cache(maxsize=MAX_REMEMBERED)
def _meant(token: str) -> tuple[str, ...]:
    """Return the words that a token stands for. Single words, apart from any text; bounded."""
    forms = word_forms()
    if (meant := forms.get(token)) is not None:
        return meant
    if not token[0].isalpha():
        return (token,)
    token = token.replace("\u2019", "'")
    token = token.removesuffix("'s").replace("'", "")
    if (meant := forms.get(token)) is not None:
        return meant
    if len(token) > 4 and token not in vocabulary() and (word := respelled(token)) is not None:
        return forms.get(word) or (word,)
    return (token,)
