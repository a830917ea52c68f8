"""`leadscore app hubspot`: the app project of a practice, as a folder to upload."""

from pathlib import Path

import click

from config.load import environment, load_models, load_practice, load_settings
from config.practice import HubSpotAccount, Practice
from config.problems import ConfigError, did_you_mean
from console.cli import FINDINGS, USAGE
from integrations.hubspot.project import AppProject
from integrations.registry import hubspot_app


def run_hubspot_app(
    *,
    account: str,
    out: Path,
    support_email: str | None,
    force: bool,
) -> int:
    """Write the project, say what was written and what comes next; return the exit code."""
    try:
        settings = load_settings(environment())
        practice = load_practice(settings.practice_file)
        model = load_models(practice, settings.practice_file.parent)
        chosen = _account(practice, account)
        project = hubspot_app(
            practice,
            chosen,
            model,
            support_email=support_email,
        )
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    changed = [] if force else _in_the_way(out, project)
    if changed:
        click.echo(
            f"{out}: not written, these files are there and differ; --force replaces or removes them"
            + "".join(f"\n  {name}" for name in changed),
            err=True,
        )
        return FINDINGS
    try:
        for name, text in project.files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            click.echo(f"wrote   {path}")
        for name in project.absent:
            if (out / name).exists():
                (out / name).unlink()
                click.echo(f"removed {out / name}")
    except OSError as error:
        click.echo(f"{out}: cannot be written: {error.strerror}", err=True)
        return USAGE
    if project.subscriptions:
        click.echo(f"sends   {project.subscriptions} subscriptions to {chosen.webhook_url}")
    else:
        click.echo("sends   nothing: the events are fetched from the journal")
    click.echo(f"asks    {' '.join(project.scopes)}")
    for name in project.left_out:
        click.echo(f"note    HubSpot sends no changes of {name}: the sweep finds them")
    click.echo(f"next    cd {out} && hs project upload   (HubSpot's own command line)")
    return 0


def _account(practice: Practice, name: str) -> HubSpotAccount:
    """Return the HubSpot account called `name`, or the only one. Raises: click.UsageError."""
    portals = {each.name: each for each in practice.accounts if isinstance(each, HubSpotAccount)}
    if not name and len(portals) == 1:
        return next(iter(portals.values()))
    if name not in portals:
        known = ", ".join(portals) or "none"
        found = (
            f"no HubSpot account {name!r}{did_you_mean(name, portals)}" if name else "which one?"
        )
        raise click.BadParameter(f"{found}; practice.toml has: {known}", param_hint="--account")
    return portals[name]


def _in_the_way(out: Path, project: AppProject) -> list[str]:
    """Return what would be overwritten or removed: files of ours with another text."""
    files = project.files
    there = [name for name in files if (out / name).exists()]
    changed = [name for name in there if (out / name).read_bytes() != files[name].encode("utf-8")]
    return changed + [name for name in project.absent if (out / name).exists()]
