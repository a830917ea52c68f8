"""`leadscore init`: the two files a practice starts from."""

from importlib import resources
from pathlib import Path

import click

from config.load import environment, load_settings
from config.problems import ConfigError
from console.cli import FINDINGS, USAGE
from store.keys import new_key_file
from webhooks.wiring import utc_now


def start_files(*, force: bool) -> int:
    """Write practice.toml and the master key; return the exit code. Keys are never replaced."""
    try:
        settings = load_settings(environment())
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    key_file = settings.master_key_file
    try:
        code = _write_practice(settings.practice_file, force=force)
    except OSError as error:
        click.echo(f"{settings.practice_file}: cannot be written: {error.strerror}", err=True)
        return USAGE
    try:
        new_key_file(key_file, utc_now().date())
        click.echo(f"made    {key_file}: keep a copy in a safe place, apart from the database")
    except FileExistsError:
        click.echo(f"kept    {key_file}: a key is never replaced")
    except OSError as error:
        click.echo(f"{key_file}: cannot be written: {error.strerror}", err=True)
        return USAGE
    click.echo("next    edit practice.toml, set the secrets it names, then run: leadscore doctor")
    return code


def _write_practice(path: Path, *, force: bool) -> int:
    if path.exists() and not force:
        click.echo(f"kept    {path}: it exists; --force replaces it", err=True)
        return FINDINGS
    path.write_text(
        resources.files("config").joinpath("starter.toml").read_text("utf-8"), encoding="utf-8"
    )
    click.echo(f"wrote   {path}")
    return 0
