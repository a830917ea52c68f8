"""How soon care is needed, by what the text describes; the emergency verdict comes from the gate."""

from collections.abc import Set as AbstractSet

#: Inquiry types that are no care inquiry.
_NO_CARE = frozenset({"job_or_vendor", "spam", "existing_patient_admin"})


def urgency_of(concepts: AbstractSet[str], *, inquiry_type: str, has_procedure: bool) -> str:
    """Return urgent, soon, routine or none for the live `concepts` of a text.

    >>> urgency_of({"urgent", "complaint"}, inquiry_type="appointment_request", has_procedure=True)
    'urgent'
    """
    if inquiry_type in _NO_CARE:
        return "none"
    is_ill = not concepts.isdisjoint({"complaint", "urgent_sign"})
    clinical = inquiry_type == "existing_patient_clinical"
    if "urgent" in concepts and (is_ill or inquiry_type == "appointment_request"):
        return "urgent"
    if clinical and "urgent_sign" in concepts:
        return "urgent"
    by_visit = inquiry_type in {"appointment_request", "procedure_consult"}
    if "soon" in concepts and (is_ill or clinical or by_visit):
        return "soon"
    if inquiry_type == "general_question" and not has_procedure and not is_ill:
        return "none"
    return "routine"
