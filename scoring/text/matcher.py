"""Finds every phrase of a lexicon in a text at once, in time linear in the text.

A phrase is a row of word groups ("cant/wont .. breathe/breathing"). Each phrase is filed under
the words of its narrowest group, so a text's word leads to the few phrases that could be there.
Which groups a sentence has at all stands in one large whole number, one bit a group: one
comparison rules most of those out. The rest are looked for to the left and to the right of the word.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from scoring.text.lexicon import MAX_REMEMBERED, alternatives, lines
from scoring.text.normalise import Words

#: Words that `..` may stand for.
GAP: Final = 4
#: A concept of this prefix takes hits of the concept so named away where it overlaps them.
_NOT: Final = "not_"


class Hit(NamedTuple):
    """A concept found at words `start` up to, not including, `end`."""

    concept: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class _Phrase:
    concept: str
    groups: tuple[int, ...]  #: Each as its bit.
    #: How many words may stand before each group.
    gaps: tuple[int, ...]
    needs: int  #: The bits of all groups.
    key: int  #: Place of the group under whose words it is filed.


class _Known(NamedTuple):
    """What a word is part of."""

    bits: int  #: Of its groups.
    phrases: tuple[_Phrase, ...]  #: Filed under it.


class Matcher:
    """A compiled set of (concept, pattern) pairs; see `lexicon.alternatives` for patterns."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._groups: dict[str, int] = {}
        self._exact: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        #: Single words, apart from any text; bounded.
        self._known: dict[str, _Known] = {}
        rows: dict[tuple[str, tuple[str, ...]], None] = {}
        for concept, pattern in patterns:
            for tokens in alternatives(pattern):
                rows[concept, tokens] = None
        self._by_key: dict[int, list[_Phrase]] = {}
        for concept, tokens in rows:
            phrase = self._phrase(concept, tokens)
            self._by_key.setdefault(phrase.groups[phrase.key], []).append(phrase)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})
        #: What any prefix begins with: most words begin otherwise and are done with.
        self._heads = frozenset(prefix[:3] for prefix in self._prefixes)
        self._shorts = frozenset(prefix for prefix in self._prefixes if len(prefix) < 3)
        self._numbers = self._exact.get("#", 0)

    def find(self, text: Words) -> list[Hit]:
        """Return every hit in `text`, overlapping ones too; for each start the nearest end."""
        get, look_up, sentences = self._known.get, self._look_up, text.sentences
        words = [get(word) or look_up(word) for word in text.words]
        bits = [word.bits for word in words]
        #: What each sentence has: no phrase goes beyond one.
        present = [0] * (sentences[-1] + 1 if sentences else 0)
        for sentence, mine in zip(sentences, bits, strict=True):
            if mine:
                present[sentence] |= mine
        found: dict[Hit, None] = {}
        for index, word in enumerate(words):
            if not word.phrases:
                continue
            here = present[sentences[index]]
            for phrase in word.phrases:
                needs = phrase.needs
                if needs & here != needs:
                    continue
                if len(phrase.groups) == 1:
                    found[Hit(phrase.concept, index, index + 1)] = None
                    continue
                for start, end in _around(phrase, index, bits, sentences):
                    found[Hit(phrase.concept, start, end)] = None
        return _without_cancelled(list(found))

    def _look_up(self, word: str) -> _Known:
        bits = self._bits_of(word)
        phrases = [
            phrase for group, filed in self._by_key.items() if bits & group for phrase in filed
        ]
        entry = _Known(bits, tuple(phrases))
        if len(self._known) < MAX_REMEMBERED:
            self._known[word] = entry
        return entry

    def _bits_of(self, word: str) -> int:
        bits = self._exact.get(word, 0)
        if word[0].isdigit():
            bits |= self._numbers
        if word[:3] not in self._heads and self._shorts.isdisjoint((word[:1], word[:2])):
            return bits
        for length in self._lengths:
            if length > len(word):
                break
            bits |= self._prefixes.get(word[:length], 0)
        return bits

    def _phrase(self, concept: str, tokens: tuple[str, ...]) -> _Phrase:
        groups: list[int] = []
        gaps: list[int] = []
        widths: list[int] = []
        gap = 0
        for token in tokens:
            if token == "..":  # noqa: S105  # a token of the pattern language
                gap = GAP
                continue
            group = self._groups.get(token)
            if group is None:
                group = self._groups[token] = 1 << len(self._groups)
                for word in token.split("/"):
                    table = self._prefixes if word.endswith("*") else self._exact
                    name = word.removesuffix("*")
                    table[name] = table.get(name, 0) | group
            groups.append(group)
            gaps.append(gap)
            widths.append(_width(token))
            gap = 0
        needs = 0
        for group in groups:
            needs |= group
        return _Phrase(concept, tuple(groups), tuple(gaps), needs, widths.index(min(widths)))


def _width(token: str) -> int:
    """Return how often the words of a group are to be met with, roughly."""
    often = _often()
    return sum(
        sum(times for other, times in often.items() if other.startswith(word[:-1]))
        if word.endswith("*")
        else often.get(word, 1)
        for word in token.split("/")
    )


@cache
def _often() -> dict[str, int]:
    """Return how often common words are met: a phrase is best filed under its rarest group."""
    return {word: int(times) for word, times, *_ in lines("common.tsv")}


def _around(
    phrase: _Phrase, index: int, bits: list[int], sentences: list[int]
) -> list[tuple[int, int]]:
    """Return start and end of the phrases whose key group stands at `index`."""
    groups, gaps, key = phrase.groups, phrase.gaps, phrase.key
    sentence = sentences[index]
    last = len(bits)
    ends = [index]
    for place in range(key + 1, len(groups)):
        group, reach = groups[place], gaps[place] + 2
        after = [
            other
            for at in ends
            for other in range(at + 1, min(at + reach, last))
            if bits[other] & group and sentences[other] == sentence
        ]
        if not after:
            return []
        ends = after if len(after) == 1 else list(set(after))
    starts = [index]
    for place in range(key - 1, -1, -1):
        group, reach = groups[place], gaps[place + 1] + 1
        before = [
            other
            for at in starts
            for other in range(max(at - reach, 0), at)
            if bits[other] & group and sentences[other] == sentence
        ]
        if not before:
            return []
        starts = before if len(before) == 1 else list(set(before))
    return [(start, min(ends) + 1) for start in starts]


def _without_cancelled(hits: list[Hit]) -> list[Hit]:
    """Return `hits` less those of a concept that a hit of `not_` and its name overlaps."""
    against = [hit for hit in hits if hit.concept.startswith(_NOT)]
    if not against:
        return hits
    return [
        hit
        for hit in hits
        if not any(
            other.concept == _NOT + hit.concept and other.start < hit.end and hit.start < other.end
            for other in against
        )
    ]
