"""The org's objects and fields, and what each field takes.

Source: reference salesforce.md sections 3.1, 3.4, 5.1, 6; standard field lengths from the Object
Reference; practice and score fields from the product's DESIGN.md section 5. Long text fields
can be neither filtered nor sorted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from integrations.simulator.salesforce.errors import RecordError, unparsable

LONG_TEXT = 32_768
_LONG = 4_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

TIERS = ("clinical", "hot", "warm", "nurture", "low", "not_a_lead", "unscored")
TRENDS = ("up", "steady", "down")
STATUSES = (
    "Open - Not Contacted",
    "Working - Contacted",
    "Closed - Converted",
    "Closed - Not Converted",
)
SOURCES = (
    "Web",
    "Phone Inquiry",
    "Partner Referral",
    "Provider Referral",
    "Purchased List",
    "Other",
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of one object, in the words of the describe call."""

    name: str
    type: str  #: id, string, textarea, double, datetime, date, picklist, multipicklist …
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    values: tuple[str, ...] = ()
    restricted: bool = False
    required: bool = False
    system: bool = False  #: Only Salesforce sets it.
    is_long: bool = False

    def describe(self, *, is_encrypted: bool = False) -> dict[str, object]:
        """Return the field as the describe call shows it."""
        can_filter = not self.is_long and not is_encrypted
        return {
            "encrypted": is_encrypted,
            "name": self.name,
            "label": self.label or self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "length": self.length,
            "precision": self.precision,
            "scale": self.scale,
            "custom": self.name.endswith("__c"),
            "nillable": not self.required and not self.system,
            "createable": not self.system,
            "updateable": not self.system,
            "filterable": can_filter,
            "sortable": can_filter and self.type != "multipicklist",
            "groupable": not self.is_long and self.type not in ("double", "datetime"),
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": value, "value": value}
                for value in self.values
            ],
            "calculated": False,
            "unique": False,
        }

    def checked(self, value: object) -> object:
        """Return `value` in the form it is kept; "" and None are both null.

        Raises:
            RecordError: the record can't be written so.
            ApiError: 400 for the whole call, when the JSON type is wrong.
        """
        if value is None or value == "":
            if self.required:
                raise RecordError(
                    "REQUIRED_FIELD_MISSING",
                    f"Required fields are missing: [{self.name}]",
                    [self.name],
                )
            return None
        return _CHECKS.get(self.type, _text)(self, value)


def _text(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, value)
    if field.length and len(value) > field.length:
        label = field.label or field.name
        raise RecordError(
            "STRING_TOO_LONG",
            f"{label}: data value too large: {value[:20]} (max length={field.length})",
            [field.name],
        )
    if field.type == "email" and not _EMAIL.fullmatch(value):
        raise RecordError(
            "INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {value}", [field.name]
        )
    return value


def _picklist(field: Field, value: object) -> str:
    text = _text(field, value)
    chosen = text.split(";") if field.type == "multipicklist" else [text]
    for each in chosen:
        if field.restricted and each not in field.values:
            label = field.label or field.name
            raise RecordError(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                f"{label}: bad value for restricted picklist field: {each}",
                [field.name],
            )
    return text


def _double(field: Field, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(field, value)
    if abs(value) >= 10 ** (field.precision - field.scale):
        raise RecordError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label or field.name}: value outside of valid range on numeric field: {value}",
            [field.name],
        )
    # Salesforce rounds to the field's scale and always answers a floating-point number.
    return round(float(value), field.scale)


def _boolean(field: Field, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(field, value)
    return value


def _datetime(field: Field, value: object) -> str:
    kept = _kept_instant(value) if isinstance(value, str) else None
    if kept is None:
        raise _wrong_type(field, value)
    return kept


@lru_cache(maxsize=1024)  # a batch tends to carry the same few instants
def _kept_instant(value: str) -> str | None:
    at = parsed(value)
    return None if at is None else stamp(at)


def _date(field: Field, value: object) -> str:
    at = parsed(value)
    if at is None:
        raise _wrong_type(field, value)
    return f"{at:%Y-%m-%d}"


_CHECKS = {
    "double": _double,
    "boolean": _boolean,
    "datetime": _datetime,
    "date": _date,
    "picklist": _picklist,
    "multipicklist": _picklist,
}


def _wrong_type(field: Field, value: object) -> Exception:
    kind = {str: "VALUE_STRING", bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT"}.get(
        type(value), "START_OBJECT"
    )
    shown = value if isinstance(value, str | int | float) else ""
    return unparsable(f"Cannot deserialize instance of {field.type} from {kind} value {shown}")


def stamp(at: datetime) -> str:
    """Return an aware instant as REST answers write it.

    >>> stamp(datetime(2026, 3, 2, 14, 5, 9, tzinfo=UTC))
    '2026-03-02T14:05:09.000+0000'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "+0000"


def parsed(value: object) -> datetime | None:
    """Return the aware instant of an ISO 8601 text, None for anything else."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def objects(*, provisioned: bool) -> dict[str, dict[str, Field]]:
    """Return the fields of every object by name."""
    own = [*_practice(), *(_scores() if provisioned else ())]
    tables = {
        "Lead": [*_system(), *_lead(), *own],
        "Contact": [*_system(), *_contact(), *own],
        "Task": [*_system(), *_activity(), *_task()],
        "Event": [*_system(), *_activity(), *_event()],
        "Account": [*_system(), *_account(), *map(_on_account, own)],
        "CampaignMember": [*_system(), *_member()],
        "ClinicalServiceRequest": [
            *_system(),
            Field(name="PatientId", type="reference", length=18),
        ],
        "PermissionSet": [
            *_system(),
            Field(name="Name", type="string", length=80),
            Field(name="Label", type="string", length=80),
        ],
        "FieldPermissions": [
            *_system(),
            Field(name="ParentId", type="reference", length=18),
            Field(name="SobjectType", type="picklist", length=40),
            Field(name="Field", type="picklist", length=255),
            Field(name="PermissionsRead", type="boolean"),
            Field(name="PermissionsEdit", type="boolean"),
        ],
        "PermissionSetAssignment": [
            *_system(),
            Field(name="AssigneeId", type="reference", length=18),
            Field(name="PermissionSetId", type="reference", length=18),
        ],
        "RecordType": [
            Field(name="Id", type="id", length=18, system=True),
            Field(name="IsDeleted", type="boolean", system=True),
            Field(name="DeveloperName", type="string", length=80),
            Field(name="SobjectType", type="picklist", length=40),
        ],
        "Organization": [
            Field(name="Id", type="id", length=18, system=True),
            Field(name="Name", type="string", length=80, system=True),
            Field(name="IsSandbox", type="boolean", system=True),
            Field(name="OrganizationType", type="picklist", length=40, system=True),
        ],
    }
    return {name: {field.name: field for field in table} for name, table in tables.items()}


def _system() -> Iterator[Field]:
    yield Field(name="Id", type="id", length=18, system=True)
    yield Field(name="IsDeleted", type="boolean", system=True)
    yield Field(name="OwnerId", type="reference", length=18)
    for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        yield Field(name=name, type="datetime", system=True)


def _person() -> Iterator[Field]:
    yield Field(name="FirstName", type="string", length=40)
    yield Field(name="LastName", type="string", length=80, required=True)
    yield Field(name="Name", type="string", length=121, system=True)
    yield Field(name="Email", type="email", length=80)
    yield Field(name="Phone", type="phone", length=40)
    yield Field(name="LeadSource", type="picklist", length=255, values=SOURCES)
    yield Field(name="Description", type="textarea", length=32_000, is_long=True)
    yield from _record_type()


def _record_type() -> Iterator[Field]:
    yield Field(name="RecordTypeId", type="reference", length=18)
    yield Field(name="RecordType.DeveloperName", type="string", length=80, system=True)


def _account() -> Iterator[Field]:
    """A person account: its contact's fields under names of their own (section 6)."""
    yield Field(name="FirstName", type="string", length=40)
    yield Field(name="LastName", type="string", length=80, required=True)
    yield Field(name="Name", type="string", length=255, system=True)
    yield Field(name="IsPersonAccount", type="boolean", system=True)
    yield Field(name="PersonContactId", type="reference", length=18, system=True)
    yield Field(name="PersonEmail", type="email", length=80)
    yield Field(name="Phone", type="phone", length=40)
    yield Field(name="PersonLeadSource", type="picklist", length=255, values=SOURCES)
    yield Field(name="Description", type="textarea", length=32_000, is_long=True)
    yield from _record_type()


def _on_account(field: Field) -> Field:
    name = f"{field.name[:-1]}pc" if field.name.endswith("__c") else field.name
    return replace(field, name=name)


def _member() -> Iterator[Field]:
    yield Field(name="LeadId", type="reference", length=18)
    yield Field(name="ContactId", type="reference", length=18)
    yield Field(name="HasResponded", type="boolean")
    yield Field(name="FirstRespondedDate", type="date")


def _event() -> Iterator[Field]:
    yield Field(name="StartDateTime", type="datetime")


def _lead() -> Iterator[Field]:
    yield from _person()
    yield Field(name="Company", type="string", length=255, required=True)
    yield Field(name="Title", type="string", length=128)
    yield Field(name="Status", type="picklist", length=255, values=STATUSES, required=True)
    yield Field(name="IsConverted", type="boolean", system=True)
    yield Field(name="ConvertedDate", type="date", system=True)
    yield Field(name="ConvertedContactId", type="reference", length=18, system=True)
    yield Field(name="ConvertedAccountId", type="reference", length=18, system=True)


def _contact() -> Iterator[Field]:
    yield from _person()
    yield Field(name="Title", type="string", length=128)
    yield Field(name="AccountId", type="reference", length=18)


def _activity() -> Iterator[Field]:
    yield Field(name="WhoId", type="reference", length=18)
    yield Field(name="WhatId", type="reference", length=18)
    yield Field(name="AccountId", type="reference", length=18)
    yield Field(name="Subject", type="string", length=255)
    yield Field(name="ActivityDate", type="date")
    yield Field(name="IsArchived", type="boolean", system=True)


def _task() -> Iterator[Field]:
    yield Field(name="Status", type="picklist", length=255, values=("Not Started", "Completed"))
    yield Field(name="IsClosed", type="boolean", system=True)
    yield Field(name="CompletedDateTime", type="datetime", system=True)
    yield Field(name="TaskSubtype", type="picklist", length=40, values=("Call", "Email", "Task"))
    yield Field(name="CallType", type="picklist", length=40, values=("Inbound", "Outbound"))


def _practice() -> Iterator[Field]:
    yield _own_picklist("Inquiry_Type__c", INQUIRY_TYPES)
    yield _own_picklist("Insurance_Status__c", INSURANCE_STATUSES)
    yield Field(name="Insurance_Carrier__c", type="string", length=120)
    yield Field(
        name="Procedure_Interest__c",
        type="multipicklist",
        length=_LONG,
        values=PROCEDURES,
        restricted=True,
    )
    yield Field(name="Channel__c", type="picklist", length=255)
    yield Field(name="Service_Line__c", type="picklist", length=255)
    yield Field(name="Web_Visits__c", type="double", precision=6)
    yield Field(name="Form_Submissions__c", type="double", precision=6)
    for name in (
        "Last_Email_Open__c",
        "Last_Email_Click__c",
        "Last_Web_Visit__c",
        "First_Response_At__c",
    ):
        yield Field(name=name, type="datetime")


def _scores() -> Iterator[Field]:
    yield Field(name="Lead_Score__c", type="double", precision=3)
    yield _own_picklist("Lead_Score_Tier__c", TIERS)
    yield Field(name="Lead_Score_Reasons__c", type="textarea", length=LONG_TEXT, is_long=True)
    for factor in ("Inquiry", "Urgency", "Insurance", "Procedure", "Engagement"):
        yield Field(name=f"Lead_Score_{factor}__c", type="double", precision=5, scale=2)
    yield Field(name="Lead_Score_Likelihood__c", type="double", precision=5, scale=2)
    yield Field(name="Lead_Score_Respond_By__c", type="datetime")
    yield _own_picklist("Lead_Score_Trend__c", TRENDS)
    yield Field(name="Lead_Score_Updated_At__c", type="datetime")
    yield Field(name="Lead_Score_Model__c", type="string", length=120)
    yield Field(name="Lead_Score_Override__c", type="double", precision=3)
    yield Field(name="Lead_Score_Override_Reason__c", type="string", length=255)
    yield Field(name="Lead_Score_Override_Until__c", type="datetime")


def _own_picklist(name: str, values: tuple[str, ...]) -> Field:
    label = name.removesuffix("__c").replace("_", " ")
    return Field(
        name=name, type="picklist", label=label, length=255, values=values, restricted=True
    )
