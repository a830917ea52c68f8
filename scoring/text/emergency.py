"""Possible emergencies in free text: concepts of danger, and which of them together mean it.

A concept is a body part with a sign, an exposure, a state (pregnant, after surgery, a child).
A rule names concepts that must all be live in the text. Both are data: `emergency_concepts.tsv`
and `emergency_rules.tsv`. When in doubt about danger, the text is flagged.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

from scoring.text.lexicon import lines
from scoring.text.matcher import Hit, Matcher
from scoring.text.negation import Context
from scoring.text.normalise import Words, words_of

#: States that a writer may deny: "not pregnant".
_DENIABLE_STATES: Final = frozenset({"ctx_preg", "ctx_postpartum"})


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    needs: tuple[frozenset[str], ...]  #: One concept of each group.
    unless: frozenset[str]


@cache
def _matcher() -> Matcher:
    return Matcher((concept, pattern) for concept, pattern, *_ in lines("emergency_concepts.tsv"))


@cache
def _rules() -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            id=name,
            needs=tuple(frozenset(group.split("|")) for group in needs.split()),
            unless=frozenset(unless.split()) - {"-"},
        )
        for name, needs, unless, *_ in lines("emergency_rules.tsv")
    )


def possible_emergency(text: str) -> str | None:
    """Return the name of the first rule by which `text` may describe an emergency, or None.

    >>> possible_emergency("Left side of his face is drooping and his speech is slurred")
    'stroke_face'
    >>> possible_emergency("I am dying to fix my smile") is None
    True
    """
    return emergency_in(words_of(text)) if text else None


def emergency_in(words: Words, context: Context | None = None) -> str | None:
    """Return the name of the first rule that holds in `words`, or None."""
    hits = _matcher().find(words)
    if not hits:
        return None
    context = context or Context(words)
    present = {hit.concept for hit in hits if _counts(hit, context)}
    if "onset" in present:
        present.discard("ctx_chronic")  # of long standing, but something began now
    for rule in _rules():
        for group in rule.needs:
            if group.isdisjoint(present):
                break
        else:
            if rule.unless.isdisjoint(present):
                return rule.id
    return None


def _counts(hit: Hit, context: Context) -> bool:
    """Return whether `hit` is said in earnest; a state (`ctx_`) counts unless it is denied."""
    if hit.concept in _DENIABLE_STATES:
        return not context.is_negated(hit, behind=False)
    return hit.concept.startswith("ctx_") or context.is_live(hit)
