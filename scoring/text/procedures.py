"""Which procedures the text is about now."""

from collections.abc import Set as AbstractSet
from typing import Final

from scoring.labels import PROCEDURES

_PREFIX: Final = "proc_"
#: Elective treatments: interest in them is a consult, not a complaint.
ELECTIVE: Final = frozenset(
    {
        "dental_implant",
        "veneers",
        "invisalign_braces",
        "teeth_whitening",
        "lasik",
        "ivf",
        "egg_freezing",
        "bariatric_surgery",
        "glp1_weight_loss",
        "rhinoplasty",
        "breast_augmentation",
        "tummy_tuck",
        "botox_filler",
        "laser_skin",
        "joint_replacement",
        "hair_loss",
    }
)
#: A closer procedure takes the place of the wider one that its words also name.
_CLOSER: Final = (
    ("root_canal", "general_dental"),
    ("dental_implant", "general_dental"),
    ("veneers", "general_dental"),
    ("invisalign_braces", "general_dental"),
    ("teeth_whitening", "general_dental"),
    ("lasik", "eye_exam"),
    ("cataract", "eye_exam"),
    ("egg_freezing", "ivf"),
    ("egg_freezing", "obgyn"),
    ("ivf", "obgyn"),
    ("rhinoplasty", "ent"),
    ("hearing_aid", "ent"),
    ("bariatric_surgery", "glp1_weight_loss"),
    ("addiction_treatment", "therapy"),
    ("vaccination", "pediatrics"),
    ("cataract", "lasik"),
    ("physical_therapy", "therapy"),
    ("acne", "other"),
    ("mammogram", "mohs_skin_cancer"),
)


def procedures_of(concepts: AbstractSet[str], *, inquiry_type: str) -> tuple[str, ...]:
    """Return the procedures that the live `concepts` name, in the order of the labels.

    >>> procedures_of({"proc_ivf", "proc_obgyn"}, inquiry_type="price_question")
    ('ivf',)
    """
    if inquiry_type in {"job_or_vendor", "spam", "existing_patient_admin"}:
        return ("none",)
    named = {name.removeprefix(_PREFIX) for name in concepts if name.startswith(_PREFIX)}
    if "other_proc" in named:
        named.discard("other_proc")
        if not named:
            named.add("other")
    for closer, wider in _CLOSER:
        if closer in named:
            named.discard(wider)
    return tuple(name for name in PROCEDURES if name in named) or ("none",)
