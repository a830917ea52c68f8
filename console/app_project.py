"""`leadscore app`: what a practice installs in its CRM, as a folder to upload or deploy."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click

from config.load import environment, load_models, load_practice, load_settings
from config.practice import HubSpotAccount, Practice, SalesforceAccount
from config.problems import ConfigError, did_you_mean
from console.cli import FINDINGS, USAGE
from integrations.setting_up import hubspot_app, salesforce_app
from scoring.model import ScoringModel

_Account = TypeVar("_Account", HubSpotAccount, SalesforceAccount)


def run_hubspot_app(
    *,
    account: str,
    out: Path,
    support_email: str | None,
    force: bool,
) -> int:
    """Write the project, say what was written and what comes next; return the exit code."""
    try:
        practice, model = _loaded()
        chosen = _account(practice, account, HubSpotAccount, "HubSpot")
        project = hubspot_app(
            practice,
            chosen,
            model,
            support_email=support_email,
        )
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    code = _write(out, project.files, project.absent, force=force)
    if code:
        return code
    if project.subscriptions:
        click.echo(f"sends   {len(project.subscriptions)} subscriptions to {chosen.webhook_url}")
    else:
        click.echo("sends   nothing: the events are fetched from the journal")
    click.echo(f"asks    {' '.join(project.scopes)}")
    for name in project.left_out:
        click.echo(f"note    HubSpot sends no changes of {name}: the sweep finds them")
    click.echo(f"next    cd {out} && hs project upload   (HubSpot's own command line)")
    return 0


def run_salesforce_app(
    *,
    account: str,
    out: Path,
    url: str,
    integration_user: str,
    unwatched: Collection[str],
    force: bool,
) -> int:
    """Write the package, say what was written and what comes next; return the exit code."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.path.strip("/") or parts.query:
        raise click.BadParameter(
            "must be as in https://scores.example.com: Salesforce sends to https only",
            param_hint="--url",
        )
    try:
        practice, model = _loaded()
        chosen = _account(practice, account, SalesforceAccount, "Salesforce")
        package = salesforce_app(
            practice,
            chosen,
            model,
            url=f"https://{parts.netloc}",
            integration_user=integration_user,
            unwatched=unwatched,
        )
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    code = _write(out, package.files, package.absent, force=force)
    if code:
        return code
    for object_type, fields in package.watched.items():
        click.echo(f"watches {object_type}: {' '.join(fields)}")
    for name in package.foreign:
        click.echo(f"note    {name} is not made by the package: it must be there already")
    click.echo(
        f"next    cd {out} && sf project deploy start --source-dir force-app --source-dir outbound"
    )
    return 0


def _loaded() -> tuple[Practice, ScoringModel]:
    """Return the configuration and its model. Raises: ConfigError."""
    settings = load_settings(environment())
    practice = load_practice(settings.practice_file)
    return practice, load_models(practice, settings.practice_file.parent)


def _account(practice: Practice, name: str, kind: type[_Account], crm: str) -> _Account:
    """Return the account of a CRM called `name`, or the only one. Raises: click.UsageError."""
    known = {each.name: each for each in practice.accounts if isinstance(each, kind)}
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        names = ", ".join(known) or "none"
        found = f"no {crm} account {name!r}{did_you_mean(name, known)}" if name else "which one?"
        raise click.BadParameter(f"{found}; practice.toml has: {names}", param_hint="--account")
    return known[name]


def _write(out: Path, files: Mapping[str, str], absent: Collection[str], *, force: bool) -> int:
    """Write the files and remove those that must be absent; return the exit code."""
    changed = [] if force else _in_the_way(out, files, absent)
    if changed:
        click.echo(
            f"{out}: not written, these files are there and differ; --force replaces or removes them"
            + "".join(f"\n  {name}" for name in changed),
            err=True,
        )
        return FINDINGS
    try:
        for name, text in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            click.echo(f"wrote   {path}")
        for name in absent:
            if (out / name).exists():
                (out / name).unlink()
                click.echo(f"removed {out / name}")
    except OSError as error:
        click.echo(f"{out}: cannot be written: {error.strerror}", err=True)
        return USAGE
    return 0


def _in_the_way(out: Path, files: Mapping[str, str], absent: Collection[str]) -> list[str]:
    """Return what would be overwritten or removed: files of ours with another text."""
    there = [name for name in files if (out / name).exists()]
    changed = [name for name in there if (out / name).read_bytes() != files[name].encode("utf-8")]
    return changed + [name for name in absent if (out / name).exists()]
