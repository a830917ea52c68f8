"""From sums of weights to one value a label, such that the labels agree with each other."""

from collections.abc import Collection, Iterable
from typing import Final

from scoring.labels import INQUIRY_TYPES, INSURANCES, PROCEDURES, URGENCIES
from scoring.result import Signals
from scoring.text.weights import SHORT, Weights

#: A procedure beside the strongest one is named where its sum, in hundredths, is above this.
ALSO_FROM: Final = 350
#: By so much, in hundredths, junk and offers must lead in a short text where no rule says so.
UNWANTED_BY: Final = 150
#: What a treatment gains, in hundredths, where the text calls it by its name.
BY_NAME: Final = 400
_NO_CARE: Final = frozenset({"job_or_vendor", "spam"})
_NO_PROCEDURE: Final = _NO_CARE | {"existing_patient_admin"}
_NO_LEAD: Final = _NO_CARE | {"existing_patient_clinical", "existing_patient_admin"}
#: What asking for it says of the intent to book. Source: data/inquiries/README.md, labelling rules.
_LEAST_INTENT: Final = {
    "appointment_request": 3,
    "procedure_consult": 2,
    "price_question": 2,
    "insurance_question": 2,
    "referral": 2,
    "general_question": 1,
}
_INTENTS: Final = ("0", "1", "2", "3", "4")


def choose(
    weights: Weights,
    features: Iterable[str],
    *,
    is_emergency: bool,
    by_rules: Signals,
    named: Collection[str] = (),
) -> Signals:
    """Return the values with the greatest sums; a label without any weight stays with the rules.

    Args:
        weights: The trained sums.
        features: What the text has.
        is_emergency: The gate's verdict; it stands.
        by_rules: What the rules make of the text.
        named: Treatments that the text calls by their names: other words must not outvote them.

    >>> table = Weights([["(bias)", "type:spam=0"], ["win", "type:spam=190", "type:referral=-9"]])
    >>> choose(table, {"win"}, is_emergency=False, by_rules=Signals()).inquiry_type
    'spam'
    """
    features = frozenset(features)
    sums = dict(zip(weights.values, weights.sums(features), strict=True))
    inquiry_type = _best(sums, "type", INQUIRY_TYPES) or by_rules.inquiry_type
    is_short = sum(feature[0].isalnum() for feature in features) < SHORT
    if is_short and inquiry_type in _NO_CARE and by_rules.inquiry_type not in _NO_CARE:
        # Who is taken for junk is answered by nobody: a few words do not settle that.
        other = _best(sums, "type", [name for name in INQUIRY_TYPES if name not in _NO_CARE])
        if other and sums[f"type:{inquiry_type}"] - sums[f"type:{other}"] < UNWANTED_BY:
            inquiry_type = other
    if inquiry_type not in _NO_PROCEDURE:
        for name in named:
            sums[f"procedure:{name}"] = sums.get(f"procedure:{name}", 0) + BY_NAME
    urgency = "emergency"
    if not is_emergency:
        urgency = _best(sums, "urgency", URGENCIES[1:]) or by_rules.urgency
    insurance = _best(sums, "insurance", INSURANCES) or "unknown"
    if insurance == "unknown":  # "I pay cash" is short, and says all
        insurance = by_rules.insurance
    found = by_rules._replace(
        urgency=urgency,
        inquiry_type=inquiry_type,
        insurance=insurance,
        procedures=_procedures(sums) or by_rules.procedures,
        booking_intent=int(_best(sums, "intent", _INTENTS) or by_rules.booking_intent),
    )
    return _agreeing(found, sums, is_emergency=is_emergency)


def _agreeing(found: Signals, sums: dict[str, int], *, is_emergency: bool) -> Signals:
    """Return `found` with what one label settles about another."""
    if found.inquiry_type in _NO_CARE:
        return found._replace(
            urgency="emergency" if is_emergency else "none",
            insurance="unknown",
            procedures=("none",),
            booking_intent=0,
        )
    if found.inquiry_type in _NO_LEAD:
        return found._replace(booking_intent=0)
    if found.inquiry_type in {"price_question", "insurance_question"} and found.urgency == "none":
        found = found._replace(urgency=_best(sums, "urgency", URGENCIES[1:4]) or "routine")
    if is_emergency:  # in which a visit may not be asked for at all
        return found
    least = _LEAST_INTENT.get(found.inquiry_type, 0)
    return found._replace(booking_intent=max(found.booking_intent, least))


def _best(sums: dict[str, int], label: str, values: Iterable[str]) -> str | None:
    known = [(sums[key], value) for value in values if (key := f"{label}:{value}") in sums]
    return max(known)[1] if known else None


def _procedures(sums: dict[str, int]) -> tuple[str, ...]:
    known = [(sums[key], name) for name in PROCEDURES if (key := f"procedure:{name}") in sums]
    if not known:
        return ()
    first = max(known)[1]
    if first == "none":
        return ("none",)
    also = {name for total, name in known if total > ALSO_FROM} - {"none"} | {first}
    return tuple(name for name in PROCEDURES if name in also)
