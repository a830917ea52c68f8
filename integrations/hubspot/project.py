"""The app project that a practice uploads to HubSpot: its files, from practice.toml and the model.

Source: reference hubspot.md sections 2.3, 2.4, 4.2 and 5. The files in `app/` are what this module
writes for the starter configuration, beside the card's own source; docs/decisions/0025 says why.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from integrations.hubspot.consent import (
    EMAIL_SCOPE,
    NEEDED_SCOPES,
    OPTIONAL_SCOPES,
    SENSITIVE_SCOPES,
)

#: The newest version that the vendor's tools call supported (project-parsing-lib 0.23.0).
PLATFORM_VERSION = "2026.03"

APP_FILE = "src/app/app-hsmeta.json"
WEBHOOKS_FILE = "src/app/webhooks/webhooks-hsmeta.json"
CARDS = "src/app/cards"
PRACTICE_FILE = f"{CARDS}/practice.ts"
#: The files of the card that are the same for everyone.
CARD_SOURCES = ("score-card-hsmeta.json", "ScoreCard.tsx", "reading.ts", "package.json")

#: Contacts are heard of in the classic form, and in no other: each event would come twice.
CONTACT_EVENTS = ("creation", "deletion", "merge", "restore", "associationChange")
#: HubSpot sends no change of these (section 2.3).
NOT_SUBSCRIBABLE = frozenset({"num_unique_conversion_events", "hs_lastmodifieddate"})
#: Type of an activity -> the property whose change we must hear of, where there is one.
ACTIVITY_CHANGES: Mapping[str, str | None] = {
    "call": "hs_call_disposition",
    "email": "hs_email_status",
    "meeting": "hs_meeting_outcome",
    "communication": None,
    "note": None,
}
#: More than five (section 2.1); ten is HubSpot's own number.
CONCURRENT_REQUESTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlan:
    """What the app of one portal must know."""

    webhook_url: str  #: Empty: no webhooks, the events are fetched from the journal.
    read: Sequence[str]  #: Contact properties of the field map.
    written: Mapping[str, str]  #: Meaning -> contact property that we write.
    activity_types: Collection[str]  #: Types of activities that are read.
    caps: Mapping[str, Mapping[str, int]]  #: Name of a model -> factor -> most points.
    redirect_url: str = ""  #: Of an OAuth app; empty: a static one.
    writes_sensitive: bool = False  #: Some of `written` are Sensitive Data.
    support_email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProject:
    """A project's files, and what a person should know of them."""

    files: Mapping[str, str] = field(repr=False)  #: Path in the project -> text.
    subscriptions: Sequence[str]  #: In words, as `contact.propertyChange message`.
    scopes: tuple[str, ...]
    absent: tuple[str, ...]  #: Files of an older project that this one must not have.
    left_out: tuple[str, ...]  #: Mapped properties whose changes HubSpot does not send.


def app_project(plan: AppPlan) -> AppProject:
    """Return the project for `plan`; the same plan makes the same text."""
    changes = [name for name in dict.fromkeys(plan.read) if name not in plan.written.values()]
    subscribed = [name for name in changes if name not in NOT_SUBSCRIBABLE]
    files = {
        "hsproject.json": _json(
            {"name": "lead-score", "srcDir": "src", "platformVersion": PLATFORM_VERSION}
        ),
        APP_FILE: _json(_app(plan)),
        PRACTICE_FILE: _practice(plan),
    }
    source = resources.files("integrations.hubspot").joinpath("app")
    for name in CARD_SOURCES:
        files[f"{CARDS}/{name}"] = source.joinpath(CARDS, name).read_text("utf-8")
    subscriptions: Mapping[str, Sequence[Any]] = {}
    if plan.webhook_url:
        webhooks = _webhooks(plan, subscribed)
        files[WEBHOOKS_FILE] = _json(webhooks)
        subscriptions = webhooks["config"]["subscriptions"]
    return AppProject(
        files=files,
        subscriptions=[_in_words(each) for part in subscriptions.values() for each in part],
        scopes=tuple(_scopes(plan)[0]),
        absent=() if plan.webhook_url else (WEBHOOKS_FILE,),
        left_out=tuple(name for name in changes if name in NOT_SUBSCRIBABLE),
    )


def _scopes(plan: AppPlan) -> tuple[list[str], list[str]]:
    """Return the scopes the app must have, and those that a portal's admin may leave out.

    By OAuth they are what our address of HubSpot's page asks for (`consent`), whoever installs it;
    a token of one portal has what is listed here, and no more.
    Source: reference hubspot.md sections 4.2 and 4.3.
    """
    needed, optional = list(NEEDED_SCOPES), list(OPTIONAL_SCOPES)
    if plan.writes_sensitive:
        needed += SENSITIVE_SCOPES
    if plan.redirect_url:
        return needed, optional
    unread = set() if "email" in plan.activity_types else {EMAIL_SCOPE}
    return [*needed, *(scope for scope in optional if scope not in unread)], []


def _app(plan: AppPlan) -> dict[str, Any]:
    auth: dict[str, Any] = {"type": "oauth" if plan.redirect_url else "static"}
    if plan.redirect_url:
        auth["redirectUrls"] = [plan.redirect_url]
    auth["requiredScopes"], auth["optionalScopes"] = _scopes(plan)
    auth["conditionallyRequiredScopes"] = []
    config: dict[str, Any] = {
        "name": "Lead score",
        "description": "Scores inquiries for how likely they are to book, and says by when to call.",
        "distribution": "private",
        "auth": auth,
        # The card reads properties of its own record; it fetches nothing from anywhere.
        "permittedUrls": {"fetch": [], "iframe": [], "img": []},
    }
    if plan.support_email:
        config["support"] = {"supportEmail": plan.support_email}
    return {"uid": "leadscore_app", "type": "app", "config": config}


def _webhooks(plan: AppPlan, properties: Iterable[str]) -> dict[str, Any]:
    activities: list[dict[str, Any]] = []
    for kind in sorted(plan.activity_types):
        activities.append(_generic("creation", kind))
        changed = ACTIVITY_CHANGES[kind]
        if changed:
            activities.append({**_generic("propertyChange", kind), "propertyName": changed})
    contacts: list[dict[str, Any]] = [
        {"subscriptionType": f"contact.{event}", "active": True} for event in CONTACT_EVENTS
    ]
    contacts += [
        {"subscriptionType": "contact.propertyChange", "propertyName": name, "active": True}
        for name in properties
    ]
    return {
        "uid": "leadscore_webhooks",
        "type": "webhooks",
        "config": {
            "settings": {
                "targetUrl": plan.webhook_url,
                "maxConcurrentRequests": CONCURRENT_REQUESTS,
            },
            "subscriptions": {
                "crmObjects": activities,
                "legacyCrmObjects": contacts,
                "hubEvents": [{"subscriptionType": "contact.privacyDeletion", "active": True}],
            },
        },
    }


def _in_words(subscription: Mapping[str, Any]) -> str:
    parts = (subscription.get(name) for name in ("subscriptionType", "objectType", "propertyName"))
    return " ".join(part for part in parts if part)


def _generic(event: str, object_type: str) -> dict[str, Any]:
    return {"subscriptionType": f"object.{event}", "objectType": object_type, "active": True}


def _practice(plan: AppPlan) -> str:
    """Return the card's module of what differs between practices."""
    return (
        "// Written by `leadscore app hubspot`. Run it again rather than edit this file.\n"
        "\n"
        "/** What we write -> the contact property it stands in. */\n"
        f"export const PROPERTIES = {_json(dict(plan.written)).rstrip()} as const;\n"
        "\n"
        "/** Name of a scoring model -> factor -> the most points it can give. */\n"
        "export const CAPS: Readonly<Record<string, Readonly<Record<string, number>>>> = "
        f"{_json({name: dict(caps) for name, caps in plan.caps.items()}).rstrip()};\n"
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
