"""Files of Salesforce's Metadata API, one function a kind: what each must say, as XML.

The order of the parts is that of the Metadata API's WSDL, version 63.0, and the tests check each
file against it. Source: Metadata API guide; reference salesforce.md section 5.1.
"""

from collections.abc import Collection, Sequence
from xml.sax.saxutils import escape

from integrations.outputs import OutputKind

API_VERSION = "63.0"
_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"

#: A part of a file: its name, and a value or parts of its own.
Part = tuple[str, "str | bool | int | Sequence[Part]"]

#: The permission of our own user: what it changed does not come back to us.
INTEGRATION = "Leadscore_Integration"
#: The longest that Salesforce takes (Object Reference, long text area).
LONG_TEXT = 32_768
VISIBLE_LINES = 8
MODEL_LENGTH = 80


def document(root: str, parts: Sequence[Part]) -> str:
    """Return the file of a component.

    >>> print(document("Flow", [("label", "A & B"), ("start", [("object", "Lead")])]), end="")
    <?xml version="1.0" encoding="UTF-8"?>
    <Flow xmlns="http://soap.sforce.com/2006/04/metadata">
        <label>A &amp; B</label>
        <start>
            <object>Lead</object>
        </start>
    </Flow>
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<{root} xmlns="{_NAMESPACE}">']
    _write(lines, parts, "    ")
    return "\n".join([*lines, f"</{root}>", ""])


def _write(lines: list[str], parts: Sequence[Part], indent: str) -> None:
    for name, value in parts:
        if isinstance(value, bool):
            lines.append(f"{indent}<{name}>{str(value).lower()}</{name}>")
        elif isinstance(value, str | int):
            lines.append(f"{indent}<{name}>{escape(str(value))}</{name}>")
        else:
            lines.append(f"{indent}<{name}>")
            _write(lines, value, indent + "    ")
            lines.append(f"{indent}</{name}>")


def score_field(name: str, meaning: str, kind: OutputKind) -> str:
    """Return the field `name` that holds `meaning`.

    A score about a person's care can be health information, so all but the model's name is
    marked as such.
    """
    marked = meaning != "model"
    parts: list[Part] = [("fullName", name)]
    if marked:
        parts.append(("complianceGroup", "HIPAA;PII"))
    parts += [
        ("description", "Written by leadscore."),
        ("externalId", False),
        ("inlineHelpText", "Written by leadscore: what is typed here is replaced."),
        ("label", kind.label),
    ]
    match kind.kind:
        case "number":
            typed: list[Part] = [("precision", 3), ("required", False), ("scale", 0)]
            end: list[Part] = [("type", "Number"), ("unique", False)]
        case "choice":
            typed, end = [("required", False)], [("type", "Picklist"), _values(kind.options)]
        case "datetime":
            typed, end = [("required", False)], [("type", "DateTime")]
        case _ if meaning == "reasons":
            typed = [("length", LONG_TEXT)]
            end = [("type", "LongTextArea"), ("visibleLines", VISIBLE_LINES)]
        case _:
            typed = [("length", MODEL_LENGTH), ("required", False)]
            end = [("type", "Text"), ("unique", False)]
    if marked:
        typed.append(("securityClassification", "Confidential"))
    return document("CustomField", [*parts, *typed, *end])


def _values(options: Sequence[str]) -> Part:
    values: list[Part] = [
        (
            "value",
            [
                ("fullName", each),
                ("default", False),
                ("label", each.replace("_", " ").capitalize()),
            ],
        )
        for each in options
    ]
    return (
        "valueSet",
        [("restricted", True), ("valueSetDefinition", [("sorted", False), *values])],
    )


def list_view(
    name: str, label: str, columns: Sequence[str], filters: Sequence[tuple[str, str, str]]
) -> str:
    """Return a list view of all records; `filters` are field, operation and value."""
    return document(
        "ListView",
        [
            ("fullName", name),
            *(("columns", each) for each in columns),
            ("filterScope", "Everything"),
            *(
                ("filters", [("field", field), ("operation", operation), ("value", value)])
                for field, operation, value in filters
            ),
            ("label", label),
        ],
    )


def fields_granted(names: Collection[str], *, editable: bool) -> list[Part]:
    """Return the grants of fields, each as `Object.Field`."""
    return [
        (
            "fieldPermissions",
            [("editable", editable), ("field", name), ("readable", True)],
        )
        for name in sorted(names)
    ]


def object_granted(
    name: str, *, edit: bool = False, create: bool = False, view_all: bool = False
) -> Part:
    """Return the grant of an object: always to read."""
    return (
        "objectPermissions",
        [
            ("allowCreate", create),
            ("allowDelete", False),
            ("allowEdit", edit),
            ("allowRead", True),
            ("modifyAllRecords", False),
            ("object", name),
            ("viewAllRecords", view_all),
        ],
    )


def permission_set(
    label: str,
    description: str,
    *,
    before: Sequence[Part] = (),
    after: Sequence[Part] = (),
    objects: Sequence[Part] = (),
    user: Sequence[Part] = (),
) -> str:
    """Return a permission set.

    Args:
        label: Its name for people.
        description: Whom it is for.
        before: Grants that the WSDL has before the description: classes, custom permissions.
        after: Those after it: credentials, fields.
        objects: Grants of objects.
        user: Grants of user permissions.
    """
    return document(
        "PermissionSet",
        [
            *before,
            ("description", description),
            *after,
            ("hasActivationRequired", False),
            ("label", label),
            *objects,
            *user,
        ],
    )


def outbound_message(name: str, object_type: str, *, url: str, user: str) -> str:
    """Return an object's workflow file with one outbound message that sends the id alone."""
    return document(
        "Workflow",
        [
            (
                "outboundMessages",
                [
                    ("fullName", name),
                    ("apiVersion", API_VERSION),
                    ("description", f"Tells leadscore which {object_type} changed: its id only."),
                    ("endpointUrl", url),
                    ("fields", "Id"),
                    ("includeSessionId", False),
                    ("integrationUser", user),
                    ("name", name.replace("_", " ")),
                    ("protected", False),
                    ("useDeadLetterQueue", False),
                ],
            )
        ],
    )
