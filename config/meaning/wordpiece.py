"""Splits text into the pieces that BERT models read; the rules are those of `bert-base-uncased`.

Our own, since the library `tokenizers` brings a client that downloads models. Its output on the
training files is the same (`tests/config/wordpiece.json` keeps some of it). What looks like one
of the model's signs (`[SEP]`) is plain text here.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

#: Longer texts are cut: so much as the model was made for, begin and end included.
MAX_PIECES: Final = 256
#: So much of a text is looked at: enough for `MAX_PIECES`, and bounded.
MAX_CHARS: Final = 8_000
#: Longer words are unknown. Source: BERT, `max_input_chars_per_word`.
MAX_WORD: Final = 100
_UNKNOWN, _BEGIN, _END = "[UNK]", "[CLS]", "[SEP]"
#: Ranges of ideographs, each of which is a word. Source: BERT, `_is_chinese_char`.
_IDEOGRAPHS: Final = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """Turns text into numbers of pieces."""

    def __init__(self, vocabulary: str) -> None:
        """Read `vocabulary`: one piece a line, numbered from 0.

        Raises:
            KeyError: one of the model's signs is missing.
        """
        self._numbers = {piece: number for number, piece in enumerate(vocabulary.split("\n"))}
        self._unknown, self._begin, self._end = (
            self._numbers[sign] for sign in (_UNKNOWN, _BEGIN, _END)
        )

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the pieces of `text`, at most `MAX_PIECES`."""
        found = [self._begin]
        for word in _words(text[:MAX_CHARS]):
            found += self._pieces(word)
            if len(found) >= MAX_PIECES:
                break
        return [*found[: MAX_PIECES - 1], self._end]

    def _pieces(self, word: str) -> list[int]:
        """Return the numbers of the longest pieces from left to right."""
        if len(word) > MAX_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            found.append(number)
            start = end
        return found


def _words(text: str) -> Iterator[str]:
    """Yield words and single punctuation marks, in lower case, without accents."""
    spaced = "".join(map(_cleaned, text))
    plain = "".join(
        char for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn"
    ).lower()
    for part in plain.split():
        word = ""
        for char in part:
            if not _is_punctuation(char):
                word += char
                continue
            if word:
                yield word
            yield char
            word = ""
        if word:
            yield word


def _cleaned(char: str) -> str:
    """Return the character as a space, nothing, an ideograph apart, or as it is."""
    if char.isascii() and char.isprintable():
        return char
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if char == "\ufffd" or unicodedata.category(char).startswith("C"):
        return ""
    code = ord(char)
    if any(first <= code <= last for first, last in _IDEOGRAPHS):
        return f" {char} "
    return char


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")
