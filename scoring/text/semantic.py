"""Possible emergencies by meaning: a sentence embedding beside words and concepts.

The embedding is computed outside and handed in (`config/meaning`); here are the weights that judge
it, `semantic_weights.tsv`, made by `bench/semantic_weights.py`. It is asked only about texts that
neither rules nor weights have flagged, so it adds flags and cannot take one away; where
it fails, it adds none.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import mul
from typing import Final

from scoring.text.emergency import danger_in, emergency_in, gate_features
from scoring.text.lexicon import lines
from scoring.text.normalise import Words
from scoring.text.weights import Evidence

#: Evidence, in hundredths, from which a text is flagged by its meaning.
ADDS_FROM: Final = 135
#: The name given where its meaning flagged the text.
BY_MEANING: Final = "by_meaning"
#: Begins the names of the embedding's numbers in the file of weights.
_NUMBER: Final = "@"


class Meaning:
    """Judges texts by embedding, words and concepts together."""

    def __init__(
        self,
        embed: Callable[[str], Sequence[float]],
        *,
        table: Iterable[Sequence[str]] | None = None,
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Read the weights: `table`, else those that are shipped.

        Args:
            embed: Returns the vector of a text, of length 1.
            table: Lines as in `semantic_weights.tsv`.
            on_fault: Told the class of what went wrong with a text; of the text itself nothing.

        Raises:
            ValueError: A line has no `value=weight`, or the constant term is missing.
        """
        rows = [list(line) for line in (lines("semantic_weights.tsv") if table is None else table)]
        numbers = [line for line in rows if line[0].startswith(_NUMBER)]
        self._embed = embed
        self._on_fault = on_fault
        self._words = Evidence(line for line in rows if not line[0].startswith(_NUMBER))
        self._numbers = [int(line[1].partition("=")[2]) for line in numbers]
        if [line[0] for line in numbers] != [f"{_NUMBER}{n}" for n in range(len(numbers))]:
            raise ValueError("weights: the embedding's numbers are not in order")

    def evidence(self, text: str, words: Words) -> int:
        """Return the evidence for danger in `text`, in hundredths.

        Raises:
            ValueError: The vector has not as many numbers as the weights.
        """
        vector = self._embed(text)
        if len(vector) != len(self._numbers):
            raise ValueError("embedding: wrong length")
        by_words = self._words.of(gate_features(words, danger_in(words)))
        by_vector: float = sum(map(mul, self._numbers, vector))
        return by_words + round(by_vector)

    def adds(self, text: str, words: Words) -> bool:
        """Return whether `text` is flagged by its meaning; False where anything fails."""
        try:
            return self.evidence(text, words) >= ADDS_FROM
        except Exception as error:  # noqa: BLE001  # a fault here must not cost the other verdict
            self._on_fault(type(error).__name__)
            return False


def emergency_by_any(text: str, words: Words, meaning: Meaning | None) -> str | None:
    """Return by what `text` may describe an emergency: rules and weights first, then meaning.

    `words` are those of `text`; without `meaning` rules and weights decide alone.
    """
    found = emergency_in(words)
    if found is None and meaning is not None and words.words and meaning.adds(text, words):
        return BY_MEANING
    return found
