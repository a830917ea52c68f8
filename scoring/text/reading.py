"""All signals of one text."""

from functools import cache

from scoring.labels import PROCEDURES
from scoring.result import Signals
from scoring.text.choosing import choose
from scoring.text.emergency import danger_in, gate_features
from scoring.text.inquiry import booking_intent_of, inquiry_type_of
from scoring.text.insurance import insurance_of
from scoring.text.lexicon import lines
from scoring.text.matcher import Hit, Matcher
from scoring.text.negation import Context, context_of
from scoring.text.normalise import Words, words_of
from scoring.text.procedures import procedures_of
from scoring.text.semantic import Meaning, emergency_by_any
from scoring.text.urgency import urgency_of
from scoring.text.weights import Weights

#: Begins the concepts of a treatment called by its own name.
NAMED = "named_"
#: Concepts that a denial, or the past, takes away; the others are said by the words themselves.
_DENIABLE = frozenset({"complaint", "urgent_sign"})
#: Denied only by what stands before: "my insurance is good" denies nothing.
_COVERS = frozenset({"insured_named", "insured_unnamed", "medicare", "medicaid"})


@cache
def _matcher() -> Matcher:
    return Matcher((concept, pattern) for concept, pattern, *_ in lines("signals.tsv"))


def read_signals(text: str, meaning: Meaning | None = None) -> Signals:
    """Return what `text` says; an empty text says nothing. `meaning` may add an emergency.

    >>> read_signals("How much is LASIK? I pay cash").insurance
    'self_pay'
    """
    if not text or text.isspace():
        return Signals()
    words = words_of(text)
    return signals_in(words, is_emergency=emergency_by_any(text, words, meaning) is not None)


def signals_in(words: Words, *, is_emergency: bool) -> Signals:
    """Return what `words` say, given the gate's verdict on them."""
    if not words.words:
        return Signals(urgency="emergency" if is_emergency else "none")
    by_rules, features = read_by_rules(words, is_emergency=is_emergency)
    named = {name for name in PROCEDURES if f"+{NAMED}{name}" in features}
    return choose(_weights(), features, is_emergency=is_emergency, by_rules=by_rules, named=named)


def read_by_rules(words: Words, *, is_emergency: bool) -> tuple[Signals, set[str]]:
    """Return what the rules make of `words`, and the features that the weights look at."""
    context = context_of(words)
    hits = _matcher().find(words)
    concepts = {hit.concept for hit in hits if _counts(hit, context)}
    # Different words: a repeated one counts once.
    selling = len({words.words[hit.start] for hit in hits if hit.concept == "vendor"})
    inquiry_type = inquiry_type_of(
        concepts, asks=bool(words.asks), times=selling, possible_emergency=is_emergency
    )
    procedures = procedures_of(concepts, inquiry_type=inquiry_type)
    urgency = "emergency"
    if not is_emergency:
        urgency = urgency_of(
            concepts, inquiry_type=inquiry_type, has_procedure=procedures != ("none",)
        )
    unwanted = inquiry_type in {"job_or_vendor", "spam"}
    signals = Signals(
        urgency=urgency,
        inquiry_type=inquiry_type,
        insurance="unknown" if unwanted else insurance_of(concepts),
        procedures=procedures,
        booking_intent=booking_intent_of(concepts, inquiry_type=inquiry_type),
    )
    features = gate_features(words, danger_in(words, context))
    features.update(["+" + concept for concept in concepts])
    features.update((f"=type {inquiry_type}", f"=insurance {signals.insurance}"))
    features.add("=asks" if words.asks else "=tells")
    features.update(["=procedure " + name for name in procedures])
    return signals, features


@cache
def _weights() -> Weights:
    return Weights(lines("signal_weights.tsv"))


def read_route(text: str) -> str | None:
    """Return billing or refill where the text of a patient asks for it, else None.

    >>> read_route("I was charged twice on my last invoice")
    'billing'
    """
    words: Words = words_of(text)
    concepts = {hit.concept for hit in _matcher().find(words)}
    if "refill" in concepts:
        return "refill"
    return "billing" if "billing" in concepts else None


def _counts(hit: Hit, context: Context) -> bool:
    """Return whether `hit` says something of this inquiry; questions and wishes do."""
    if hit.concept.startswith(("proc_", NAMED)):
        return context.is_current(hit, of_patient=True)
    if hit.concept in _DENIABLE:
        return context.is_current(hit, of_patient=False)
    if hit.concept in _COVERS:
        return not context.is_negated(hit, behind=False)
    return hit.concept == "price" or not context.is_idiom(hit)
