"""Finds every phrase of a lexicon in a text at once, in time linear in the text.

A phrase is a row of word groups ("cant/wont .. breathe/breathing"). The text's words are turned
into the groups they belong to; only phrases all of whose groups occur at all are looked for, each
from the places of its first group. Most phrases are ruled out by one comparison of small sets.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from scoring.text.lexicon import MAX_REMEMBERED, alternatives
from scoring.text.normalise import Words

#: Words that `..` may stand for.
GAP: Final = 4
#: A concept of this prefix takes hits of the concept so named away where it overlaps them.
_NOT: Final = "not_"


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept found at words `start` up to, not including, `end`."""

    concept: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Phrase:
    concept: str
    groups: tuple[int, ...]
    #: How many words may stand before each group.
    gaps: tuple[int, ...]
    needs: frozenset[int]


@dataclass(slots=True)
class _Places:
    """Where groups occur in a text: by group, and by word."""

    by_group: dict[int, list[int]] = field(default_factory=dict)
    by_word: list[frozenset[int]] = field(default_factory=list)


class Matcher:
    """A compiled set of (concept, pattern) pairs; see `lexicon.alternatives` for patterns."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._groups: dict[str, int] = {}
        self._exact: dict[str, frozenset[int]] = {}
        self._prefixes: dict[str, frozenset[int]] = {}
        #: Single words, apart from any text; bounded.
        self._known: dict[str, frozenset[int]] = {}
        phrases: dict[_Phrase, None] = {}
        for concept, pattern in patterns:
            for tokens in alternatives(pattern):
                phrases[self._phrase(concept, tokens)] = None
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})
        #: What any prefix begins with: most words begin otherwise and are done with.
        self._heads = frozenset(prefix[:3] for prefix in self._prefixes)
        self._shorts = frozenset(prefix for prefix in self._prefixes if len(prefix) < 3)
        self._numbers = frozenset(self._exact.get("#", ()))
        self._by_key = self._keyed(phrases)

    def find(self, text: Words) -> list[Hit]:
        """Return every hit in `text`, overlapping ones too; for each start the nearest end."""
        places = self._places(text.words)
        present = places.by_group.keys()
        found: dict[Hit, None] = {}
        for key in present:
            for phrase in self._by_key.get(key, ()):
                if phrase.needs <= present:
                    for start in places.by_group[phrase.groups[0]]:
                        end = _end(phrase, start, places.by_word, text.sentences)
                        if end:
                            found[Hit(phrase.concept, start, end)] = None
        return _without_cancelled(list(found))

    def _places(self, words: list[str]) -> _Places:
        places = _Places()
        by_word, by_group = places.by_word, places.by_group
        known = self._known
        for index, word in enumerate(words):
            groups = known.get(word)
            if groups is None:
                groups = self._groups_of(word)
                if len(known) < MAX_REMEMBERED:
                    known[word] = groups
            by_word.append(groups)
            for group in groups:
                if group in by_group:
                    by_group[group].append(index)
                else:
                    by_group[group] = [index]
        return places

    def _groups_of(self, word: str) -> frozenset[int]:
        groups = self._exact.get(word, frozenset())
        if word[0].isdigit():
            groups |= self._numbers
        if word[:3] not in self._heads and self._shorts.isdisjoint((word[:1], word[:2])):
            return groups
        for length in self._lengths:
            if length > len(word):
                break
            more = self._prefixes.get(word[:length])
            if more is not None:
                groups |= more
        return groups

    def _phrase(self, concept: str, tokens: tuple[str, ...]) -> _Phrase:
        groups: list[int] = []
        gaps: list[int] = []
        gap = 0
        for token in tokens:
            if token == "..":  # noqa: S105  # a token of the pattern language
                gap = GAP
                continue
            group = self._groups.setdefault(token, len(self._groups))
            for word in token.split("/"):
                table = self._prefixes if word.endswith("*") else self._exact
                name = word.removesuffix("*")
                table[name] = table.get(name, frozenset()) | {group}
            groups.append(group)
            gaps.append(gap)
            gap = 0
        return _Phrase(concept, tuple(groups), tuple(gaps), frozenset(groups))

    def _keyed(self, phrases: Iterable[_Phrase]) -> dict[int, tuple[_Phrase, ...]]:
        """File each phrase under its narrowest group: few texts have it."""
        width = {group: token.count("/") for token, group in self._groups.items()}
        keyed: dict[int, list[_Phrase]] = {}
        for phrase in phrases:
            keyed.setdefault(min(phrase.groups, key=width.__getitem__), []).append(phrase)
        return {group: tuple(filed) for group, filed in keyed.items()}


def _without_cancelled(hits: list[Hit]) -> list[Hit]:
    """Return `hits` less those of a concept that a hit of `not_` and its name overlaps."""
    against = [hit for hit in hits if hit.concept.startswith(_NOT)]
    if not against:
        return hits
    return [
        hit
        for hit in hits
        if not any(
            other.concept == _NOT + hit.concept
            and other.start < hit.end
            and hit.start < other.end
            for other in against
        )
    ]


def _end(phrase: _Phrase, start: int, by_word: list[frozenset[int]], sentences: list[int]) -> int:
    """Return the word behind the phrase that begins at `start`, or 0 where it does not follow."""
    groups, gaps = phrase.groups, phrase.gaps
    reached = {start}
    for position in range(1, len(groups)):
        group, gap = groups[position], gaps[position]
        after = set()
        for at in reached:
            for index in range(at + 1, min(at + 2 + gap, len(by_word))):
                if sentences[index] != sentences[start]:
                    break
                if group in by_word[index]:
                    after.add(index)
        if not after:
            return 0
        reached = after
    return min(reached) + 1
