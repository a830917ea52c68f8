"""What takes the force out of a phrase: negation, the past, supposition, idiom, other people.

Source: the ConText idea (Harkema et al., J Biomed Inform 42, 2009): a trigger has a direction and
a scope that ends at the sentence, or at a word that opens a new thought. Triggers are our own.
"""

from functools import cache
from typing import Final

from scoring.text.lexicon import lines
from scoring.text.matcher import Hit, Matcher
from scoring.text.normalise import Words, words_of

#: A clinician's denial reaches far over a list; what stands behind a finding, less far.
_CLINICAL_REACH: Final = 25
_CLINICAL_REACH_BACK: Final = 6
#: A negation reaches so many words.
_REACH: Final = 7
#: Words that open a new thought: a negation does not reach past them.
_TERMINATORS: Final = frozenset(
    {"but", "however", "though", "although", "except", "then", "because", "since", "so", "just"}
    | {"i", "he", "she", "they", "we", "it", "my", "his", "her", "now", "only", "still"}
    | {"that", "which", "is", "are", "has", "have"}
    | {"pero", "aunque", "sino", "mi", "me", "el", "ella", "ahora", "porque", "desde", "solo"}
)


@cache
def _matcher() -> Matcher:
    return Matcher((kind, pattern) for kind, pattern, *_ in lines("context.tsv"))


def context_of(text: Words) -> "Context":
    """Return the context of `text`, found once for every pass over it."""
    found = text.memo.get("context")
    if isinstance(found, Context):
        return found
    context = Context(text)
    text.memo["context"] = context
    return context


class Context:
    """The triggers of one text."""

    __slots__ = ("_by_kind", "_text")

    def __init__(self, text: Words) -> None:
        self._text = text
        self._by_kind: dict[str, list[Hit]] = {}
        for hit in _matcher().find(text):
            self._by_kind.setdefault(hit.concept, []).append(hit)

    def is_live(self, hit: Hit) -> bool:
        """Return whether a sign of danger is said of now and in earnest, of whomever.

        Another person's danger counts: that person may be the patient.
        """
        if not self._by_kind:
            return True
        return not (
            self.is_idiom(hit)
            or self.is_negated(hit)
            or self._is_past(hit)
            or self._follows("hypothetical", hit)
            or self._shares_sentence("settled", hit)
        )

    def is_current(self, hit: Hit, *, of_patient: bool) -> bool:
        """Return whether `hit` is said of now; questions about it count.

        With `of_patient`, what is told of another person is left out.
        """
        if not self._by_kind:
            return True
        return not (
            self.is_idiom(hit)
            or self.is_negated(hit)
            or self._is_past(hit)
            or (of_patient and self._shares_clause("other_person", hit))
        )

    def is_idiom(self, hit: Hit) -> bool:
        """Return whether `hit` is part of a figure of speech."""
        return self._is_inside("idiom", hit)

    def is_negated(self, hit: Hit, *, behind: bool = True) -> bool:
        """Return whether a negation before `hit`, or `behind` it, reaches it."""
        words, sentences = self._text.words, self._text.sentences
        for trigger in self._by_kind.get("negation", ()):
            gap = hit.start - trigger.end
            if not 0 <= gap <= _REACH or sentences[trigger.start] != sentences[hit.start]:
                continue
            if self._is_inside("not_negation", trigger):  # "not only", "no idea"
                continue
            if not _TERMINATORS.intersection(words[trigger.end : hit.start]):
                return True
        return behind and any(
            0 <= trigger.start - hit.end <= 3
            and self._text.clauses[trigger.start] == self._text.clauses[hit.start]
            for trigger in self._by_kind.get("negated_behind", ())
        )

    def _is_past(self, hit: Hit) -> bool:
        return self._shares_sentence("past", hit) and not self._shares_clause("now", hit)

    def _is_inside(self, kind: str, hit: Hit) -> bool:
        return any(
            trigger.start < hit.end and hit.start < trigger.end
            for trigger in self._by_kind.get(kind, ())
        )

    def _follows(self, kind: str, hit: Hit) -> bool:
        sentences = self._text.sentences
        return any(
            trigger.end <= hit.start
            and sentences[trigger.start] == sentences[hit.start]
            and not self._is_inside(f"not_{kind}", trigger)
            for trigger in self._by_kind.get(kind, ())
        )

    def _shares_sentence(self, kind: str, hit: Hit) -> bool:
        sentences = self._text.sentences
        return any(
            sentences[trigger.start] == sentences[hit.start]
            for trigger in self._by_kind.get(kind, ())
        )

    def _shares_clause(self, kind: str, hit: Hit) -> bool:
        clauses = self._text.clauses
        return any(
            clauses[trigger.start] == clauses[hit.start] for trigger in self._by_kind.get(kind, ())
        )


@cache
def _clinical() -> Matcher:
    return Matcher((kind, pattern) for kind, pattern, *_ in lines("clinical_negation.tsv"))


def is_denied(sentence: str, concept: str) -> bool:
    """Return whether `sentence`, as clinicians write, says that `concept` is absent.

    >>> is_denied("The patient denies chest pain or fever.", "fever")
    True
    """
    # A colon ends a heading; a semicolon parts items of one list.
    text = words_of(sentence.replace(":", ". ").replace(";", ","))
    named = words_of(concept).words
    starts = [
        at
        for at in range(len(text.words) - len(named) + 1)
        if text.words[at : at + len(named)] == named
    ]
    if not named or not starts:
        return False
    start, end = starts[0], starts[0] + len(named)
    hits = _clinical().find(text)
    stops = [hit.start for hit in hits if hit.concept == "ends_scope"]
    pseudo = [
        hit
        for hit in hits
        if hit.concept == "pseudo" and not (hit.start < end and start < hit.end)
    ]
    for hit in hits:
        if any(other.start <= hit.start < other.end for other in pseudo):
            continue
        if text.sentences[hit.start] != text.sentences[start]:
            continue
        if hit.concept == "before" and 0 <= start - hit.end <= _CLINICAL_REACH:
            between = range(hit.end, start)
        elif hit.concept == "behind" and 0 <= hit.start - end <= _CLINICAL_REACH_BACK:
            between = range(end, hit.start)
        else:
            continue
        if not any(stop in between for stop in stops):
            return True
    return False
