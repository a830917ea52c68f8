"""Set-up of an org: which fields are there for our user, and of the right type."""

from collections.abc import Collection, Mapping
from typing import Any

from integrations.base import Finding
from integrations.outputs import OUTPUT_KINDS, OutputKind
from integrations.salesforce.client import SalesforceClient

#: Our kind -> Salesforce field types that hold it. Source: reference salesforce.md section 5.1.
_TYPES = {
    "number": {"double", "int", "percent"},
    "choice": {"picklist"},
    "text": {"textarea", "string"},
    "datetime": {"datetime"},
}


def check(
    client: SalesforceClient,
    objects: Collection[str],
    read: Collection[str],
    written: Mapping[str, str],
) -> list[Finding]:
    """Return what is right and wrong with the fields of each object, as our user sees them.

    Args:
        client: Calls the org.
        objects: Object types that are scored.
        read: Fields of the field map.
        written: Meaning -> field that we write.

    Raises:
        CrmError: the org does not answer, or refuses the login.
    """
    findings = []
    for name in objects:
        fields = {field["name"]: field for field in client.describe(name)["fields"]}
        findings.append(
            Finding(f"{name}: connection and login", ok=True, detail=f"{len(fields)} fields")
        )
        for field in read:
            known = field in fields
            findings.append(
                Finding(
                    f"reads {name}.{field}",
                    ok=known,
                    detail="" if known else "no such field, or our user may not see it",
                )
            )
        for meaning, field in written.items():
            fault = _fault(fields.get(field), OUTPUT_KINDS[meaning])
            findings.append(Finding(f"writes {name}.{field}", ok=not fault, detail=fault))
    return findings


def _fault(found: Mapping[str, Any] | None, kind: OutputKind) -> str:
    if found is None:
        return "missing, or hidden from our user: make the field, grant it in a permission set"
    if found.get("type") not in _TYPES[kind.kind]:
        wanted = " or ".join(sorted(_TYPES[kind.kind]))
        return f"its type is {found.get('type')}, must be {wanted}"
    if not found.get("updateable"):
        return "our user may not edit it: grant edit in a permission set"
    values = {value.get("value") for value in found.get("picklistValues") or []}
    lacking = sorted(set(kind.options) - values)
    return f"its values lack: {', '.join(lacking)}" if lacking else ""
