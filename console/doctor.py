"""`leadscore doctor`: what is wrong, where, and what to do."""

import dataclasses
import json

import click

from config.practice import HubSpotAccount, SalesforceAccount
from console.cli import FINDINGS, UNREACHABLE, USAGE
from console.loading import BadConfigurationError, Configuration, load_configuration
from integrations.base import Finding
from integrations.errors import AccessError, CrmError
from integrations.registry import check_account
from store.dialect import StoreError
from store.engine import check_integrity, describe
from store.keys import KeyFileError
from store.rooms import open_store
from webhooks.wiring import master_keys


def run_doctor(*, as_json: bool) -> int:
    """Check everything, print the findings, return the exit code."""
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
    findings += _store_findings(loaded)
    is_unreachable = False
    for account in loaded.practice.accounts:
        found, reached = _account_findings(loaded, account)
        findings += found
        is_unreachable = is_unreachable or not reached
    _show(findings, as_json=as_json)
    if is_unreachable:
        return UNREACHABLE
    return 0 if all(finding.ok for finding in findings) else FINDINGS


def _store_findings(loaded: Configuration) -> list[Finding]:
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
        return [*findings, Finding("database and key", ok=False, detail=str(error))]
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
    data_folder = loaded.settings.database_folder
    if loaded.settings.master_key is None and data_folder is not None:
        key_folder = loaded.settings.master_key_file.resolve().parent
        is_apart = key_folder != data_folder
        advice = "" if is_apart else "lies beside the database: a stolen disk or backup has both"
        findings.append(Finding("place of the master key", ok=is_apart, detail=advice))
    store.close()
    return findings


def _account_findings(
    loaded: Configuration, account: HubSpotAccount | SalesforceAccount
) -> tuple[list[Finding], bool]:
    """Return the account's findings, and whether its CRM answered."""
    try:
        found = check_account(loaded.practice, account, loaded.secrets[account.name])
    except AccessError as error:
        return [Finding(f"{account.name}: access", ok=False, detail=str(error))], True
    except CrmError as error:
        detail = f"no answer from {account.base_url}: {error}"
        return [Finding(f"{account.name}: connection", ok=False, detail=detail)], False
    return [
        dataclasses.replace(finding, check=f"{account.name}: {finding.check}") for finding in found
    ], True


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        is_ok = all(finding.ok for finding in findings)
        click.echo(json.dumps({"ok": is_ok, "findings": rows}, indent=2))
        return
    for finding in findings:
        sign = click.style("ok   ", fg="green") if finding.ok else click.style("WRONG", fg="red")
        tail = f": {finding.detail}" if finding.detail else ""
        click.echo(f"{sign} {finding.check}{tail}")
    wrong = sum(not finding.ok for finding in findings)
    click.echo(f"{len(findings)} checks, {wrong} wrong")
