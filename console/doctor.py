"""`leadscore doctor`: what is wrong, where, and what to do."""

import dataclasses
import json
from typing import Any

import click

from config.meaning.minilm import MeaningError
from config.meaning.switch import load_meaning
from config.practice import HubSpotAccount, SalesforceAccount
from config.register import activity_kinds
from config.settings import Settings
from console.cli import FINDINGS, UNREACHABLE, USAGE
from console.key_inventory import inventory
from console.loading import BadConfigurationError, Configuration, load_configuration
from integrations.base import Finding
from integrations.errors import AccessError, CrmError
from integrations.registry import ways_in
from integrations.setting_up import check_account, check_reach, needed_subscriptions
from store.dialect import StoreError
from store.engine import check_integrity, describe
from store.keys import KeyFile, KeyFileError, MasterKeys
from store.rooms import Store, open_store
from store.vault import VaultError
from webhooks.wiring import master_keys, utc_now


def run_doctor(*, as_json: bool, reach: bool = False) -> int:
    """Check everything, print the findings, return the exit code; `reach`: call ourselves, too."""
    try:
        loaded = load_configuration()
    except BadConfigurationError as error:
        if as_json:
            problems = [
                {
                    "check": f"{source.source}: {problem.path}",
                    "ok": False,
                    "detail": problem.message,
                }
                for source in error.errors
                for problem in source.problems
            ]
            click.echo(json.dumps({"ok": False, "findings": problems}, indent=2))
        else:
            click.echo(str(error), err=True)
        return USAGE
    count = len(loaded.practice.accounts)
    findings = [Finding("practice.toml and secrets", ok=True, detail=f"{count} account(s)")]
    found, keys, store = _store_findings(loaded)
    findings += [_semantic_finding(loaded), *found]
    is_unreachable = False
    for account in loaded.practice.accounts:
        told, reached = _account_findings(loaded, account, store)
        findings += told
        is_unreachable = is_unreachable or not reached
        if isinstance(account, HubSpotAccount):
            findings += _own_findings(loaded, account, store, reach=reach)
        elif store is not None:
            findings += arrivals(account, store)
    if store is not None:
        store.close()
    _show(findings, keys, as_json=as_json)
    if is_unreachable:
        return UNREACHABLE
    return 0 if all(finding.ok for finding in findings) else FINDINGS


def _semantic_finding(loaded: Configuration) -> Finding:
    check = "emergency gate, by meaning"
    if not loaded.settings.semantic:
        detail = "off; LEADSCORE_SEMANTIC=on switches it on"
        return Finding(check, ok=True, detail=detail)
    try:
        load_meaning(loaded.settings.semantic_model)
    except MeaningError as error:
        return Finding(check, ok=False, detail=f"not active: {error}")
    return Finding(check, ok=True, detail="active: all-MiniLM-L6-v2")


def _store_findings(
    loaded: Configuration,
) -> tuple[list[Finding], list[dict[str, Any]], Store | None]:
    """Return what was found of keys and database, the inventory of keys (S55), and the store."""
    findings: list[Finding] = []
    try:
        keys = master_keys(loaded.settings)
        findings.append(Finding("master key", ok=True, detail=f"key {keys.primary} seals"))
        store = open_store(
            loaded.settings.database_url,
            keys,
            loaded.settings.audit_heads_file,
            reserve_bytes=loaded.settings.disk_reserve_bytes,
        )
    except (KeyFileError, StoreError) as error:
        return [*findings, Finding("database and key", ok=False, detail=str(error))], [], None
    name, is_safe, detail = describe(store.databases)
    findings.append(Finding(f"{name} version", ok=is_safe, detail=detail))
    faults = check_integrity(store.databases)
    findings.append(Finding("database", ok=not faults, detail="; ".join(faults[:3])))
    reserve = store.databases.reserve
    if reserve is not None:
        is_held = reserve.hold()
        megabytes = reserve.size // 2**20
        detail = f"{megabytes} MB are held ready"
        if not is_held:
            detail = (
                f"there is no room for {megabytes} MB: nothing is received; make room on the disk,"
                " or set LEADSCORE_DISK_RESERVE_MB to less"
            )
        findings.append(Finding("disk reserve", ok=is_held, detail=detail))
    opens = store.leads.opens()
    advice = "" if opens else "another key sealed what is stored; put the right one back"
    findings.append(Finding("master key opens the database", ok=opens, detail=advice))
    findings += _places(loaded.settings, keys)
    listed = inventory(store, keys, loaded.practice, utc_now())
    missing = [row["name"] for row in listed if row["state"] == "missing"]
    if missing:
        advice = f"{', '.join(missing)}: wraps data keys, and is not here; put it back"
        findings.append(Finding("master keys that are needed", ok=False, detail=advice))
    return findings, listed, store


def _places(settings: Settings, keys: MasterKeys) -> list[Finding]:
    """Return whether what must lie apart from the database does (S52, S57)."""
    data_folder = settings.database_folder
    if data_folder is None:
        return []
    places = {"audit heads": settings.audit_heads_file, "tombstones": settings.tombstones}
    if isinstance(keys.source, KeyFile):
        places = {"master key": keys.source.path, **places}
    findings = []
    for name, path in places.items():
        folder = path.resolve().parent
        is_apart = not folder.is_relative_to(data_folder)
        advice = "" if is_apart else "lies beside the database: a stolen disk or backup has both"
        findings.append(Finding(f"place of the {name}", ok=is_apart, detail=advice))
    return findings


def _account_findings(
    loaded: Configuration, account: HubSpotAccount | SalesforceAccount, store: Store | None
) -> tuple[list[Finding], bool]:
    """Return the account's findings, and whether its CRM answered."""
    if store is None and getattr(account, "auth", "") == "oauth":
        detail = "its tokens lie in the database; see above"
        return [Finding(f"{account.name}: access", ok=False, detail=detail)], True
    try:
        found = check_account(
            loaded.practice,
            account,
            loaded.secrets[account.name],
            kinds=activity_kinds(loaded.model),
            shelf=store.installs.of(account.name) if store else None,
            now=utc_now,
        )
    except AccessError as error:
        return [Finding(f"{account.name}: access", ok=False, detail=str(error))], True
    except VaultError as error:
        detail = f"its tokens do not open: {error}"
        return [Finding(f"{account.name}: access", ok=False, detail=detail)], True
    except CrmError as error:
        detail = f"no answer from {account.base_url}: {error}"
        return [Finding(f"{account.name}: connection", ok=False, detail=detail)], False
    return [
        dataclasses.replace(finding, check=f"{account.name}: {finding.check}") for finding in found
    ], True


def _own_findings(
    loaded: Configuration, account: HubSpotAccount, store: Store | None, *, reach: bool
) -> list[Finding]:
    """Return what can be said from our side: what arrived, and whether we can be reached.

    HubSpot's API does not list the subscriptions of a project app (reference hubspot.md 2.7).
    """
    findings = []
    if store is not None:
        at = store.inbox.last_received_at(account.name, "hubspot")
        is_fine = at is not None or account.journal
        if account.journal and at is None:
            detail = "no event fetched yet from the journal"
        elif at is not None:
            detail = f"the last delivery came {at:%Y-%m-%d %H:%M} UTC"
        else:
            wanted = "; ".join(needed_subscriptions(loaded.practice, account, loaded.model))
            detail = (
                f"no delivery in the {loaded.practice.retention.deliveries_days} days that are"
                " kept. HubSpot does not tell what the app is subscribed to: see that its"
                f" webhooks file has these, and was uploaded: {wanted}"
            )
        findings.append(Finding(f"{account.name}: subscriptions", ok=is_fine, detail=detail))
    if reach and account.webhook_url:
        found = check_reach(account)
        findings.append(dataclasses.replace(found, check=f"{account.name}: {found.check}"))
    return findings


def arrivals(account: SalesforceAccount, store: Store) -> list[Finding]:
    """Return when something last came, for each way that the account may get its events."""
    findings = []
    if account.only_swept:
        often = f"asked every {account.swept_every_minutes} min"
        findings.append(Finding(f"{account.name}: changes", ok=True, detail=often))
    for kind, way in ways_in(account).items():
        at = store.inbox.last_received_at(account.name, kind)
        came = f"the last came {at:%Y-%m-%d %H:%M} UTC" if at else "none came yet"
        findings.append(Finding(f"{account.name}: {way}", ok=True, detail=came))
    return findings


def _show(findings: list[Finding], keys: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        is_ok = all(finding.ok for finding in findings)
        click.echo(json.dumps({"ok": is_ok, "findings": rows, "keys": keys}, indent=2))
        return
    for finding in findings:
        sign = click.style("ok   ", fg="green") if finding.ok else click.style("WRONG", fg="red")
        tail = f": {finding.detail}" if finding.detail else ""
        click.echo(f"{sign} {finding.check}{tail}")
    wrong = sum(not finding.ok for finding in findings)
    click.echo(f"{len(findings)} checks, {wrong} wrong")
