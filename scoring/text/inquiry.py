"""What the writer wants to happen next, and how strongly a visit is wanted."""

from collections.abc import Set as AbstractSet
from typing import Final

from scoring.text.procedures import ELECTIVE

_NO_LEAD: Final = frozenset(
    {"job_or_vendor", "spam", "existing_patient_clinical", "existing_patient_admin"}
)


def inquiry_type_of(
    concepts: AbstractSet[str], *, asks: bool, times: int, possible_emergency: bool
) -> str:
    """Return the inquiry type for the live `concepts` of a text.

    `asks` says that it has a question mark, `times` how many different selling words it has,
    `possible_emergency` that the gate has flagged it.

    >>> inquiry_type_of({"price", "proc_lasik"}, asks=True, times=0, possible_emergency=False)
    'price_question'
    """
    procedures = {name.removeprefix("proc_") for name in concepts if name.startswith("proc_")}
    is_ill = not concepts.isdisjoint({"complaint", "urgent_sign"}) or possible_emergency
    wants_visit = "book" in concepts
    if (type_ := _unwanted(concepts, times, is_ill=is_ill)) is not None:
        return type_
    if (type_ := _existing(concepts, is_ill=is_ill, wants_visit=wants_visit)) is not None:
        return type_
    if "referral_pro" in concepts or ("referral" in concepts and not is_ill and asks):
        return "referral"
    return _care(concepts, procedures, asks=asks, is_ill=is_ill, wants_visit=wants_visit)


def booking_intent_of(concepts: AbstractSet[str], *, inquiry_type: str) -> int:
    """Return 0 (no lead) to 4 (wants to book now).

    >>> booking_intent_of({"book", "time"}, inquiry_type="appointment_request")
    4
    """
    if inquiry_type in _NO_LEAD:
        return 0
    if "book" in concepts:
        return 4 if not concepts.isdisjoint({"time", "urgent", "soon"}) else 3
    if inquiry_type in {"appointment_request", "referral", "procedure_consult"}:
        return 3
    if inquiry_type in {"price_question", "insurance_question"}:
        return 2
    return 1


def _unwanted(concepts: AbstractSet[str], selling: int, *, is_ill: bool) -> str | None:
    if "spam" in concepts and not is_ill and "book" not in concepts:
        return "spam"
    if selling >= 2 and "referral_pro" not in concepts:
        return "job_or_vendor"
    if "job" in concepts and not is_ill and "price" not in concepts:
        return "job_or_vendor"
    return None


def _existing(concepts: AbstractSet[str], *, is_ill: bool, wants_visit: bool) -> str | None:
    if "refill" in concepts:
        return "existing_patient_clinical"
    billing = "billing_strong" in concepts and "financing" not in concepts
    if billing or ("admin_strong" in concepts and not is_ill):
        return "existing_patient_admin"
    settled = "existing" in concepts and not wants_visit
    if "existing_op" in concepts and (is_ill or settled):
        return "existing_patient_clinical"
    if "admin" in concepts and settled and not is_ill and "referral" not in concepts:
        return "existing_patient_admin"
    return None


def _care(
    concepts: AbstractSet[str],
    procedures: set[str],
    *,
    asks: bool,
    is_ill: bool,
    wants_visit: bool,
) -> str:
    elective = not ELECTIVE.isdisjoint(procedures)
    in_a_hurry = not concepts.isdisjoint({"urgent", "soon"})
    type_ = "general_question"
    if "insq" in concepts and asks and not is_ill and "time" not in concepts:
        type_ = "insurance_question"
    elif "price" in concepts and (elective or not is_ill) and not (wants_visit and in_a_hurry):
        type_ = "price_question"
    elif elective and not (in_a_hurry and is_ill):
        type_ = "procedure_consult"
    elif wants_visit or is_ill or (in_a_hurry and procedures):
        type_ = "appointment_request"
    elif "consult" in concepts and procedures and not asks:
        type_ = "procedure_consult"
    elif not asks and procedures:
        type_ = "appointment_request"
    return type_
