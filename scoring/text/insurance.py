"""Which cover the patient of the text has or expects to use."""

from collections.abc import Set as AbstractSet


def insurance_of(concepts: AbstractSet[str]) -> str:
    """Return the insurance label for the live `concepts` of a text.

    Public cover is named first: a managed plan of a known insurer is still Medicaid.

    >>> insurance_of({"insured_named", "medicaid"}), insurance_of({"complaint"})
    ('medicaid', 'unknown')
    """
    for label in ("medicaid", "medicare", "insured_named"):
        if label in concepts:
            return label
    if "uninsured" in concepts:
        return "financing_wanted" if "financing" in concepts else "uninsured"
    if "financing" in concepts:
        return "financing_wanted"
    if "self_pay" in concepts:
        return "self_pay"
    return "insured_unnamed" if "insured_unnamed" in concepts else "unknown"
