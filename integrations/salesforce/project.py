"""The package that a practice deploys to its org: its files, from practice.toml and the model.

Four folders, each deployed as wanted: `force-app` (fields, permission sets, list views, card),
`outbound` (Outbound Messages and their Flows), `events` (a platform event and the Flows that
publish it), `callout` (Apex that sends those events, signed). The files in `package/` are what
this module writes for the starter configuration, beside the sources that are the same for
everyone; docs/decisions/0026 says why. Source: reference salesforce.md sections 1.5, 2.1 and 5.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from integrations.outputs import OUTPUT_KINDS
from integrations.salesforce.metadata import (
    API_VERSION,
    CHANGE_EVENT,
    INTEGRATION,
    Part,
    document,
    event_flow,
    fields_granted,
    list_view,
    message_flow,
    object_granted,
    outbound_message,
    score_field,
)

#: What stands in the files until they are deployed: no secret lies in a folder.
PATH_TOKEN = "LEADSCORE_PATH_TOKEN"  # noqa: S105  a place for one
USER = "LEADSCORE_INTEGRATION_USER"
#: Placeholder -> variable that `sf project deploy start` puts in its place.
VARIABLES: Mapping[str, str] = {
    PATH_TOKEN: "SALESFORCE_PATH_TOKEN",
    USER: "SALESFORCE_INTEGRATION_USER",
}

BASE, OUTBOUND, EVENTS, CALLOUT = (
    f"{part}/main/default" for part in ("force-app", "outbound", "events", "callout")
)
CARD = f"{BASE}/lwc/leadScoreCard"
PRACTICE_FILE = f"{CARD}/practice.js"
#: The files that are the same for everyone.
SOURCES = (
    *(
        f"{CARD}/{name}"
        for name in (
            "leadScoreCard.css",
            "leadScoreCard.html",
            "leadScoreCard.js",
            "leadScoreCard.js-meta.xml",
            "reading.js",
        )
    ),
    *(
        f"{CALLOUT}/{name}{end}"
        for name in (
            "classes/LeadscoreNotify.cls",
            "classes/LeadscoreNotifyTest.cls",
            "triggers/LeadscoreChange.trigger",
        )
        for end in ("", "-meta.xml")
    ),
)

#: What the score's fields are made on. A converted lead lives on as a contact.
OBJECTS = ("Lead", "Contact")
#: Set once, by Salesforce: no change of them is worth watching.
UNCHANGING = frozenset({"Id", "CreatedDate", "CreatedById"})
#: Standard fields of a lead that a contact does not have. Source: Object Reference.
_LEAD_ONLY = frozenset(
    {
        "AnnualRevenue",
        "City",
        "Company",
        "Country",
        "Industry",
        "NumberOfEmployees",
        "PostalCode",
        "Rating",
        "State",
        "Status",
        "Street",
        "Website",
    }
)
#: Columns of a list view beside the score's. Source: list views in public repositories.
_NAME_COLUMNS = {
    "Lead": ("FULL_NAME", "LEAD.PHONE", "LEAD.STATUS"),
    "Contact": ("FULL_NAME", "CONTACT.PHONE1", "ACCOUNT.NAME"),
}
_SCORE_COLUMNS = ("tier", "score", "respond_by", "reasons")

_NOT_OURS = f"NOT({{!$Permission.{INTEGRATION}}})"
_ACTIVITIES: Mapping[str, str] = {
    # Only what is done counts, so only that is told: around.py reads no open task.
    "Task": "OR(AND(ISNEW(), {!$Record.IsClosed}), ISCHANGED({!$Record.Status}),"
    " ISCHANGED({!$Record.WhoId}))",
    "Event": "OR(ISNEW(), ISCHANGED({!$Record.StartDateTime}), ISCHANGED({!$Record.WhoId}))",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePlan:
    """What the package of one org must know."""

    url: str  #: Where Salesforce reaches our service, without a path.
    objects: Sequence[str]  #: What is scored, of `OBJECTS`.
    read: Sequence[str]  #: Fields of the field map.
    written: Mapping[str, str]  #: Meaning -> field that we write.
    caps: Mapping[str, Mapping[str, int]]  #: Name of a model -> factor -> most points.
    integration_user: str = USER
    unwatched: Collection[str] = ()  #: Fields whose change is left to the sweep.


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package's files, and what a person should know of them."""

    files: Mapping[str, str] = field(repr=False)  #: Path in the package -> text.
    absent: tuple[str, ...]  #: Files of an older package that this one must not have.
    watched: Mapping[str, tuple[str, ...]]  #: Object -> fields whose change is told.
    foreign: tuple[str, ...]  #: Fields that we write and the package does not make.


def salesforce_package(plan: PackagePlan) -> Package:
    """Return the package for `plan`; the same plan makes the same text."""
    files: dict[str, str] = {}
    source = resources.files("integrations.salesforce").joinpath("package")
    for name in SOURCES:
        files[name] = source.joinpath(name).read_text("utf-8")
    files["sfdx-project.json"] = _json(_project())
    files[".forceignore"] = "# Not a part of the deployment.\n**/__tests__/**\n**/jsconfig.json\n"
    files[PRACTICE_FILE] = _practice(plan)
    watched = {each: _watched(plan, each) for each in plan.objects}
    _add_base(files, plan)
    _add_outbound(files, plan, watched)
    _add_events(files, watched)
    _add_callout(files, plan)
    return Package(
        files=files,
        absent=tuple(
            name
            for each in OBJECTS
            if each not in plan.objects
            for name in (
                f"{OUTBOUND}/workflows/{each}.workflow-meta.xml",
                _flow(OUTBOUND, f"Leadscore_{each}_Changed"),
                _flow(EVENTS, f"Leadscore_{each}_Event"),
                _flow(EVENTS, f"Leadscore_{each}_Deleted"),
            )
        ),
        watched=watched,
        foreign=tuple(name for name in plan.written.values() if not _is_own(name)),
    )


def _is_own(name: str) -> bool:
    """Tell whether a field is a custom one of the org's own: the package can make no other."""
    return name.endswith("__c") and "__" not in name.removesuffix("__c")


def _watched(plan: PackagePlan, object_type: str) -> tuple[str, ...]:
    left_out = UNCHANGING.union(plan.unwatched, plan.written.values())
    if object_type == "Contact":
        left_out |= _LEAD_ONLY
    return tuple(name for name in dict.fromkeys(plan.read) if name not in left_out)


def _project() -> dict[str, Any]:
    paths = {
        f"{OUTBOUND}/workflows/*.workflow-meta.xml": (PATH_TOKEN, USER),
        f"{CALLOUT}/namedCredentials/*.namedCredential-meta.xml": (PATH_TOKEN,),
        f"{CALLOUT}/PlatformEventSubscriberConfigs/*-meta.xml": (USER,),
    }
    return {
        "packageDirectories": [
            {"path": "force-app", "default": True},
            {"path": "outbound"},
            {"path": "events"},
            {"path": "callout"},
        ],
        "name": "leadscore",
        "namespace": "",
        "sourceApiVersion": API_VERSION,
        "replacements": [
            {"glob": path, "stringToReplace": text, "replaceWithEnv": VARIABLES[text]}
            for path, texts in paths.items()
            for text in texts
        ],
    }


def _practice(plan: PackagePlan) -> str:
    """Return the card's module of what differs between practices."""
    caps = {name: dict(each) for name, each in plan.caps.items()}
    return (
        "// Written by `leadscore app salesforce`. Run it again rather than edit this file.\n"
        "\n"
        "/** What we write -> the field it stands in. */\n"
        f"export const FIELDS = Object.freeze({_json(dict(plan.written)).rstrip()});\n"
        "\n"
        "/** Name of a scoring model -> factor -> the most points it can give. */\n"
        f"export const CAPS = Object.freeze({_json(caps).rstrip()});\n"
    )


def _add_base(files: dict[str, str], plan: PackagePlan) -> None:
    for object_type in OBJECTS:
        folder = f"{BASE}/objects/{object_type}"
        for meaning, name in plan.written.items():
            if _is_own(name):
                files[f"{folder}/fields/{name}.field-meta.xml"] = score_field(
                    name, meaning, OUTPUT_KINDS[meaning]
                )
        columns = [*_NAME_COLUMNS[object_type]]
        columns[1:1] = [plan.written[meaning] for meaning in _SCORE_COLUMNS]
        for name, label, tiers in (
            ("Leadscore_Call_Now", "Call now", "hot,warm"),
            ("Leadscore_Clinical_Attention", "Clinical attention", "clinical"),
        ):
            files[f"{folder}/listViews/{name}.listView-meta.xml"] = list_view(
                name, label, columns, [(plan.written["tier"], "equals", tiers)]
            )
    files[f"{BASE}/customPermissions/{INTEGRATION}.customPermission-meta.xml"] = document(
        "CustomPermission",
        [
            ("description", "Changes by who has it are not told to leadscore."),
            ("isLicensed", False),
            ("label", "Leadscore Integration"),
        ],
    )
    _add_permission_sets(files, plan)


def _add_permission_sets(files: dict[str, str], plan: PackagePlan) -> None:
    def fields(objects: Collection[str]) -> list[str]:
        return [f"{each}.{name}" for each in objects for name in plan.written.values()]

    objects = [object_granted(each, edit=True, view_all=True) for each in sorted(plan.objects)]
    if "Contact" in plan.objects:  # a contact can be read only with its account
        objects.insert(0, object_granted("Account", view_all=True))
    _add_permission_set(
        files,
        BASE,
        INTEGRATION,
        before=[("customPermissions", [("enabled", True), ("name", INTEGRATION)])],
        description="For the user that leadscore logs in as: reads records, writes the score.",
        after=fields_granted(fields(plan.objects), editable=True),
        objects=objects,
        user=[("userPermissions", [("enabled", True), ("name", "ApiEnabled")])],
    )
    _add_permission_set(
        files,
        BASE,
        "Leadscore_Viewer",
        description="For staff: sees the score.",
        after=fields_granted(fields(OBJECTS), editable=False),
    )


def _add_permission_set(
    files: dict[str, str],
    folder: str,
    name: str,
    *,
    description: str,
    before: Sequence[Part] = (),
    after: Sequence[Part] = (),
    objects: Sequence[Part] = (),
    user: Sequence[Part] = (),
) -> None:
    files[f"{folder}/permissionsets/{name}.permissionset-meta.xml"] = document(
        "PermissionSet",
        [
            *before,
            ("description", description),
            *after,
            ("hasActivationRequired", False),
            ("label", name.replace("_", " ")),
            *objects,
            *user,
        ],
    )


def _entry(fields: Sequence[str]) -> str:
    """Return the formula that is true for a new record, and when one of `fields` changed.

    >>> _entry(["Status"])
    'AND(NOT({!$Permission.Leadscore_Integration}), OR(ISNEW(), ISCHANGED({!$Record.Status})))'
    """
    changes = [f"ISCHANGED({{!$Record.{name}}})" for name in fields]
    return f"AND({_NOT_OURS}, OR({', '.join(['ISNEW()', *changes])}))"


def _of_person(object_type: str) -> str:
    """Return the formula for an activity: one that counts, and that is with a person."""
    return f"AND({_NOT_OURS}, NOT(ISBLANK({{!$Record.WhoId}})), {_ACTIVITIES[object_type]})"


def _flow(folder: str, name: str) -> str:
    return f"{folder}/flows/{name}.flow-meta.xml"


def _add_outbound(
    files: dict[str, str], plan: PackagePlan, watched: Mapping[str, Sequence[str]]
) -> None:
    entries = {each: _entry(fields) for each, fields in watched.items()}
    # Whether an Event can send an outbound message is not documented: its Flow is among `events`.
    entries["Task"] = _of_person("Task")
    for object_type, entry in entries.items():
        name = f"Leadscore_{object_type}_Changed"
        files[f"{OUTBOUND}/workflows/{object_type}.workflow-meta.xml"] = outbound_message(
            name,
            object_type,
            url=f"{plan.url}/webhooks/salesforce/{PATH_TOKEN}",
            user=plan.integration_user,
        )
        files[_flow(OUTBOUND, name)] = message_flow(name, object_type, entry=entry, message=name)


def _add_events(files: dict[str, str], watched: Mapping[str, Sequence[str]]) -> None:
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
        files[_flow(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_entry(fields),
            values={**own, "Cause__c": ("elementReference", "Cause")},
            formulas=cause,
        )
        name = f"Leadscore_{object_type}_Deleted"
        files[_flow(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_NOT_OURS,
            values={**own, "Cause__c": ("stringValue", "deleted")},
            formulas={},
            is_deletion=True,
        )
    # An activity is told as a change of the person it is with.
    who = {"Who": 'IF(BEGINS({!$Record.WhoId}, "00Q"), "Lead", "Contact")'}
    for object_type in _ACTIVITIES:
        name = f"Leadscore_{object_type}_Event"
        files[_flow(EVENTS, name)] = event_flow(
            name,
            object_type,
            entry=_of_person(object_type),
            values={
                **_event_values(("elementReference", "Who"), "WhoId"),
                "Cause__c": ("stringValue", "changed"),
            },
            formulas=who,
        )
    _add_permission_set(
        files,
        EVENTS,
        "Leadscore_Events",
        description="For the user that fetches changes by the Pub/Sub API.",
        objects=[object_granted(CHANGE_EVENT, create=True)],
    )


def _event_values(object_type: Part, record: str) -> dict[str, Part]:
    return {"Object__c": object_type, "Record_Id__c": ("elementReference", f"$Record.{record}")}


def _add_callout(files: dict[str, str], plan: PackagePlan) -> None:
    url = f"{plan.url}/webhooks/salesforce-event/{PATH_TOKEN}"
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
                [("parameterName", "Url"), ("parameterType", "Url"), ("parameterValue", url)],
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
            ("user", plan.integration_user),
        ],
    )
    _add_permission_set(
        files,
        CALLOUT,
        "Leadscore_Callout",
        before=[("classAccesses", [("apexClass", "LeadscoreNotify"), ("enabled", True)])],
        description="For the user that LeadscoreChange runs as: may use the named credential.",
        after=[
            (
                "externalCredentialPrincipalAccesses",
                [("enabled", True), ("externalCredentialPrincipal", "Leadscore-Leadscore")],
            )
        ],
        objects=[object_granted("UserExternalCredential")],
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
