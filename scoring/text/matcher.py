"""Finds every phrase of a lexicon in a text at once: a trie over words, in linear time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from scoring.text.lexicon import alternatives
from scoring.text.normalise import Words

#: Words that `..` may stand for.
GAP: Final = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept found at words `start` up to, not including, `end`."""

    concept: str
    start: int
    end: int


class _Node:
    __slots__ = ("concepts", "gap", "next")

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.gap: _Node | None = None
        self.concepts: list[str] = []


class Matcher:
    """A compiled set of (concept, pattern) pairs; see `lexicon.alternatives` for patterns.

    Words that occur in no pattern cost one lookup. A phrase lies within one sentence.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._root = _Node()
        self._exact: dict[str, list[str]] = {}
        self._prefixes: dict[str, list[str]] = {}
        for concept, pattern in patterns:
            for tokens in alternatives(pattern):
                self._add(concept, tokens)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})

    def find(self, text: Words) -> list[Hit]:
        """Return every hit in `text`, overlapping ones too, each once."""
        found: dict[Hit, None] = {}
        known: dict[str, list[str]] = {}
        # state: node, start, words the gap may still take (0: none)
        states: dict[tuple[_Node, int], int] = {}
        sentence = -1
        for index, word in enumerate(text.words):
            if text.sentences[index] != sentence:
                sentence = text.sentences[index]
                states = {}
            symbols = known.get(word)
            if symbols is None:
                symbols = known[word] = self._symbols(word)
            if not symbols and not states:
                continue
            coming: dict[tuple[_Node, int], int] = {}
            for (node, start), gap in states.items():
                for symbol in symbols:
                    if (after := node.next.get(symbol)) is not None:
                        self._enter(after, start, index, coming, found)
                if gap > 1 and coming.get((node, start), 0) < gap - 1:
                    coming[node, start] = gap - 1
            for symbol in symbols:
                if (after := self._root.next.get(symbol)) is not None:
                    self._enter(after, index, index, coming, found)
            states = coming
        return list(found)

    @staticmethod
    def _enter(
        node: _Node,
        start: int,
        index: int,
        coming: dict[tuple[_Node, int], int],
        found: dict[Hit, None],
    ) -> None:
        for concept in node.concepts:
            found[Hit(concept, start, index + 1)] = None
        if node.next:
            coming.setdefault((node, start), 1)
        if node.gap is not None:
            coming[node.gap, start] = GAP + 1

    def _add(self, concept: str, tokens: tuple[str, ...]) -> None:
        node = self._root
        for token in tokens:
            if token == "..":  # noqa: S105  # a token of the pattern language
                if node.gap is None:
                    node.gap = _Node()
                node = node.gap
                continue
            # One symbol for the whole group of words: the trie stays small.
            if token not in node.next:
                node.next[token] = _Node()
            for word in token.split("/"):
                table = self._prefixes if word.endswith("*") else self._exact
                groups = table.setdefault(word.removesuffix("*"), [])
                if token not in groups:
                    groups.append(token)
            node = node.next[token]
        if concept not in node.concepts:
            node.concepts.append(concept)

    def _symbols(self, word: str) -> list[str]:
        symbols = list(self._exact.get(word, ()))
        if word[0].isdigit():
            symbols.extend(self._exact.get("#", ()))
        for length in self._lengths:
            if length > len(word):
                break
            symbols.extend(self._prefixes.get(word[:length], ()))
        return list(dict.fromkeys(symbols))
