"""The properties a fresh account has, the practice's own, and the ten-odd that hold a score.

Source: names of HubSpot's properties from HubSpot docs "Default contact properties"; the score
properties from the product's DESIGN.md section 5.
"""

from collections.abc import Iterator

Definition = dict[str, object]

#: What HubSpot sets itself: the API refuses to write them.
READ_ONLY = "read-only"

TIERS = ("clinical", "hot", "warm", "nurture", "low", "not_a_lead", "unscored")
TRENDS = ("up", "steady", "down")
INQUIRY_TYPES = (
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
INSURANCE_STATUSES = (
    "insured_named",
    "insured_unnamed",
    "medicare",
    "medicaid",
    "self_pay",
    "financing_wanted",
    "uninsured",
    "unknown",
)
CHANNELS = ("web_form", "chat", "sms", "call", "voicemail", "email", "referral", "walk_in")
SERVICE_LINES = (
    "dental",
    "orthodontics",
    "eye_care",
    "fertility",
    "womens_health",
    "weight_loss",
    "plastic_surgery",
    "dermatology",
    "orthopaedics",
    "behavioral_health",
    "primary_care",
    "cardiology",
    "urology",
    "ear_nose_throat",
)
PROCEDURES = (
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

_LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
_LEAD_STATUS = (
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
)
_SOURCES = (
    "ORGANIC_SEARCH",
    "PAID_SEARCH",
    "EMAIL_MARKETING",
    "SOCIAL_MEDIA",
    "REFERRALS",
    "OTHER_CAMPAIGNS",
    "DIRECT_TRAFFIC",
    "OFFLINE",
    "PAID_SOCIAL",
    "AI_REFERRALS",
)

#: name, label, type, fieldType, group, options or READ_ONLY.
_Row = tuple[str, str, str, str, str, "tuple[str, ...] | str | None"]

_CONTACT = "contactinformation"
_WEB = "analyticsinformation"
_MAIL = "emailinformation"
_CONVERSION = "conversioninformation"
_DEFAULTS: tuple[_Row, ...] = (
    ("hs_object_id", "Record ID", "number", "number", _CONTACT, READ_ONLY),
    ("createdate", "Create Date", "datetime", "date", _CONTACT, READ_ONLY),
    ("lastmodifieddate", "Last Modified Date", "datetime", "date", _CONTACT, READ_ONLY),
    ("email", "Email", "string", "text", _CONTACT, None),
    ("firstname", "First Name", "string", "text", _CONTACT, None),
    ("lastname", "Last Name", "string", "text", _CONTACT, None),
    ("phone", "Phone Number", "string", "phonenumber", _CONTACT, None),
    ("mobilephone", "Mobile Phone Number", "string", "phonenumber", _CONTACT, None),
    ("company", "Company Name", "string", "text", _CONTACT, None),
    ("jobtitle", "Job Title", "string", "text", _CONTACT, None),
    ("city", "City", "string", "text", _CONTACT, None),
    ("zip", "Postal Code", "string", "text", _CONTACT, None),
    ("message", "Message", "string", "textarea", _CONTACT, None),
    ("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", _CONTACT, _LIFECYCLE),
    ("hs_lead_status", "Lead Status", "enumeration", "radio", _CONTACT, _LEAD_STATUS),
    ("hubspot_owner_id", "Contact owner", "string", "text", _CONTACT, None),
    ("hs_analytics_source", "Original Traffic Source", "enumeration", "select", _WEB, _SOURCES),
    ("hs_analytics_num_visits", "Number of Sessions", "number", "number", _WEB, READ_ONLY),
    ("hs_analytics_num_page_views", "Number of Pageviews", "number", "number", _WEB, READ_ONLY),
    (
        "hs_analytics_last_visit_timestamp",
        "Time of Last Session",
        "datetime",
        "date",
        _WEB,
        READ_ONLY,
    ),
    ("hs_analytics_last_timestamp", "Time Last Seen", "datetime", "date", _WEB, READ_ONLY),
    ("num_conversion_events", "Form submissions", "number", "number", _CONVERSION, READ_ONLY),
    (
        "num_unique_conversion_events",
        "Unique Forms Submitted",
        "number",
        "number",
        _CONVERSION,
        READ_ONLY,
    ),
    (
        "recent_conversion_date",
        "Recent Conversion Date",
        "datetime",
        "date",
        _CONVERSION,
        READ_ONLY,
    ),
    (
        "recent_conversion_event_name",
        "Recent Conversion",
        "string",
        "text",
        _CONVERSION,
        READ_ONLY,
    ),
    ("first_conversion_date", "First Conversion Date", "datetime", "date", _CONVERSION, READ_ONLY),
    (
        "hs_email_last_open_date",
        "Last marketing email open date",
        "datetime",
        "date",
        _MAIL,
        READ_ONLY,
    ),
    (
        "hs_email_last_click_date",
        "Last marketing email click date",
        "datetime",
        "date",
        _MAIL,
        READ_ONLY,
    ),
    (
        "hs_email_last_reply_date",
        "Last marketing email reply date",
        "datetime",
        "date",
        _MAIL,
        READ_ONLY,
    ),
    (
        "hs_sales_email_last_replied",
        "Recent Sales Email Replied Date",
        "datetime",
        "date",
        _CONTACT,
        READ_ONLY,
    ),
    ("notes_last_contacted", "Last Contacted", "datetime", "date", _CONTACT, READ_ONLY),
    ("num_contacted_notes", "Number of times contacted", "number", "number", _CONTACT, READ_ONLY),
    ("num_notes", "Number of Sales Activities", "number", "number", _CONTACT, READ_ONLY),
    (
        "hs_first_engagement_date",
        "Date of first engagement",
        "datetime",
        "date",
        _CONTACT,
        READ_ONLY,
    ),
)

_OWN = "practice_intake"
_PRACTICE: tuple[_Row, ...] = (
    ("inquiry_type", "Inquiry type", "enumeration", "select", _OWN, INQUIRY_TYPES),
    ("insurance_status", "Insurance status", "enumeration", "select", _OWN, INSURANCE_STATUSES),
    ("insurance_carrier", "Insurance carrier", "string", "text", _OWN, None),
    ("procedure_interest", "Procedure interest", "enumeration", "checkbox", _OWN, PROCEDURES),
    ("preferred_contact_channel", "Contact channel", "enumeration", "select", _OWN, CHANNELS),
    ("service_line", "Service line", "enumeration", "select", _OWN, SERVICE_LINES),
    ("first_response_at", "First response at", "datetime", "date", _OWN, None),
)

_SCORE = "lead_score"
_SCORES: tuple[_Row, ...] = (
    ("lead_score", "Lead score", "number", "number", _SCORE, None),
    ("lead_score_tier", "Lead score tier", "enumeration", "select", _SCORE, TIERS),
    ("lead_score_reasons", "Lead score reasons", "string", "textarea", _SCORE, None),
    ("lead_score_inquiry", "Lead score: inquiry", "number", "number", _SCORE, None),
    ("lead_score_urgency", "Lead score: urgency", "number", "number", _SCORE, None),
    ("lead_score_insurance", "Lead score: insurance", "number", "number", _SCORE, None),
    ("lead_score_procedure", "Lead score: procedure", "number", "number", _SCORE, None),
    ("lead_score_engagement", "Lead score: engagement", "number", "number", _SCORE, None),
    ("lead_score_likelihood", "Likelihood to book (%)", "number", "number", _SCORE, None),
    ("lead_score_respond_by", "Respond by", "datetime", "date", _SCORE, None),
    ("lead_score_trend", "Lead score trend", "enumeration", "select", _SCORE, TRENDS),
    ("lead_score_updated_at", "Lead score updated at", "datetime", "date", _SCORE, None),
    ("lead_score_model", "Lead score model", "string", "text", _SCORE, None),
    ("lead_score_override", "Lead score override", "number", "number", _SCORE, None),
    ("lead_score_override_reason", "Override reason", "string", "text", _SCORE, None),
    ("lead_score_override_until", "Override until", "datetime", "date", _SCORE, None),
)

GROUPS = {
    _CONTACT: "Contact information",
    _WEB: "Web analytics history",
    _MAIL: "Email information",
    _CONVERSION: "Conversion information",
    _OWN: "Practice intake",
}
SCORE_GROUP = (_SCORE, "Lead score")


def contact_definitions(*, provisioned: bool, created_at: str) -> Iterator[Definition]:
    """Yield the definitions of a fresh account, those for scores only when `provisioned`."""
    for row in _DEFAULTS:
        yield _definition(row, created_at, hubspot_defined=True)
    for row in _PRACTICE + (_SCORES if provisioned else ()):
        yield _definition(row, created_at, hubspot_defined=False)


def _definition(row: _Row, created_at: str, *, hubspot_defined: bool) -> Definition:
    name, label, kind, field_type, group, more = row
    read_only = more == READ_ONLY
    values = more if isinstance(more, tuple) else ()
    return {
        "updatedAt": created_at,
        "createdAt": created_at,
        "name": name,
        "label": label,
        "type": kind,
        "fieldType": field_type,
        "description": "",
        "groupName": group,
        "options": [
            {
                "label": value.replace("_", " ").capitalize(),
                "value": value,
                "displayOrder": order,
                "hidden": False,
            }
            for order, value in enumerate(values)
        ],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "archived": False,
        "hasUniqueValue": name in {"email", "hs_object_id"},
        "hidden": False,
        "hubspotDefined": hubspot_defined,
        "modificationMetadata": {
            "archivable": not hubspot_defined,
            "readOnlyDefinition": hubspot_defined,
            "readOnlyOptions": hubspot_defined,
            "readOnlyValue": read_only,
        },
        "formField": not read_only,
        "dataSensitivity": "non_sensitive",
    }
