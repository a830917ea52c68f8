"""Text as patients type it -> plain words in sentences."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from scoring.text.lexicon import MAX_REMEMBERED, respelled, vocabulary, word_forms

#: Longer texts are read from both ends: what matters stands at the start or at the end.
MAX_CHARS: Final = 20_000

_WORDS: Final = re.compile(r"[a-z]+(?:['\u2019][a-z]+)*|\d+(?:[.,:/]\d+)*|[.!?;\n]+|,|[$%]")
_LONG_RUN: Final = re.compile(r"([a-z])\1{2,}")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_SAME_LOOK: Final = str.maketrans(
    "аеорсухіӏѕјкмтнв", "aeopcyxilsjkmthb"
)  # Cyrillic letters on purpose


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
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS // 2] + "\n" + text[-MAX_CHARS // 2 :]
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        text = unicodedata.normalize("NFKD", text).casefold().translate(_SAME_LOOK)
        text = "".join(char for char in text if not unicodedata.combining(char))
    return _LONG_RUN.sub(r"\1", text.lower())


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
