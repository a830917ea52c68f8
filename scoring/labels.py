"""The closed sets of words the engine speaks: factors, tiers, label values of the signals."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: The five factors, in the order in which they are shown.
FACTORS: Final = ("inquiry_type", "urgency", "insurance", "procedure", "engagement")
#: The tiers that a score can earn, best first.
SCORED_TIERS: Final = ("hot", "warm", "nurture", "low")
#: Every value of the tier property: it is never empty.
TIERS: Final = ("clinical", *SCORED_TIERS, "not_a_lead", "unscored")

URGENCIES: Final = ("emergency", "urgent", "soon", "routine", "none")
INQUIRY_TYPES: Final = (
    "appointment_request",
    "procedure_consult",
    "price_question",
    "insurance_question",
    "general_question",
    "referral",
    "existing_patient_clinical",
    "existing_patient_admin",
    "job_or_vendor",
    "spam",
)
INSURANCES: Final = (
    "insured_named",
    "insured_unnamed",
    "medicare",
    "medicaid",
    "self_pay",
    "financing_wanted",
    "uninsured",
    "unknown",
)
PROCEDURES: Final = (
    "dental_implant",
    "veneers",
    "invisalign_braces",
    "teeth_whitening",
    "root_canal",
    "general_dental",
    "lasik",
    "cataract",
    "eye_exam",
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
    "sports_injury",
    "spine",
    "physical_therapy",
    "mohs_skin_cancer",
    "acne",
    "hair_loss",
    "therapy",
    "psychiatry",
    "addiction_treatment",
    "annual_physical",
    "vaccination",
    "pediatrics",
    "cardiology_consult",
    "urology_consult",
    "hearing_aid",
    "ent",
    "obgyn",
    "mammogram",
    "second_opinion",
    "other",
    "none",
)
PAYER_KINDS: Final = (
    "commercial",
    "medicare",
    "medicaid",
    "tricare",
    "workers_comp",
    "self_pay",
    "other",
)
CHANNELS: Final = (
    "web_form",
    "chat",
    "sms",
    "call",
    "voicemail",
    "email",
    "referral",
    "walk_in",
)
ACTIVITY_KINDS: Final = (
    "form_submission",
    "email_open",
    "email_click",
    "email_reply",
    "web_visit",
    "call",
    "meeting",
    "chat",
    "sms",
    "note",
)

#: Who answers what is no lead, and how the reason says so.
ROUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clinical_staff": "Existing patient with a clinical matter: for clinical staff",
        "front_office": "Existing patient with an office matter: for the front office",
        "billing": "Billing matter: for the billing office",
        "refill": "Prescription matter: for clinical staff",
        "office_manager": "Job or vendor message: for the office manager",
        "none": "Junk message: no one needs to answer",
    }
)
