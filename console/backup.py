"""`leadscore backup` and `leadscore restore`."""

import json
from pathlib import Path

import click

from config.load import environment, load_settings
from config.problems import ConfigError
from console.acting import Acting, acting, login_name
from console.cli import FINDINGS, UNREACHABLE, USAGE
from store.backup import BackupError, make_backup
from store.dialect import StoreError
from store.keys import KeyFile, KeyFileError
from store.restore import Place, restore
from webhooks.wiring import master_keys, utc_now


def run_backup(*, folder: Path) -> int:
    """Copy the databases; return the exit code."""
    with acting() as at:
        try:
            manifest = make_backup(at.store, folder, at.actor, at.now)
        except BackupError as error:
            click.echo(str(error), err=True)
            return FINDINGS
        at.finish()
        size = sum(row["bytes"] for row in manifest.content["files"].values())
        keys = ", ".join(map(str, sorted(manifest.keys))) or "none"
        click.echo(f"copied {size / 1e6:.1f} MB into {folder}; it needs master key: {keys}")
        beside = _beside(folder, at)
        if beside:
            click.echo(f"{', '.join(beside)}: beside this copy; keep them elsewhere", err=True)
            return FINDINGS
        click.echo("keep the keys, the audit heads and the tombstones elsewhere")
        return 0


def _beside(folder: Path, at: Acting) -> list[str]:
    """Return what must not lie on the way to a copy: who takes one would take both (S52, S57)."""
    places = [at.settings.audit_heads_file, at.settings.tombstones]
    if isinstance(at.keys.source, KeyFile):
        places.insert(0, at.keys.source.path)
    copy = folder.resolve()
    return [str(path) for path in places if copy.is_relative_to(path.resolve().parent)]


def run_restore(*, folder: Path, into: str, force: bool, as_json: bool) -> int:
    """Check a copy and put it in place; return the exit code."""
    env = environment()
    try:
        settings = load_settings({**env, "DATABASE_URL": into} if into else env)
        place = Place(
            database_url=settings.database_url,
            keys=master_keys(settings),
            heads=settings.audit_heads_file,
            tombstones=settings.tombstones,
        )
    except (ConfigError, KeyFileError) as error:
        click.echo(str(error), err=True)
        return USAGE
    try:
        found = restore(folder, place, login_name(), utc_now(), force=force)
    except BackupError as error:
        click.echo(str(error), err=True)
        return FINDINGS
    except StoreError as error:
        click.echo(str(error), err=True)
        return UNREACHABLE
    if as_json:
        told = {
            "made_at": found.made_at,
            "keys_opened": found.keys_opened,
            "audit_rows": found.audit_rows,
            "acts_lost": found.acts_lost,
            "erased": found.erased,
            "aside": [str(path) for path in found.aside],
        }
        click.echo(json.dumps(told, indent=2))
        return 0
    click.echo(f"the copy of {found.made_at} is in place")
    click.echo(f"{found.keys_opened} data keys open, {found.audit_rows} audit rows hold")
    click.echo(f"{found.erased} records erased since were erased again")
    if found.acts_lost:
        click.echo(f"{found.acts_lost} audit rows are younger than the copy: see the old heads")
    for path in found.aside:
        click.echo(f"moved away: {path}")
    click.echo("start the service: its sweep asks the CRM for what the copy does not know")
    return 0
