"""Files of Salesforce's Metadata API, one function a kind: what each must say, as XML.

The order of the parts is that of the Metadata API's WSDL, version 63.0, and the tests check each
file against it. Source: Metadata API guide; reference salesforce.md section 5.1.
"""

from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import escape

from integrations.outputs import OutputKind

API_VERSION = "63.0"
_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"

#: A part of a file: its name, and a value or parts of its own.
Part = tuple[str, "str | bool | int | Sequence[Part]"]

#: The permission of our own user: what it changed does not come back to us.
INTEGRATION = "Leadscore_Integration"
CHANGE_EVENT = "Leadscore_Change__e"
#: Where the fault of a step ends: a message that cannot be sent never keeps a user from saving.
_NOT_SENT = "Not_Sent"

#: The longest that Salesforce takes (Object Reference, long text area).
_LONG_TEXT = 32_768
_MODEL_LENGTH = 80


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
            typed = [("length", _LONG_TEXT)]
            end = [("type", "LongTextArea"), ("visibleLines", 6)]
        case _:
            typed = [("length", _MODEL_LENGTH), ("required", False)]
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


def message_flow(name: str, object_type: str, *, entry: str, message: str) -> str:
    """Return the Flow that sends an outbound message when `entry` holds."""
    action: Part = (
        "actionCalls",
        [
            *_placed("Send_Message", 176, 323),
            ("actionName", f"{object_type}.{message}"),
            ("actionType", "outboundMessage"),
            ("faultConnector", [("targetReference", _NOT_SENT)]),
            ("flowTransactionModel", "CurrentTransaction"),
            ("nameSegment", f"{object_type}.{message}"),
        ],
    )
    return _flow(
        name,
        first=[action],
        step="Send_Message",
        object_type=object_type,
        entry=entry,
        trigger=("CreateAndUpdate", "RecordAfterSave"),
    )


def event_flow(
    name: str,
    object_type: str,
    *,
    entry: str,
    values: Mapping[str, Part],
    formulas: Mapping[str, str],
    is_deletion: bool = False,
) -> str:
    """Return the Flow that publishes a change event when `entry` holds.

    Args:
        name: Of the Flow.
        object_type: Whose records start it.
        entry: The formula that lets a record in.
        values: Field of the event -> where its value comes from.
        formulas: Name -> formula that gives a text, for `values` to refer to.
        is_deletion: It runs before a record is deleted, and not after it was saved.
    """
    assignments: list[Part] = [
        ("inputAssignments", [("field", field), ("value", [value])])
        for field, value in values.items()
    ]
    create: Part = (
        "recordCreates",
        [
            *_placed("Publish_Change", 176, 323),
            ("faultConnector", [("targetReference", _NOT_SENT)]),
            *assignments,
            ("object", CHANGE_EVENT),
        ],
    )
    return _flow(
        name,
        formulas=[
            ("formulas", [("name", key), ("dataType", "String"), ("expression", text)])
            for key, text in formulas.items()
        ],
        later=[create],
        step="Publish_Change",
        object_type=object_type,
        entry=entry,
        trigger=("Delete", "RecordBeforeDelete")
        if is_deletion
        else ("CreateAndUpdate", "RecordAfterSave"),
    )


def _placed(name: str, x: int, y: int) -> list[Part]:
    return [
        ("name", name),
        ("label", name.replace("_", " ")),
        ("locationX", x),
        ("locationY", y),
    ]


def _flow(
    name: str,
    *,
    step: str,
    object_type: str,
    entry: str,
    trigger: tuple[str, str],
    first: Sequence[Part] = (),
    formulas: Sequence[Part] = (),
    later: Sequence[Part] = (),
) -> str:
    words = name.replace("_", " ")
    kept: Part = (
        "assignments",
        [
            *_placed(_NOT_SENT, 440, 431),
            (
                "assignmentItems",
                [
                    ("assignToReference", "isNotSent"),
                    ("operator", "Assign"),
                    ("value", [("booleanValue", True)]),
                ],
            ),
        ],
    )
    record_trigger, trigger_type = trigger
    return document(
        "Flow",
        [
            *first,
            ("apiVersion", API_VERSION),
            kept,
            (
                "description",
                f"Tells leadscore of a {object_type}. A fault keeps nobody from saving.",
            ),
            ("environments", "Default"),
            *formulas,
            ("interviewLabel", f"{words} {{!$Flow.CurrentDateTime}}"),
            ("label", words),
            (
                "processMetadataValues",
                [("name", "BuilderType"), ("value", [("stringValue", "LightningFlowBuilder")])],
            ),
            ("processType", "AutoLaunchedFlow"),
            *later,
            (
                "start",
                [
                    ("locationX", 50),
                    ("locationY", 0),
                    ("connector", [("targetReference", step)]),
                    ("filterFormula", entry),
                    ("object", object_type),
                    ("recordTriggerType", record_trigger),
                    ("triggerType", trigger_type),
                ],
            ),
            ("status", "Active"),
            (
                "variables",
                [
                    ("name", "isNotSent"),
                    ("dataType", "Boolean"),
                    ("isCollection", False),
                    ("isInput", False),
                    ("isOutput", False),
                    ("value", [("booleanValue", False)]),
                ],
            ),
        ],
    )
