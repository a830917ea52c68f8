"""Possible emergencies in free text: concepts of danger, and which of them together mean it.

A concept is a body part with a sign, an exposure, a state (pregnant, after surgery, a child).
A rule names concepts that must all be live in the text. Both are data: `emergency_concepts.tsv`
and `emergency_rules.tsv`.

Weights of words and concepts (`emergency_weights.tsv`) add flags of their own where the evidence
is strong. A rule counts unless the weights speak clearly against it (not
so those of self-harm and overdose: they always count); where they cannot be read,
every rule counts. So a fault in the weights flags more, never less.

`scoring/text/semantic.py` may add flags to the verdict given here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from scoring.text.lexicon import lines
from scoring.text.matcher import Hit, Matcher
from scoring.text.negation import Context, context_of
from scoring.text.normalise import Words, words_of
from scoring.text.weights import SHORT, Evidence

#: Evidence of the weights, in hundredths, from which a text is flagged without any rule.
ADDS_FROM: Final = 60
#: Evidence up to which a rule that holds is not followed.
RULE_NEEDS: Final = -150
#: The name given where the weights flagged the text, not a rule.
BY_WEIGHT: Final = "by_weight"

#: Returns the evidence for danger in the features of a text, in hundredths.
Weigh = Callable[[Iterable[str]], int]

#: Marks a rule that the weights cannot speak against.
_CERTAIN: Final = "!"
#: States that a writer may deny: "not pregnant".
_DENIABLE_STATES: Final = frozenset({"ctx_preg", "ctx_postpartum"})


@dataclass(frozen=True, slots=True)
class Rule:
    """Concepts that together mean possible danger."""

    id: str
    needs: tuple[frozenset[str], ...]  #: One concept of each group.
    unless: frozenset[str]
    is_certain: bool  #: Whatever the weights say.


@cache
def _matcher() -> Matcher:
    return Matcher((concept, pattern) for concept, pattern, *_ in lines("emergency_concepts.tsv"))


@cache
def _rules() -> tuple[Rule, ...]:
    rules = [
        Rule(
            id=name.removeprefix(_CERTAIN),
            is_certain=name.startswith(_CERTAIN),
            needs=tuple(frozenset(group.split("|")) for group in needs.split()),
            unless=frozenset(unless.split()) - {"-"},
        )
        for name, needs, unless, *_ in lines("emergency_rules.tsv")
    ]
    return tuple(sorted(rules, key=lambda rule: not rule.is_certain))


def possible_emergency(text: str) -> str | None:
    """Return the name of the first rule by which `text` may describe an emergency, or None.

    >>> possible_emergency("Left side of his face is drooping and his speech is slurred")
    'stroke_face'
    >>> possible_emergency("I am dying to fix my smile") is None
    True
    """
    return emergency_in(words_of(text)) if text else None


def emergency_in(
    words: Words, context: Context | None = None, *, weigh: Weigh | None = None
) -> str | None:
    """Return the name of the first rule that holds in `words`, or None.

    `weigh` sums the weights, else those that are shipped; whatever it raises, the rules stand.
    """
    present = danger_in(words, context)
    rule = first_rule(present)
    try:
        weight = (weigh or _weights().of)(gate_features(words, present))
        adds = weight >= ADDS_FROM
        agrees = weight > RULE_NEEDS or len(words.words) < SHORT  # a few words weigh too little
    except Exception:  # noqa: BLE001  # a fault in the weights must not cost a flag
        return None if rule is None else rule.id
    if rule is None:
        return BY_WEIGHT if adds else None
    return rule.id if agrees or rule.is_certain else None


def danger_evidence(words: Words) -> float:
    """Return the evidence of the shipped weights for danger in `words`: positive is for it."""
    return _weights().of(gate_features(words, danger_in(words))) / 100


def danger_in(words: Words, context: Context | None = None) -> frozenset[str]:
    """Return the concepts of danger that are live in `words`."""
    found = words.memo.get("danger")
    if isinstance(found, frozenset):
        return found
    hits = _matcher().find(words)
    present: frozenset[str] = frozenset()
    if hits:
        context = context or context_of(words)
        live = {hit.concept for hit in hits if _counts(hit, context)}
        if "onset" in live:
            live.discard("ctx_chronic")  # of long standing, but something began now
        present = frozenset(live)
    words.memo["danger"] = present
    return present


def gate_features(words: Words, present: frozenset[str]) -> set[str]:
    """Return what the weights of the gate look at: words and live concepts, each once."""
    features = set(words.words)
    features.update(["~" + concept for concept in present])
    return features


@cache
def _weights() -> Evidence:
    return Evidence(lines("emergency_weights.tsv"))


def first_rule(present: frozenset[str]) -> Rule | None:
    """Return the first rule whose concepts are all `present`, certain rules first, or None."""
    for rule in _rules():
        for group in rule.needs:
            if group.isdisjoint(present):
                break
        else:
            if rule.unless.isdisjoint(present):
                return rule
    return None


def _counts(hit: Hit, context: Context) -> bool:
    """Return whether `hit` is said in earnest; a state (`ctx_`) counts unless it is denied."""
    if hit.concept in _DENIABLE_STATES:
        return not context.is_negated(hit, behind=False)
    return hit.concept.startswith("ctx_") or context.is_live(hit)
