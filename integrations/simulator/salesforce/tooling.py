"""Custom fields by the Tooling API, and who may see them by permission sets.

Source: Tooling API, "CustomField"; Object Reference, "FieldPermissions", "PermissionSetAssignment";
Metadata API 63.0, "CustomField". A new field is hidden until it is granted (reference
salesforce.md section 5.1).
"""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.simulator.salesforce.errors import ApiError
from integrations.simulator.salesforce.fields import LONG_TEXT, Field
from integrations.simulator.salesforce.ids import short_id
from integrations.simulator.salesforce.records import Records

OF_PERMISSIONS = ("PermissionSet", "FieldPermissions", "PermissionSetAssignment")
_NEEDED = {
    "Number": ("precision", "scale"),
    "Picklist": ("valueSet",),
    "LongTextArea": ("length", "visibleLines"),
    "Text": ("length",),
    "DateTime": (),
}


def field_of(name: str, metadata: object) -> Field:
    """Return the field that metadata describe. Raises: ApiError, as its 400."""
    if not isinstance(metadata, dict) or metadata.get("type") not in _NEEDED:
        raise _wrong("Metadata.type is missing or unknown")
    kind = str(metadata["type"])
    lacking = [each for each in ("label", *_NEEDED[kind]) if each not in metadata]
    if lacking or not name.endswith("__c"):
        raise _wrong(f"Required fields are missing: {lacking or ['FullName']}")
    return _MAKERS[kind](name, metadata)


def _number(name: str, metadata: Mapping[str, Any]) -> Field:
    return Field(
        name=name, type="double", precision=metadata["precision"], scale=metadata["scale"]
    )


def _picklist(name: str, metadata: Mapping[str, Any]) -> Field:
    given = metadata["valueSet"]
    values = [each["valueName"] for each in given["valueSetDefinition"]["value"]]
    return Field(
        name=name,
        type="picklist",
        length=255,
        values=tuple(values),
        restricted=bool(given.get("restricted")),
    )


def _long(name: str, metadata: Mapping[str, Any]) -> Field:
    if metadata["length"] > LONG_TEXT * 4:
        raise _wrong("length is too large")
    return Field(name=name, type="textarea", length=metadata["length"], is_long=True)


_MAKERS: Mapping[str, Callable[[str, Mapping[str, Any]], Field]] = {
    "Number": _number,
    "Picklist": _picklist,
    "LongTextArea": _long,
    "Text": lambda name, metadata: Field(name=name, type="string", length=metadata["length"]),
    "DateTime": lambda name, _: Field(name=name, type="datetime"),
}


def grant(records: Records, user_id: str) -> None:
    """Show the user every field that one of its permission sets grants."""
    own = {
        short_id(each["PermissionSetId"])
        for each in records.tables["PermissionSetAssignment"].values()
        if short_id(each["AssigneeId"]) == short_id(user_id)
    }
    for each in records.tables["FieldPermissions"].values():
        if each.get("PermissionsRead") and short_id(each["ParentId"]) in own:
            records.hidden.discard(str(each["Field"]).partition(".")[2])


def _wrong(message: str) -> ApiError:
    return ApiError(400, "FIELD_INTEGRITY_EXCEPTION", message)
