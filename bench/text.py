"""Text signals of 500-character inquiries, beside plain matchers of as many phrases, in one run.

`ahocorasick_rs` is measured where it is installed; the product does not need it. spaCy and
medspaCy are left out: docs/text-signals.md says why.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

from scoring.text.emergency import emergency_in
from scoring.text.lexicon import PATTERN_FILES, lines
from scoring.text.normalise import normalise, words_of
from scoring.text.reading import read_signals

FOLDER = Path("tests/scoring/text/inquiries")
CHARS = 500
ROUNDS = 7


def main() -> None:
    """Print microseconds a text, and the ratio to all signals."""
    texts = texts_of(CHARS)
    phrases = literal_phrases()
    lowered = [normalise(text) for text in texts]
    plain = re.compile("|".join(map(re.escape, phrases)))
    trie = re.compile(trie_pattern(phrases))
    words = [words_of(text) for text in texts]
    costs = {
        "all signals (read_signals)": cost(read_signals, texts),
        "  of it: text to words": cost(words_of, texts),
        "  of it: emergency gate": cost(_gate, words),
        "regex trie, phrases only": cost(trie.findall, lowered),
        "plain regex alternation, phrases only": cost(plain.findall, lowered[:40]),
    }
    try:
        automaton = import_module("ahocorasick_rs").AhoCorasick(phrases)
    except ImportError:
        print("ahocorasick_rs is not installed: left out")
    else:
        costs["ahocorasick_rs, phrases only"] = cost(automaton.find_matches_as_strings, lowered)
    whole = costs["all signals (read_signals)"]
    print(f"{len(texts)} texts of {CHARS} characters; {len(phrases)} literal phrases")
    for name, spent in costs.items():
        print(f"{name:40} {spent:9.1f} us/text   {spent / whole:6.2f} of all signals")


def _gate(words: object) -> object:
    words.memo.clear()  # type: ignore[attr-defined]  # what an earlier round has found
    return emergency_in(words)  # type: ignore[arg-type]  # Words, as `main` passes them


def cost(run: Callable[[object], object], texts: Sequence[object]) -> float:
    """Return the least microseconds a text of several rounds, in a warm loop."""
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for text in texts:
            run(text)
        spent.append(time.perf_counter() - began)
    return min(spent) / len(texts) * 1e6


def texts_of(chars: int) -> list[str]:
    """Return training inquiries, joined and cut to `chars` characters each."""
    rows = [
        json.loads(line)["text"]
        for file in sorted(FOLDER.glob("train_*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    found, current = [], ""
    for text in rows:
        current += " " + text
        if len(current) >= chars:
            found.append(current[:chars])
            current = ""
    return found


def literal_phrases() -> list[str]:
    """Return as many literal phrases as the lexicons have lines: the first word of each group."""
    found: dict[str, None] = {}
    for name in PATTERN_FILES:
        for _, pattern, *_ in lines(name):
            groups = [part.rstrip("?").split("/")[0] for part in pattern.split() if part != ".."]
            found[" ".join(groups).replace("*", "").replace("@", "").replace("#", "2")] = None
    return list(found)


def trie_pattern(phrases: Iterable[str]) -> str:
    """Return a pattern in which phrases that begin alike share their beginning."""
    root: dict[str, dict] = {}
    for phrase in phrases:
        node = root
        for char in phrase:
            node = node.setdefault(char, {})
        node[""] = {}
    return _branch(root)


def _branch(node: dict[str, dict]) -> str:
    ends = "" in node
    parts = [re.escape(char) + _branch(below) for char, below in sorted(node.items()) if char]
    if not parts:
        return ""
    return f"(?:{'|'.join(parts)})" + ("?" if ends else "")


if __name__ == "__main__":
    main()
