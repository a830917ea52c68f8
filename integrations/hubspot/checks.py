"""What `leadscore doctor` asks a portal, one finding each, with what to do.

Every call reads, or names no record. Source: reference hubspot.md sections 2 to 5.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from integrations.base import Finding
from integrations.errors import AccessError, CrmError, PermanentCrmError
from integrations.http import crm_errors, guarded_session
from integrations.hubspot import wire
from integrations.hubspot.consent import SENSITIVE_SCOPES
from integrations.hubspot.setup import (
    PLAIN,
    SENSITIVE,
    Definition,
    HubSpotSetup,
    Probe,
    fault_of,
    lacking_options,
)
from integrations.hubspot.vendor import Answer, VendorClient
from integrations.outputs import OUTPUT_KINDS

#: A signature of version 3 holds for five minutes (section 3): a minute leaves room for the way.
CLOCK_LIMIT = timedelta(seconds=60)
RECEIVER_PATH = "/webhooks/hubspot"

_READ, _WRITE = "crm.objects.contacts.read", "crm.objects.contacts.write"
_SCHEMAS, _EMAIL = "crm.schemas.contacts.write", "sales-email-read"
_NOTHING: Mapping[str, object] = {"inputs": []}
_NO_READ: Mapping[str, object] = {"inputs": [], "properties": [], "propertiesWithHistory": []}
_PROBES = {
    _READ: Probe(path=wire.BATCH_READ, body=_NO_READ),
    _WRITE: Probe(path=wire.BATCH_UPDATE, body=_NOTHING),
    _SCHEMAS: Probe(path=f"{wire.PROPERTIES}/batch/create", body=_NOTHING),
    _EMAIL: Probe(path=wire.ACTIVITY_READ.format("emails"), body=_NO_READ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the portal should be like."""

    portal_id: str
    webhook_url: str  #: Empty where events are fetched.
    calls_per_10s: int
    read: Collection[str]  #: Properties of the field map.
    written: Mapping[str, str]  #: Meaning -> property.
    sensitive: Collection[str]  #: Meanings of Sensitive Data.
    reads_email: bool


def check(
    client: VendorClient,
    wanted: Wanted,
    *,
    granted: Collection[str] | None,
    now: Callable[[], datetime],
) -> list[Finding]:
    """Return what is right and wrong with a portal.

    Args:
        client: Calls the portal.
        wanted: What it should be like.
        granted: The scopes, where they are known; None for a static token, which is tried.
        now: Our clock.

    Raises:
        CrmError: the portal does not answer, or refuses the token.
    """
    setup = HubSpotSetup(client)
    details = client.call("GET", wire.ACCOUNT_DETAILS)
    at = now()
    there = setup.definitions()
    kind = str(details.body.get("accountType") or "unknown")
    findings = [
        Finding("connection and token", ok=True, detail=f"{len(there)} properties"),
        _portal(details, wanted.portal_id),
        _clock(details, at),
        _limits(client, details, wanted.calls_per_10s, kind),
    ]
    findings += _scopes(setup, wanted, there, granted)
    findings += [_read(name, there.get(name)) for name in wanted.read]
    for meaning, name in wanted.written.items():
        is_sensitive = meaning in wanted.sensitive
        findings.append(_written(name, meaning, there.get(name), is_sensitive=is_sensitive))
    findings.append(_sortable(wanted.written["score"], there.get(wanted.written["score"])))
    findings.append(_webhook(wanted.webhook_url))
    return findings


def _portal(details: Answer, portal_id: str) -> Finding:
    found = str(details.body.get("portalId"))
    fault = f"the token is of portal {found}, the account says {portal_id}; correct one of them"
    return Finding("portal id", ok=found == portal_id, detail="" if found == portal_id else fault)


def _clock(details: Answer, at: datetime) -> Finding:
    try:
        off = at - parsedate_to_datetime(details.headers.get("Date", ""))
    except (TypeError, ValueError):
        return Finding("clock", ok=True, detail="not compared: HubSpot's answer has no date")
    seconds = off.total_seconds()
    is_near = abs(off) <= CLOCK_LIMIT
    advice = "" if is_near else "; webhooks are refused at 300 s: set the clock by NTP"
    side = "ahead of" if seconds > 0 else "behind"
    return Finding("clock", ok=is_near, detail=f"{abs(seconds):.0f} s {side} HubSpot's{advice}")


def _limits(client: VendorClient, details: Answer, calls_per_10s: int, kind: str) -> Finding:
    """Hold the budget against what HubSpot allows; its API does not name the tier itself."""
    check_name = "tier and limits"
    words = [f"account type {kind}"]
    allowed = details.headers.get("X-HubSpot-RateLimit-Max", "")
    try:
        rows = client.call("GET", wire.DAILY_USAGE).body.get("results") or []
    except PermanentCrmError:
        rows = []  # of private apps only
    words += [
        f"{row['currentUsage']} of {row['usageLimit']} calls used today"
        for row in rows
        if isinstance(row, dict) and {"currentUsage", "usageLimit"} <= set(row)
    ]
    if not allowed.isdecimal():
        return Finding(check_name, ok=True, detail=", ".join(words))
    words.append(f"{allowed} calls in 10 s allowed, calls_per_10s = {calls_per_10s}")
    is_within = calls_per_10s <= int(allowed)
    if not is_within:
        words.append(f"set calls_per_10s to {int(allowed) * 9 // 10} or less")
    return Finding(check_name, ok=is_within, detail="; ".join(words))


def _scopes(
    setup: HubSpotSetup,
    wanted: Wanted,
    there: Mapping[str, Definition],
    granted: Collection[str] | None,
) -> list[Finding]:
    needed = {_READ: "reads contacts", _WRITE: "writes scores"}
    plan_open = any(
        name not in there or lacking_options(there[name], OUTPUT_KINDS[meaning])
        for meaning, name in wanted.written.items()
    )
    if plan_open:
        needed[_SCHEMAS] = "`leadscore provision` needs it; can be withdrawn afterwards"
    if wanted.reads_email:
        needed[_EMAIL] = "reads e-mails; without it they are left out"
    names = {*wanted.read, *wanted.written.values()}
    is_sensitive = bool(wanted.sensitive) or any(
        there[name].get("dataSensitivity") == SENSITIVE for name in names if name in there
    )
    if is_sensitive:
        needed.update(dict.fromkeys(SENSITIVE_SCOPES, "reads and writes Sensitive Data"))
    findings = []
    for scope, why in needed.items():
        if granted is None and scope not in _PROBES:
            text = f"{why}: not to be checked with a static token; see the app's page"
            findings.append(Finding(f"scope {scope}", ok=True, detail=text))
            continue
        is_held = scope in granted if granted is not None else setup.holds(_PROBES[scope])
        fault = f"{why}: missing; add it to the app, and install the app again"
        findings.append(Finding(f"scope {scope}", ok=is_held, detail="" if is_held else fault))
    return findings


def _read(name: str, found: Definition | None) -> Finding:
    if found is None:
        fault = (
            "no such contact property, or one of Sensitive Data that the token may not see;"
            " correct the field map, or add the scope"
        )
        return Finding(f"reads {name}", ok=False, detail=fault)
    sensitivity = found.get("dataSensitivity") or PLAIN
    notes = {
        SENSITIVE: "Sensitive Data: its events come REDACTED, the value is read each time",
        "highly_sensitive": "Highly Sensitive: it sends no events and cannot be searched;"
        " a change is seen at the contact's next event only",
    }
    return Finding(f"reads {name}", ok=True, detail=notes.get(sensitivity, ""))


def _written(name: str, meaning: str, found: Definition | None, *, is_sensitive: bool) -> Finding:
    kind = OUTPUT_KINDS[meaning]
    if found is None:
        return Finding(f"writes {name}", ok=False, detail="missing; run `leadscore provision`")
    fault = fault_of(found, kind, SENSITIVE if is_sensitive else PLAIN)
    lacking = lacking_options(found, kind)
    if not fault and lacking:
        fault = f"its options lack {', '.join(lacking)}; run `leadscore provision`"
    return Finding(f"writes {name}", ok=not fault, detail=fault)


def _sortable(name: str, found: Definition | None) -> Finding:
    """Tell whether a view can be sorted by the score: a number that is shown."""
    fault = ""
    if found is None:
        fault = "missing; run `leadscore provision`"
    elif found.get("type") != "number":
        fault = f"of type {found.get('type')}, it would sort 9 above 10; must be a number"
    elif found.get("hidden"):
        fault = "hidden: no view can show it; show it in HubSpot's property settings"
    return Finding(f"sorts by {name}", ok=not fault, detail=fault)


def _webhook(url: str) -> Finding:
    if not url:
        return Finding("webhook_url", ok=True, detail="none: events are fetched from the journal")
    parts = urlsplit(url)
    fault = ""
    if parts.scheme != "https":
        fault = "HubSpot sends to https addresses only"
    elif not parts.path.endswith(RECEIVER_PATH):
        fault = f"we listen at {RECEIVER_PATH}; see that your proxy leads there, or correct it"
    return Finding("webhook_url", ok=not fault, detail=f"{url}: {fault}" if fault else url)


def reach(url: str) -> Finding:
    """Tell whether our receiver answers at the webhook's address, as seen from here.

    By a GET, which the receiver refuses with 405. Bounded as every call is.
    """
    check_name = "webhook_url is reached"
    with guarded_session(url) as session:
        try:
            with crm_errors():
                status = session.get(url).status_code
        except AccessError:
            text = "a redirect: HubSpot's signature would not hold; name the address it leads to"
            return Finding(check_name, ok=False, detail=text)
        except CrmError as error:
            text = f"no answer ({error.code}): is `leadscore serve` running, name and port open?"
            return Finding(check_name, ok=False, detail=text)
    if status == 405:
        return Finding(check_name, ok=True, detail="our receiver answers")
    text = f"{status}, expected 405: this is not our receiver; see where the proxy leads"
    return Finding(check_name, ok=False, detail=text)
