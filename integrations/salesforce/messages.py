"""How an org tells us of changes: the package's Outbound Messages, events and callout.

Ids only, whichever way. Source: reference salesforce.md sections 1.5, 2.1 and 5.1.
"""

from collections.abc import Mapping, Sequence

from integrations.salesforce.flows import CHANGE_EVENT, event_flow, message_flow
from integrations.salesforce.metadata import (
    INTEGRATION,
    Part,
    document,
    object_granted,
    outbound_message,
    permission_set,
)
from integrations.salesforce.names import ACCOUNT

#: What stands in the files until they are deployed: no secret lies in a folder.
PATH_TOKEN = "LEADSCORE_PATH_TOKEN"  # noqa: S105  a place for one
USER = "LEADSCORE_INTEGRATION_USER"
#: Placeholder -> variable that `sf project deploy start` puts in its place.
VARIABLES: Mapping[str, str] = {
    PATH_TOKEN: "SALESFORCE_PATH_TOKEN",
    USER: "SALESFORCE_INTEGRATION_USER",
}

OUTBOUND, EVENTS, CALLOUT = (f"{part}/main/default" for part in ("outbound", "events", "callout"))
_NOT_OURS = f"NOT({{!$Permission.{INTEGRATION}}})"
_ACTIVITIES: Mapping[str, str] = {
    # Only what is done counts, so only that is told: around.py reads no open task.
    "Task": "OR(AND(ISNEW(), {!$Record.IsClosed}), ISCHANGED({!$Record.Status}),"
    " ISCHANGED({!$Record.WhoId}))",
    "Event": "OR(ISNEW(), ISCHANGED({!$Record.StartDateTime}), ISCHANGED({!$Record.WhoId}))",
}


def _entry(object_type: str, *changes: str) -> str:
    """Return the formula for a record that we score and did not write ourselves.

    >>> _entry("Account", "ISNEW()")
    'AND(NOT({!$Permission.Leadscore_Integration}), {!$Record.IsPersonAccount}, OR(ISNEW()))'
    >>> _entry("Lead")
    'NOT({!$Permission.Leadscore_Integration})'
    """
    asked = [_NOT_OURS]
    if object_type == ACCOUNT:  # orgs without person accounts do not have the field
        asked.append("{!$Record.IsPersonAccount}")
    if changes:
        asked.append(f"OR({', '.join(changes)})")
    return f"AND({', '.join(asked)})" if len(asked) > 1 else asked[0]


def _changed(object_type: str, fields: Sequence[str]) -> str:
    """Return the formula for a new record, or one where one of `fields` changed."""
    return _entry(object_type, "ISNEW()", *(f"ISCHANGED({{!$Record.{each}}})" for each in fields))


def _of_person(object_type: str) -> str:
    """Return the formula for an activity: one that counts, and that is with a person."""
    return f"AND({_NOT_OURS}, NOT(ISBLANK({{!$Record.WhoId}})), {_ACTIVITIES[object_type]})"


def flow_file(folder: str, name: str) -> str:
    """Return the path of a Flow."""
    return f"{folder}/flows/{name}.flow-meta.xml"


def outbound(watched: Mapping[str, Sequence[str]], *, url: str, user: str) -> dict[str, str]:
    """Return the files of the Outbound Messages and the Flows that send them.

    Args:
        watched: Object -> fields whose change is told.
        url: Where Salesforce reaches our service, without a path.
        user: The integration user.
    """
    files: dict[str, str] = {}
    entries = {each: _changed(each, fields) for each, fields in watched.items()}
    # Whether an Event can send an outbound message is not documented: its Flow is among `events`.
    entries["Task"] = _of_person("Task")
    for object_type, entry in entries.items():
        name = f"Leadscore_{object_type}_Changed"
        files[f"{OUTBOUND}/workflows/{object_type}.workflow-meta.xml"] = outbound_message(
            name,
            object_type,
            url=f"{url}/webhooks/salesforce/{PATH_TOKEN}",
            user=user,
        )
        files[flow_file(OUTBOUND, name)] = message_flow(
            name, object_type, entry=entry, message=name
        )
    return files


def events(watched: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the files of the change event and of the Flows that publish it."""
    files: dict[str, str] = {}
    folder = f"{EVENTS}/objects/{CHANGE_EVENT}"
    files[f"{folder}/{CHANGE_EVENT}.object-meta.xml"] = document(
        "CustomObject",
        [
            ("deploymentStatus", "Deployed"),
            ("description", "A record changed that leadscore scores. Ids only."),
            ("eventType", "HighVolume"),
            ("label", "Leadscore Change"),
            ("pluralLabel", "Leadscore Changes"),
            ("publishBehavior", "PublishAfterCommit"),
        ],
    )
    for name, length in (("Object__c", 40), ("Record_Id__c", 18), ("Cause__c", 10)):
        files[f"{folder}/fields/{name}.field-meta.xml"] = document(
            "CustomField",
            [
                ("fullName", name),
                ("externalId", False),
                ("label", name.removesuffix("__c").replace("_", " ")),
                ("length", length),
                ("required", True),
                ("type", "Text"),
                ("unique", False),
            ],
        )
    cause = {"Cause": 'IF(ISBLANK({!$Record__Prior.Id}), "created", "changed")'}
    for object_type, fields in watched.items():
        own = _event_values(("stringValue", object_type), "Id")
        name = f"Leadscore_{object_type}_Event"
        files[flow_file(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_changed(object_type, fields),
            values={**own, "Cause__c": ("elementReference", "Cause")},
            formulas=cause,
        )
        name = f"Leadscore_{object_type}_Deleted"
        files[flow_file(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_entry(object_type),
            values={**own, "Cause__c": ("stringValue", "deleted")},
            formulas={},
            is_deletion=True,
        )
    # An activity is told as a change of the person it is with.
    who = {"Who": 'IF(BEGINS({!$Record.WhoId}, "00Q"), "Lead", "Contact")'}
    for object_type in _ACTIVITIES:
        name = f"Leadscore_{object_type}_Event"
        files[flow_file(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_of_person(object_type),
            values={
                **_event_values(("elementReference", "Who"), "WhoId"),
                "Cause__c": ("stringValue", "changed"),
            },
            formulas=who,
        )
    files[f"{EVENTS}/permissionsets/Leadscore_Events.permissionset-meta.xml"] = permission_set(
        "Leadscore Events",
        "For the user that fetches changes by the Pub/Sub API.",
        objects=[object_granted(CHANGE_EVENT, create=True)],
    )
    return files


def _event_values(object_type: Part, record: str) -> dict[str, Part]:
    return {"Object__c": object_type, "Record_Id__c": ("elementReference", f"$Record.{record}")}


def callout(*, url: str, user: str) -> dict[str, str]:
    """Return the files that the Apex of the callout needs, beside itself; see `outbound`."""
    files: dict[str, str] = {}
    address = f"{url}/webhooks/salesforce-event/{PATH_TOKEN}"
    files[f"{CALLOUT}/namedCredentials/Leadscore.namedCredential-meta.xml"] = document(
        "NamedCredential",
        [
            ("allowMergeFieldsInBody", False),
            ("allowMergeFieldsInHeader", False),
            ("calloutStatus", "Enabled"),
            ("generateAuthorizationHeader", False),
            ("label", "Leadscore"),
            (
                "namedCredentialParameters",
                [("parameterName", "Url"), ("parameterType", "Url"), ("parameterValue", address)],
            ),
            (
                "namedCredentialParameters",
                [
                    ("externalCredential", "Leadscore"),
                    ("parameterName", "ExternalCredential"),
                    ("parameterType", "Authentication"),
                ],
            ),
            ("namedCredentialType", "SecuredEndpoint"),
        ],
    )
    files[f"{CALLOUT}/externalCredentials/Leadscore.externalCredential-meta.xml"] = document(
        "ExternalCredential",
        [
            ("authenticationProtocol", "Custom"),
            (
                "externalCredentialParameters",
                [
                    ("parameterGroup", "Leadscore"),
                    ("parameterName", "Leadscore"),
                    ("parameterType", "NamedPrincipal"),
                    ("sequenceNumber", 1),
                ],
            ),
            ("label", "Leadscore"),
        ],
    )
    folder = f"{CALLOUT}/objects/Leadscore_Setting__mdt"
    files[f"{folder}/Leadscore_Setting__mdt.object-meta.xml"] = document(
        "CustomObject",
        [
            ("description", "The secret that signs what LeadscoreNotify sends."),
            ("label", "Leadscore Setting"),
            ("pluralLabel", "Leadscore Settings"),
            ("visibility", "Protected"),
        ],
    )
    files[f"{folder}/fields/Secret__c.field-meta.xml"] = document(
        "CustomField",
        [
            ("fullName", "Secret__c"),
            ("externalId", False),
            ("fieldManageability", "SubscriberControlled"),
            ("label", "Secret"),
            ("length", 255),
            ("required", False),
            ("type", "Text"),
            ("unique", False),
        ],
    )
    config = f"{CALLOUT}/PlatformEventSubscriberConfigs/Leadscore_Change"
    files[f"{config}.platformEventSubscriberConfig-meta.xml"] = document(
        "PlatformEventSubscriberConfig",
        [
            ("batchSize", 200),
            ("masterLabel", "Leadscore Change"),
            ("platformEventConsumer", "LeadscoreChange"),
            ("user", user),
        ],
    )
    files[f"{CALLOUT}/permissionsets/Leadscore_Callout.permissionset-meta.xml"] = permission_set(
        "Leadscore Callout",
        "For the user that LeadscoreChange runs as: may use the named credential.",
        before=[("classAccesses", [("apexClass", "LeadscoreNotify"), ("enabled", True)])],
        after=[
            (
                "externalCredentialPrincipalAccesses",
                [("enabled", True), ("externalCredentialPrincipal", "Leadscore-Leadscore")],
            )
        ],
        objects=[object_granted("UserExternalCredential")],
    )
    return files
