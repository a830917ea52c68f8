"""What is right and wrong with an org, as our user sees it: `leadscore doctor`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.base import Finding
from integrations.errors import AccessError, CrmError, PermanentCrmError
from integrations.outputs import OUTPUT_KINDS, OutputKind
from integrations.salesforce import around
from integrations.salesforce.client import SalesforceClient
from integrations.salesforce.names import on_object

#: Our kind -> Salesforce field types that hold it. Source: reference salesforce.md section 5.1.
TYPES = {
    "number": {"double", "int", "percent"},
    "choice": {"picklist"},
    "text": {"textarea", "string"},
    "datetime": {"datetime"},
}
#: Support of older versions ends in Summer '27. Source: reference salesforce.md, head.
OLDEST_SUPPORTED = 41.0
#: Below this part of the day's calls, others of the org have little left for us.
FEW_CALLS = 0.2
#: Editions without Outbound Messages. Source: reference salesforce.md section 1.3.
NO_MESSAGES = ("Professional Edition", "Essentials Edition", "Starter Edition")
#: What is read of an activity's object, whoever's it is.
_ACTIVITY_FIELDS = {
    around.TASK: ("WhoId", "TaskSubtype", "CallType", "IsClosed", "CompletedDateTime"),
    around.EVENT: ("WhoId", "StartDateTime", "CreatedDate"),
    around.MEMBER: ("LeadId", "ContactId", "HasResponded", "FirstRespondedDate"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an account needs of its org."""

    organization_id: str
    api_version: str
    objects: Sequence[str]
    read: Collection[str]  #: Fields of the field map.
    written: Mapping[str, str]  #: Meaning -> field.
    activities: Collection[str] = ()  #: Objects that tell of activities.
    related: Mapping[str, str] = field(default_factory=dict)
    record_types: Collection[str] = ()


def check(client: SalesforceClient, wanted: Wanted) -> list[Finding]:
    """Return what was found; each wrong finding says what to do.

    Raises:
        CrmError: the org does not answer, or refuses the login.
    """
    findings = [_version(client.org.versions(), wanted.api_version)]
    findings += _organization(client, wanted.organization_id)
    findings.append(_limits(client))
    for name in wanted.objects:
        findings += _object(client, name, wanted)
    for name in sorted(wanted.activities):
        findings.append(_reads(client, name, _ACTIVITY_FIELDS[name], "activities"))
    for name, link in wanted.related.items():
        findings.append(_reads(client, name, (link,), "related"))
    if wanted.record_types:
        findings.append(_record_types(client, wanted.record_types))
    return findings


def _version(served: Sequence[str], wanted: str) -> Finding:
    if wanted not in served:
        newest = max(served, key=float, default="63.0")
        detail = f'the org does not serve {wanted}; set api_version = "{newest}"'
        return Finding("API version", ok=False, detail=detail)
    if float(wanted) < OLDEST_SUPPORTED:
        detail = f"{wanted} loses its support in Summer '27; take a newer api_version"
        return Finding("API version", ok=False, detail=detail)
    return Finding("API version", ok=True, detail=wanted)


def _organization(client: SalesforceClient, wanted: str) -> list[Finding]:
    rows = client.query("SELECT Id, IsSandbox, OrganizationType FROM Organization")
    row = rows[0] if rows else {}
    found = str(row.get("Id") or "")
    is_ours = found[:15] == wanted[:15]
    detail = "a sandbox" if row.get("IsSandbox") else "production"
    if not is_ours:
        detail = f"base_url leads to {found}; correct organization_id or base_url"
    findings = [Finding("organization", ok=is_ours, detail=detail)]
    edition = str(row.get("OrganizationType") or "")
    if edition in NO_MESSAGES:
        detail = f"{edition} has no Outbound Messages: set only_swept = true, or fetch events"
        findings.append(Finding("edition", ok=True, detail=detail))
    return findings


def _limits(client: SalesforceClient) -> Finding:
    found = client.org.call("limits", "limits", method="GET")
    calls = found.get("DailyApiRequests") if isinstance(found, dict) else None
    if not isinstance(calls, dict) or not calls.get("Max"):
        return Finding("daily calls", ok=True, detail="the org does not say")
    limit, left = int(calls["Max"]), int(calls.get("Remaining") or 0)
    is_fine = left >= limit * FEW_CALLS
    detail = f"{left:,} of {limit:,} are left today"
    if not is_fine:
        detail += "; backfills wait: see which integration uses them (Setup, System Overview)"
    return Finding("daily calls", ok=is_fine, detail=detail)


def _object(client: SalesforceClient, name: str, wanted: Wanted) -> list[Finding]:
    fields = _fields(client, name)
    findings = [Finding(f"{name}: connection and login", ok=True, detail=f"{len(fields)} fields")]
    for each in wanted.read:
        there = on_object(name, each)
        known = fields.get(there)
        detail = "" if known else "no such field, or our user may not see it: it counts as empty"
        if known and known.get("encrypted"):
            detail = "encrypted by Shield; our user reads it in clear"
        findings.append(Finding(f"reads {name}.{there}", ok=known is not None, detail=detail))
    for meaning, each in wanted.written.items():
        there = on_object(name, each)
        fault = fault_of(fields.get(there), OUTPUT_KINDS[meaning])
        if not fault and meaning in {"score", "respond_by"} and not fields[there].get("sortable"):
            fault = "a list cannot be sorted by it: take Shield encryption off this field"
        if not fault and meaning == "tier" and not fields[there].get("filterable"):
            fault = "a list cannot be filtered by it: take Shield encryption off this field"
        findings.append(Finding(f"writes {name}.{there}", ok=not fault, detail=fault))
    return findings


def _fields(client: SalesforceClient, name: str) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in client.describe(name)["fields"]}


def _reads(client: SalesforceClient, name: str, needed: Collection[str], what: str) -> Finding:
    try:
        there = _fields(client, name)
    except (AccessError, PermanentCrmError):
        detail = "no such object, or our user may not read it; it is left out"
        return Finding(f"{what} {name}", ok=False, detail=detail)
    lacking = sorted(set(needed) - there.keys())
    detail = f"our user may not see {', '.join(lacking)}; it is left out" if lacking else ""
    return Finding(f"{what} {name}", ok=not lacking, detail=detail)


def _record_types(client: SalesforceClient, wanted: Collection[str]) -> Finding:
    names = ", ".join(f"'{name}'" for name in wanted)
    soql = f"SELECT DeveloperName FROM RecordType WHERE DeveloperName IN ({names})"  # noqa: S608  # names whose form was checked
    try:
        there = {str(row.get("DeveloperName")) for row in client.query(soql)}
    except CrmError as error:
        return Finding("record types", ok=False, detail=f"cannot be listed: {error.code}")
    lacking = sorted(set(wanted) - there)
    detail = f"no such record type: {', '.join(lacking)}; see only_record_types" if lacking else ""
    return Finding("record types", ok=not lacking, detail=detail)


def fault_of(found: Mapping[str, Any] | None, kind: OutputKind) -> str:
    """Return what is wrong with a field that we write, or an empty string."""
    if found is None:
        return "missing, or hidden from our user: run `leadscore provision`, or grant it"
    if found.get("type") not in TYPES[kind.kind]:
        wanted = " or ".join(sorted(TYPES[kind.kind]))
        return f"its type is {found.get('type')}, must be {wanted}"
    if not found.get("updateable"):
        return "our user may not edit it: grant edit in a permission set"
    values = {value.get("value") for value in found.get("picklistValues") or []}
    lacking = sorted(set(kind.options) - values)
    return f"its values lack: {', '.join(lacking)}" if lacking else ""
