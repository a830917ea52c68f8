"""Record-triggered Flows: what starts them, the one step they take, and where its fault ends.

Source: Metadata API guide, "Flow"; reference salesforce.md sections 1.5 and 5.1.
"""

from collections.abc import Mapping, Sequence

from integrations.salesforce.metadata import API_VERSION, Part, document

CHANGE_EVENT = "Leadscore_Change__e"
#: Where the fault of a step ends: a message that cannot be sent never keeps a user from saving.
_NOT_SENT = "Not_Sent"


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
