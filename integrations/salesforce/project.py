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
from integrations.salesforce.messages import (
    CALLOUT,
    EVENTS,
    OUTBOUND,
    PATH_TOKEN,
    USER,
    VARIABLES,
    callout,
    events,
    flow_file,
    outbound,
)
from integrations.salesforce.metadata import (
    API_VERSION,
    INTEGRATION,
    document,
    fields_granted,
    list_view,
    object_granted,
    permission_set,
    score_field,
)
from integrations.salesforce.names import ACCOUNT, on_object

BASE = "force-app/main/default"
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
#: Standard fields of a lead that others do not have. Source: Object Reference.
_ADDRESS = frozenset({"City", "Company", "Country", "PostalCode", "State", "Status", "Street"})
_FIRM = frozenset({"AnnualRevenue", "Industry", "NumberOfEmployees", "Rating", "Website"})
_LACKING: Mapping[str, frozenset[str]] = {
    "Lead": frozenset(),
    "Contact": _ADDRESS | _FIRM,
    ACCOUNT: _ADDRESS,
}
#: Columns of a list view beside the score's. Source: list views in public repositories.
_NAME_COLUMNS = {
    "Lead": ("FULL_NAME", "LEAD.PHONE", "LEAD.STATUS"),
    "Contact": ("FULL_NAME", "CONTACT.PHONE1", "ACCOUNT.NAME"),
}
_SCORE_COLUMNS = ("tier", "score", "respond_by", "reasons")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePlan:
    """What the package of one org must know."""

    url: str  #: Where Salesforce reaches our service, without a path.
    objects: Sequence[str]  #: What is scored: Lead, Contact, Account (person accounts).
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
    files |= outbound(watched, url=plan.url, user=plan.integration_user)
    files |= events(watched)
    files |= callout(url=plan.url, user=plan.integration_user)
    return Package(
        files=files,
        absent=tuple(
            name
            for each in _LACKING
            if each not in plan.objects
            for name in (
                f"{OUTBOUND}/workflows/{each}.workflow-meta.xml",
                flow_file(OUTBOUND, f"Leadscore_{each}_Changed"),
                flow_file(EVENTS, f"Leadscore_{each}_Event"),
                flow_file(EVENTS, f"Leadscore_{each}_Deleted"),
            )
        ),
        watched=watched,
        foreign=tuple(name for name in plan.written.values() if not _is_own(name)),
    )


def _is_own(name: str) -> bool:
    """Tell whether a field is a custom one of the org's own: the package can make no other."""
    return name.endswith("__c") and "__" not in name.removesuffix("__c")


def _watched(plan: PackagePlan, object_type: str) -> tuple[str, ...]:
    """Return the fields of an object, by its own names for them, whose change is told."""
    left_out = UNCHANGING.union(plan.unwatched, plan.written.values(), _LACKING[object_type])
    names = (name for name in dict.fromkeys(plan.read) if name not in left_out)
    return tuple(on_object(object_type, name) for name in names)


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

    edited = set(plan.objects)
    if ACCOUNT in edited:  # a person account is a contact, too: that is where its fields are
        edited.add("Contact")
    # A contact can be read only with its account.
    seen = edited | ({ACCOUNT} if "Contact" in edited else set())
    objects = [object_granted(each, edit=each in edited, view_all=True) for each in sorted(seen)]
    folder = f"{BASE}/permissionsets"
    files[f"{folder}/{INTEGRATION}.permissionset-meta.xml"] = permission_set(
        "Leadscore Integration",
        "For the user that leadscore logs in as: reads records, writes the score.",
        before=[("customPermissions", [("enabled", True), ("name", INTEGRATION)])],
        after=fields_granted(fields(edited - {ACCOUNT}), editable=True),
        objects=objects,
        user=[("userPermissions", [("enabled", True), ("name", "ApiEnabled")])],
    )
    files[f"{folder}/Leadscore_Viewer.permissionset-meta.xml"] = permission_set(
        "Leadscore Viewer",
        "For staff: sees the score.",
        after=fields_granted(fields(OBJECTS), editable=False),
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
