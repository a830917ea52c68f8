"""Readers of the packaged lexicons: tab-separated lines, `#` begins a comment line."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources
from itertools import product
from typing import Final

#: The lexicons whose second column is a pattern.
PATTERN_FILES: Final = ("context.tsv", "emergency_concepts.tsv", "signals.tsv")
#: Those without which there is no gate.
GATE_FILES: Final = frozenset({"classes.tsv", "context.tsv", "emergency_concepts.tsv"})
#: So many single words are remembered, apart from any text: people use the same few thousand.
MAX_REMEMBERED: Final = 8_192
_WORD: Final = re.compile(r"[a-z]+")


def lines(name: str) -> Iterator[list[str]]:
    """Yield the columns of each line of the lexicon file `name`."""
    file = resources.files("scoring.text.lexicons").joinpath(name)
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield [column.strip() for column in line.split("\t")]


@cache
def word_forms() -> dict[str, tuple[str, ...]]:
    """Return how words are written -> the words they stand for."""
    return {
        form: tuple(meant.split())
        for meant, written, *_ in lines("words.tsv")
        for form in written.split()
    }


@cache
def classes() -> dict[str, str]:
    """Return class name -> its words, joined by `/`, for `@name` in patterns."""
    return {name: "/".join(words.split()) for name, words, *_ in lines("classes.tsv")}


def _canonical(piece: str) -> str:
    """Return a class as its words, and a word in the form that texts are brought to."""
    if piece.startswith("@"):
        return "/".join(_canonical(word) for word in classes()[piece[1:]].split("/"))
    forms = word_forms().get(piece)
    return forms[0] if forms is not None and len(forms) == 1 else piece


def alternatives(pattern: str) -> Iterator[tuple[str, ...]]:
    """Yield the token sequences that a pattern stands for.

    `a/b` is either word, `word*` any word that begins so, `@name` a class of words, `word?` may
    be missing, `..` stands for up to four words, `#` for a number.

    >>> list(alternatives("cant breathe/move well?"))
    [('cant', 'breathe/move'), ('cant', 'breathe/move', 'well')]
    """
    choices: list[tuple[tuple[str, ...], ...]] = []
    for written in pattern.split():
        part = written
        optional = part.endswith("?")
        part = part.removesuffix("?")
        part = "/".join(_canonical(piece) for piece in part.split("/"))
        choices.append(((), (part,)) if optional else ((part,),))
    for chosen in product(*choices):
        tokens = [token for piece in chosen for token in piece]
        while tokens and tokens[-1] == "..":
            tokens.pop()
        yield tuple(tokens)


@cache
def _misspelled() -> dict[str, str]:
    """Return words with one letter left out -> the word of `spelling.tsv` that was meant."""
    return {
        shorter: word
        for word, *_ in lines("spelling.tsv")
        for shorter in (_single(word), *_shortened(_single(word)))
    }


@cache
def vocabulary() -> frozenset[str]:
    """Return the words that are right as they stand: those of any lexicon, and their doubles."""
    words = {word for _, others, *_ in lines("spelling.tsv") for word in others.split()}
    words.update(word for word, *_ in lines("spelling.tsv"))
    for name in ("classes.tsv", *PATTERN_FILES):
        try:
            words.update(word for line in lines(name) for word in _WORD.findall(line[1]))
        except (OSError, ValueError, IndexError):
            # The gate reads words too: a fault in the signals' file must not stop it.
            if name in GATE_FILES:
                raise
    return frozenset(words)


@lru_cache(maxsize=MAX_REMEMBERED)
def respelled(word: str) -> str | None:
    """Return the word that `word` was meant to be, one or two letters off, or None.

    Doubled letters count as one. The first letter must be right.

    >>> respelled("swalowd"), respelled("battry"), respelled("strong")
    ('swallowed', 'battery', None)
    """
    if len(word) < 5:
        return None
    table = _misspelled()
    single = _single(word)
    for candidate in (single, *_shortened(single)):
        meant = table.get(candidate)
        if meant is None or meant[0] != word[0]:
            continue
        target = _single(meant)
        # Short words: one letter too many or too few, no more.
        if len(single) < 6 and candidate not in {single, target}:
            continue
        if abs(len(target) - len(single)) <= 1:
            return meant
    return None


def _single(word: str) -> str:
    return "".join(
        char for index, char in enumerate(word) if index == 0 or char != word[index - 1]
    )


def _shortened(word: str) -> Iterator[str]:
    return (word[:index] + word[index + 1 :] for index in range(1, len(word)))
