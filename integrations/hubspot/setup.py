"""Set-up of a portal: what is to be made, and making it. Through the vendor's client.

Definitions are read and made on dated paths: the vendor's typed classes know no `dataSensitivity`
(reference hubspot.md sections 4.1, 4.3 and 6).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.base import Plan, Step
from integrations.errors import PermanentCrmError, TransientCrmError
from integrations.hubspot import wire
from integrations.hubspot.vendor import VendorClient
from integrations.outputs import OUTPUT_KINDS, OutputKind

GROUP = "lead_score"
GROUP_LABEL = "Lead score"

#: Our kind -> HubSpot's type and field type; all but text sort as their values do.
#: Source: reference hubspot.md section 4.1.
TYPES = {
    "number": ("number", "number"),
    "choice": ("enumeration", "select"),
    "text": ("string", "textarea"),
    "datetime": ("datetime", "date"),
}
PLAIN, SENSITIVE = "non_sensitive", "sensitive"
#: The list of definitions leaves these out unless it is asked for them (section 4.3).
_HIDDEN_KINDS = (SENSITIVE, "highly_sensitive")

#: A property's definition as HubSpot gives it.
Definition = Mapping[str, Any]


class HubSpotSetup:
    """Reads the definitions of one portal's contact properties, and makes what is missing."""

    def __init__(self, client: VendorClient) -> None:
        self._client = client

    def definitions(self) -> dict[str, Definition]:
        """Return all definitions by name, those of Sensitive Data too where we may see them.

        Raises:
            CrmError: the portal does not answer, or refuses the token.
        """
        found = self._listed({})
        for kind in _HIDDEN_KINDS:
            try:
                more = self._listed({"dataSensitivity": kind})
            except PermanentCrmError:
                continue  # not of that tier, or not our scope: then we see none of these
            found.update({name: {"dataSensitivity": kind, **each} for name, each in more.items()})
        return found

    def _listed(self, query: Mapping[str, str]) -> dict[str, Definition]:
        body = self._client.call("GET", wire.PROPERTIES, query=query).body
        rows = body.get("results")
        if not isinstance(rows, list):
            raise TransientCrmError("bad_reply", "no results")
        return {row["name"]: row for row in rows if isinstance(row, dict) and "name" in row}

    def plan(self, written: Mapping[str, str], sensitive: Collection[str] = ()) -> Plan:
        """Return what is to be made so that everything can be written. Makes nothing.

        Args:
            written: Meaning -> property that we write.
            sensitive: Meanings whose property is to be Sensitive Data.

        Raises:
            CrmError: the portal does not answer, or refuses the token.
        """
        there = self.definitions()
        steps: list[Step] = []
        problems: list[str] = []
        for meaning, name in written.items():
            wanted = SENSITIVE if meaning in sensitive else PLAIN
            if name not in there:
                steps.append(_creation(name, meaning, wanted))
                continue
            fault = fault_of(there[name], OUTPUT_KINDS[meaning], wanted)
            lacking = lacking_options(there[name], OUTPUT_KINDS[meaning])
            if fault:
                problems.append(f"{name}: {fault}")
            elif lacking:
                steps.append(_more_options(there[name], lacking))
        if any(step.path == wire.PROPERTIES for step in steps) and not self._has_group():
            steps.insert(0, _GROUP_STEP)
        return Plan(steps=steps, problems=problems)

    def provision(self, written: Mapping[str, str], sensitive: Collection[str] = ()) -> Plan:
        """Make what `plan` says; return what was made and what could not be.

        Safe to repeat, also by two at once: what is there stays as it is.

        Raises:
            CrmError: the portal does not answer, or refuses.
        """
        plan = self.plan(written, sensitive)
        made = []
        for step in plan.steps:
            try:
                self._client.call(step.method, step.path, body=step.body)
            except PermanentCrmError as error:
                if error.code != "OBJECT_ALREADY_EXISTS":  # made by another at this moment
                    raise
                continue
            made.append(step)
        return Plan(steps=made, problems=plan.problems)

    def _has_group(self) -> bool:
        body = self._client.call("GET", f"{wire.PROPERTIES}/groups").body
        return any(
            isinstance(row, dict) and row.get("name") == GROUP for row in body.get("results") or []
        )

    def holds(self, probe: "Probe") -> bool:
        """Tell whether the token may make a call; the call names no record and changes nothing.

        Raises:
            CrmError: the portal does not answer, or refuses the token itself.
        """
        try:
            self._client.call("POST", probe.path, body=probe.body)
        except PermanentCrmError as error:
            if error.code == "MISSING_SCOPES":
                return False
            if "AUTHENTICATION" in error.code:
                raise
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A batch call without any record: HubSpot answers it, or says that the scope is missing."""

    path: str
    body: Mapping[str, Any]


def fault_of(found: Definition, kind: OutputKind, sensitivity: str) -> str:
    """Return what cannot be changed about a property that we write, with the remedy; or nothing."""
    wanted = TYPES[kind.kind][0]
    rules = found.get("modificationMetadata") or {}
    is_of = found.get("dataSensitivity") or PLAIN
    if found.get("type") != wanted:
        return (
            f"its type is {found.get('type')}, must be {wanted}; a type cannot be changed:"
            " choose another name in `outputs`"
        )
    if found.get("calculated") or rules.get("readOnlyValue"):
        return "HubSpot calculates it, nobody can write it; choose another name in `outputs`"
    if is_of != sensitivity:
        return (
            f"its data sensitivity is {is_of}, asked for is {sensitivity}; it is set only when a"
            " property is made: correct `sensitive_outputs`, or choose another name in `outputs`"
        )
    lacking = lacking_options(found, kind)
    if lacking and (found.get("externalOptions") or rules.get("readOnlyOptions")):
        return (
            f"its options lack {', '.join(lacking)}, and cannot be changed;"
            " choose another name in `outputs`"
        )
    return ""


def lacking_options(found: Definition, kind: OutputKind) -> list[str]:
    """Return the values that a choice must offer, and does not."""
    there = {option.get("value") for option in found.get("options") or []}
    return [option for option in kind.options if option not in there]


_GROUP_STEP = Step(
    text=f'group {GROUP} ("{GROUP_LABEL}")',
    method="POST",
    path=f"{wire.PROPERTIES}/groups",
    body={"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1},
)


def _creation(name: str, meaning: str, sensitivity: str) -> Step:
    kind = OUTPUT_KINDS[meaning]
    of_type, field_type = TYPES[kind.kind]
    body = {
        "groupName": GROUP,
        "name": name,
        "label": kind.label,
        "type": of_type,
        "fieldType": field_type,
        "description": "Written by leadscore.",
        "options": [_option(option, place) for place, option in enumerate(kind.options)],
    }
    if sensitivity != PLAIN:
        body["dataSensitivity"] = sensitivity
    more = f": {', '.join(kind.options)}" if kind.options else ""
    words = f"{of_type}{more}" if sensitivity == PLAIN else f"{of_type}, {sensitivity}{more}"
    return Step(
        text=f'property {name} "{kind.label}" ({words})',
        method="POST",
        path=wire.PROPERTIES,
        body=body,
    )


def _more_options(found: Definition, lacking: Sequence[str]) -> Step:
    """Return the change that adds options: the list is replaced as a whole, so all are sent."""
    kept = [
        {
            "displayOrder": place,
            **{k: option[k] for k in _OPTION_KEYS if option.get(k) is not None},
        }
        for place, option in enumerate(found.get("options") or [])
    ]
    first = max((int(each["displayOrder"]) for each in kept), default=-1) + 1
    added = [_option(option, first + place) for place, option in enumerate(lacking)]
    return Step(
        text=f"options {', '.join(lacking)} of {found['name']}",
        method="PATCH",
        path=f"{wire.PROPERTIES}/{found['name']}",
        body={"options": [*kept, *added]},
    )


_OPTION_KEYS = ("label", "value", "description", "displayOrder", "hidden")


def _option(value: str, place: int) -> dict[str, Any]:
    label = value.replace("_", " ").capitalize()
    return {"label": label, "value": value, "displayOrder": place, "hidden": False}
