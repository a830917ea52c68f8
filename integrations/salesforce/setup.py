"""Makes the score fields of an org, and grants them to our user: `leadscore provision`.

By the Tooling API, one call a field, for orgs that do not take the package. It needs a user who may
customise the application; the integration user should not be one for longer than this takes.
Source: reference salesforce.md section 5.1; Tooling API, "CustomField"; Object Reference,
"FieldPermissions", "PermissionSetAssignment".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.base import Plan, Step
from integrations.errors import CrmError, PermanentCrmError, TransientCrmError
from integrations.outputs import OUTPUT_KINDS, OutputKind
from integrations.salesforce.checks import TYPES
from integrations.salesforce.client import SalesforceClient
from integrations.salesforce.metadata import (
    INTEGRATION,
    LONG_TEXT,
    MODEL_LENGTH,
    VISIBLE_LINES,
)
from integrations.salesforce.names import ACCOUNT

#: That of the package, which may be deployed later.
PERMISSION_SET = INTEGRATION
PERMISSION_LABEL = INTEGRATION.replace("_", " ")
_TOOLING = "tooling/sobjects/CustomField"
_GRANTS = "sobjects/FieldPermissions"


class SalesforceSetup:
    """Makes what is missing, through one client."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client

    def plan(self, objects: Sequence[str], written: Mapping[str, str]) -> Plan:
        """Return what is to be made. Makes nothing.

        Args:
            objects: What is scored. A person account has the fields of its contact.
            written: Meaning -> field that we write.

        Raises:
            CrmError: The org does not answer, or refuses us.
        """
        steps: list[Step] = []
        problems: list[str] = []
        for name in dict.fromkeys("Contact" if o == ACCOUNT else o for o in objects):
            there = {each["name"]: each for each in self._client.describe(name)["fields"]}
            for meaning, field in written.items():
                kind = OUTPUT_KINDS[meaning]
                found = there.get(field)
                if found is None:
                    steps.append(_creation(name, field, meaning))
                elif found.get("type") not in TYPES[kind.kind]:
                    wanted = " or ".join(sorted(TYPES[kind.kind]))
                    problems.append(
                        f"{name}.{field}: its type is {found.get('type')}, must be {wanted};"
                        " choose another name in `outputs`"
                    )
        return Plan(steps=steps, problems=problems)

    def provision(self, objects: Sequence[str], written: Mapping[str, str]) -> Plan:
        """Make what `plan` says, and let our user see and edit it; return what was made.

        Safe to repeat: a field that is there, but hidden from us, is granted only.

        Raises:
            CrmError: The org does not answer, or refuses us.
        """
        plan = self.plan(objects, written)
        if not plan.steps:
            return plan
        made = [step for step in plan.steps if self._make(step)]
        permission_set = self._permission_set()
        granted = self._granted(permission_set)
        for step in plan.steps:
            field = str(step.body["FullName"])
            if field not in granted:
                grant = _grant(permission_set, field)
                self._client.org.call("provision", _GRANTS, method="POST", json=grant)
                made.append(Step(text=f"access to {field}", method="POST", path=_GRANTS))
        self._assign(permission_set)
        return Plan(steps=made, problems=plan.problems)

    def _make(self, step: Step) -> bool:
        """Make a field; tell whether it was new."""
        try:
            self._client.org.call("provision", step.path, method="POST", json=step.body)
        except PermanentCrmError as error:
            if error.code != "duplicate_developer_name":
                raise
            return False  # it is there, and hidden from us
        return True

    def _permission_set(self) -> str:
        soql = f"SELECT Id FROM PermissionSet WHERE Name = '{PERMISSION_SET}'"  # noqa: S608  # our own name
        rows = self._client.query(soql)
        if rows:
            return str(rows[0]["Id"])
        body = {"Name": PERMISSION_SET, "Label": PERMISSION_LABEL}
        return self._created("sobjects/PermissionSet", body)

    def _granted(self, permission_set: str) -> set[str]:
        soql = f"SELECT Field FROM FieldPermissions WHERE ParentId = '{permission_set}'"  # noqa: S608  # an id of the org's own
        return {str(row.get("Field")) for row in self._client.query(soql)}

    def _assign(self, permission_set: str) -> None:
        user = self._client.org.user_id
        if not user:
            raise TransientCrmError("bad_reply", "the login did not say whom we act as")
        soql = (
            f"SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = '{permission_set}'"  # noqa: S608  # ids of the org's own
            f" AND AssigneeId = '{user}'"
        )
        if not self._client.query(soql):
            body = {"PermissionSetId": permission_set, "AssigneeId": user}
            self._created("sobjects/PermissionSetAssignment", body)

    def _created(self, path: str, body: Mapping[str, Any]) -> str:
        answer = self._client.org.call("provision", path, method="POST", json=body)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise TransientCrmError("bad_reply", "no id of what was made")
        return str(answer["id"])


def advice_of(error: CrmError) -> str:
    """Return what to do about a refusal, as an end of its message."""
    if error.code in {"insufficient_access", "insufficient_access_or_readonly"}:
        return (
            "; fields are made by a user with `Customize Application`: grant it for a while, or"
            " deploy the package (docs/salesforce.md)"
        )
    return ""


def _creation(name: str, field: str, meaning: str) -> Step:
    kind = OUTPUT_KINDS[meaning]
    return Step(
        text=f"field {name}.{field} ({kind.kind})",
        method="POST",
        path=_TOOLING,
        body={"FullName": f"{name}.{field}", "Metadata": _metadata(meaning, kind)},
    )


def _metadata(meaning: str, kind: OutputKind) -> dict[str, Any]:
    common = {"label": kind.label[:40], "description": "Written by leadscore.", "required": False}
    match kind.kind:
        case "number":
            return {**common, "type": "Number", "precision": 3, "scale": 0}
        case "choice":
            values = [
                {"valueName": each, "label": each.replace("_", " ").capitalize(), "default": False}
                for each in kind.options
            ]
            definition = {"sorted": False, "value": values}
            return {
                **common,
                "type": "Picklist",
                "valueSet": {"restricted": True, "valueSetDefinition": definition},
            }
        case "text" if meaning == "model":
            return {**common, "type": "Text", "length": MODEL_LENGTH}
        case "text":
            return {
                **common,
                "type": "LongTextArea",
                "length": LONG_TEXT,
                "visibleLines": VISIBLE_LINES,
            }
        case _:
            return {**common, "type": "DateTime"}


def _grant(permission_set: str, field: str) -> dict[str, Any]:
    return {
        "ParentId": permission_set,
        "SobjectType": field.partition(".")[0],
        "Field": field,
        "PermissionsRead": True,
        "PermissionsEdit": True,
    }
