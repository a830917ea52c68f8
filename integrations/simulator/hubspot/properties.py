"""The account's property definitions and groups: what may be read and written.

Source: reference hubspot.md section 4.1; fields from openapi `properties.2026-09`.
"""

import re
from collections.abc import Iterable, Mapping

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.definitions import Definition
from integrations.simulator.hubspot.values import Check, InvalidValueError, check_for

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_REQUIRED = ("groupName", "name", "label", "type", "fieldType")
#: type: the field types it goes with.
_FIELD_TYPES = {
    "bool": {"booleancheckbox", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"booleancheckbox", "checkbox", "radio", "select"},
    "number": {"number", "calculation_equation"},
    "phone_number": {"phonenumber"},
    "string": {"file", "html", "phonenumber", "select", "text", "textarea"},
}
_CHANGEABLE = (
    "label",
    "type",
    "fieldType",
    "description",
    "groupName",
    "displayOrder",
    "hidden",
    "formField",
)


class Catalog:
    """Definitions by name, with a ready check for each. Not locked: the caller is."""

    def __init__(self, definitions: Iterable[Definition], groups: Mapping[str, str]) -> None:
        self._live: dict[str, Definition] = {}
        self._archived: dict[str, Definition] = {}
        self._groups: dict[str, dict[str, object]] = {}
        self.checks: dict[str, Check] = {}  #: Of every live property.
        self.read_only: set[str] = set()
        self._writable: dict[str, Check] = {}  # by the API
        for name, label in groups.items():
            self._groups[name] = _group(name, label, -1)
        for definition in definitions:
            self._keep(definition)

    def __contains__(self, name: str) -> bool:
        """Tell whether a live property has that name."""
        return name in self._live

    def kind(self, name: str) -> str:
        """Return the type of a live property."""
        return str(self._live[name]["type"])

    def kept(self, values: Mapping[str, str], *, by_api: bool) -> dict[str, str]:
        """Return `values` in the form they are kept; "" stays "" and clears.

        Raises:
            ApiError: 400 that lists every value the account does not take.
        """
        checks = self._writable if by_api else self.checks
        try:
            return {name: checks[name](value) if value else "" for name, value in values.items()}
        except (KeyError, InvalidValueError):
            raise errors.invalid_values(self._problems(values, by_api=by_api)) from None

    def _problems(self, values: Mapping[str, str], *, by_api: bool) -> list[dict[str, object]]:
        problems: list[dict[str, object]] = []
        for name, value in values.items():
            check = self.checks.get(name)
            if check is None:
                problems.append(
                    _problem(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST")
                )
            elif by_api and name in self.read_only:
                text = f'"{name}" is a read only property; its value cannot be set.'
                problems.append(_problem(name, text, "READ_ONLY_VALUE"))
            elif value:
                try:
                    check(value)
                except InvalidValueError as error:
                    problem = _problem(name, error.message, error.code)
                    problems.append({**problem, "localizedErrorMessage": error.message})
        return problems

    def listed(self, *, archived: bool) -> list[Definition]:
        """Return all definitions, live or archived."""
        return list((self._archived if archived else self._live).values())

    def get(self, name: str, *, archived: bool = False) -> Definition:
        """Return one definition, or raise the 404."""
        found = (self._archived if archived else self._live).get(name)
        if found is None:
            raise errors.not_found()
        return found

    def create(self, body: Mapping[str, object], at: str) -> Definition:
        """Add a property, or bring back an archived one of that name."""
        for field in _REQUIRED:
            if not isinstance(body.get(field), str) or not body[field]:
                raise errors.invalid_json(f"Some required fields were not set: [{field}]")
        name = str(body["name"])
        if not _NAME.fullmatch(name) or name.startswith("hs_"):
            raise errors.invalid(f"Property name '{name}' is not valid.")
        if name in self._live:
            raise errors.property_exists(name)
        definition: Definition = {
            "updatedAt": at,
            "createdAt": at,
            "name": name,
            "label": body["label"],
            "type": body["type"],
            "fieldType": body["fieldType"],
            "description": body.get("description", ""),
            "groupName": body["groupName"],
            "options": _options(body.get("options", [])),
            "displayOrder": body.get("displayOrder", -1),
            "calculated": False,
            "externalOptions": False,
            "archived": False,
            "hasUniqueValue": body.get("hasUniqueValue", False),
            "hidden": body.get("hidden", False),
            "hubspotDefined": False,
            "modificationMetadata": {
                "archivable": True,
                "readOnlyDefinition": False,
                "readOnlyOptions": False,
                "readOnlyValue": False,
            },
            "formField": body.get("formField", False),
            "dataSensitivity": body.get("dataSensitivity", "non_sensitive"),
        }
        self._check(definition)
        self._archived.pop(name, None)
        self._keep(definition)
        return definition

    def change(self, name: str, body: Mapping[str, object], at: str) -> Definition:
        """Change a property; `options`, if given, replaces the whole list."""
        old = self.get(name)
        if old["hubspotDefined"]:
            raise errors.invalid(f"Property '{name}' is read only and can't be changed.")
        changes = {field: body[field] for field in _CHANGEABLE if field in body}
        if "options" in body:
            changes["options"] = _options(body["options"])
        definition = {**old, **changes, "updatedAt": at}
        self._check(definition)
        self._keep(definition)
        return definition

    def archive(self, name: str, at: str) -> None:
        """Archive a property: it can be neither read nor written any more."""
        definition = self.get(name)
        if definition["hubspotDefined"]:
            raise errors.invalid(f"Property '{name}' is HubSpot defined and can't be archived.")
        del self._live[name], self.checks[name], self._writable[name]
        self._archived[name] = {**definition, "archived": True, "archivedAt": at}

    def groups(self) -> list[dict[str, object]]:
        """Return all groups."""
        return list(self._groups.values())

    def group(self, name: str) -> dict[str, object]:
        """Return one group, or raise the 404."""
        if name not in self._groups:
            raise errors.not_found()
        return self._groups[name]

    def create_group(self, body: Mapping[str, object]) -> dict[str, object]:
        """Add a group."""
        name, label = body.get("name"), body.get("label")
        if not isinstance(name, str) or not isinstance(label, str) or not _NAME.fullmatch(name):
            raise errors.invalid_json("Some required fields were not set: [name, label]")
        if name in self._groups:
            raise errors.group_exists(name)
        self._groups[name] = _group(name, label, body.get("displayOrder", -1))
        return self._groups[name]

    def change_group(self, name: str, body: Mapping[str, object]) -> dict[str, object]:
        """Change label or order of a group."""
        changes = {field: body[field] for field in ("label", "displayOrder") if field in body}
        self._groups[name] = {**self.group(name), **changes}
        return self._groups[name]

    def archive_group(self, name: str) -> None:
        """Remove a group that holds no property."""
        self.group(name)
        if any(definition["groupName"] == name for definition in self._live.values()):
            raise errors.invalid(f"Property group '{name}' still holds properties.")
        del self._groups[name]

    def _check(self, definition: Definition) -> None:
        kind, field_type = str(definition["type"]), definition["fieldType"]
        if kind not in _FIELD_TYPES:
            raise errors.invalid_json(f"Cannot deserialize value of type `{kind}`")
        if field_type not in _FIELD_TYPES[kind]:
            raise errors.invalid(f"fieldType '{field_type}' doesn't go with type '{kind}'.")
        if definition["groupName"] not in self._groups:
            raise errors.invalid(f"Property group '{definition['groupName']}' does not exist.")
        if definition["options"] and kind not in ("enumeration", "bool"):
            raise errors.invalid(f"Options aren't allowed for type '{kind}'.")

    def _keep(self, definition: Definition) -> None:
        name = str(definition["name"])
        options = definition["options"]
        values = [str(option["value"]) for option in options] if isinstance(options, list) else []
        self._live[name] = definition
        self.checks[name] = check_for(definition, dict.fromkeys(values))
        modification = definition["modificationMetadata"]
        if isinstance(modification, dict) and modification["readOnlyValue"]:
            self.read_only.add(name)
        else:
            self._writable[name] = self.checks[name]


def _options(given: object) -> list[dict[str, object]]:
    """Return checked options. Source: openapi properties.2026-09, OptionInput."""
    if not isinstance(given, list):
        raise errors.invalid_json("options must be an array")
    options: list[dict[str, object]] = []
    seen: set[str] = set()
    for order, option in enumerate(given):
        if not isinstance(option, dict):
            raise errors.invalid_json("option must be an object")
        label, value = option.get("label"), option.get("value")
        hidden = option.get("hidden", False)
        if not (isinstance(label, str) and label and isinstance(value, str) and value):
            raise errors.invalid("Property options need a label and a value.")
        if value in seen:
            raise errors.invalid(f"Property option values must be unique: '{value}'.")
        seen.add(value)
        options.append(
            {
                "label": label,
                "value": value,
                "displayOrder": option.get("displayOrder", order),
                "hidden": bool(hidden),
            }
        )
    return options


def _problem(name: str, message: str, code: str) -> dict[str, object]:
    return {"isValid": False, "message": message, "error": code, "name": name}


def _group(name: str, label: str, order: object) -> dict[str, object]:
    return {"archived": False, "name": name, "label": label, "displayOrder": order}
