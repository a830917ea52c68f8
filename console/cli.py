"""The command line. Each command imports what it needs when it runs: `--help` answers at once.

Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 cannot reach a dependency.
Source: DESIGN section 8.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

FINDINGS, USAGE, UNREACHABLE = 1, 2, 3

F = TypeVar("F", bound=Callable[..., Any])

_CRM = click.Choice(["hubspot", "salesforce", "both"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leadscore")
def main() -> None:
    """Score a practice's HubSpot and Salesforce inquiries within seconds."""


@main.command()
@click.option("--once", is_flag=True, help="End after the leads are scored.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (implies --once).")
@click.option("--crm", type=_CRM, default="both", show_default=True)
@click.option("--leads", type=click.IntRange(1, 5_000), default=80, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="Which invented people.")
def demo(*, once: bool, as_json: bool, crm: str, leads: int, seed: int) -> None:
    """Show the whole path: pretend CRMs, signed webhooks, scores written back."""
    from console.demo import run_demo

    sys.exit(run_demo(once=once or as_json, as_json=as_json, crm=crm, leads=leads, seed=seed))


@main.command()
@click.option("--force", is_flag=True, help="Replace an existing practice.toml.")
def init(*, force: bool) -> None:
    """Write a commented practice.toml and a master key to start from."""
    from console.starting import start_files

    sys.exit(start_files(force=force))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--reach", is_flag=True, help="Also call our own webhook addresses.")
def doctor(*, as_json: bool, reach: bool) -> None:
    """Check configuration, keys, database, and the connection to each CRM."""
    from console.doctor import run_doctor

    sys.exit(run_doctor(as_json=as_json, reach=reach))


@main.command()
@click.argument("only", metavar="[CRM|ACCOUNT]", default="")
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
def provision(only: str, *, dry_run: bool) -> None:
    """Make the CRM properties that scores are written to, where they are missing."""
    from console.provision import run_provision

    sys.exit(run_provision(only=only, dry_run=dry_run))


_HUBSPOT = click.Choice(["hubspot"])


@main.command()
@click.argument("crm", type=_HUBSPOT)
@click.argument("account")
def install(crm: str, account: str) -> None:
    """Print a link by which an admin of a portal installs the app (OAuth)."""
    del crm
    from console.install import run_install

    sys.exit(run_install(account=account))


@main.command()
@click.argument("crm", type=_HUBSPOT)
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(crm: str, account: str, *, yes: bool) -> None:
    """Give an account's tokens back to HubSpot, and delete them."""
    del crm
    from console.install import run_uninstall

    sys.exit(run_uninstall(account=account, yes=yes))


@main.command()
def serve() -> None:
    """Receive webhooks and work them, in one process."""
    from console.serving import run_service

    sys.exit(run_service(receives=True, works=True))


@main.command()
def receive() -> None:
    """Only receive webhooks; another process works them."""
    from console.serving import run_service

    sys.exit(run_service(receives=True, works=False))


@main.command()
def work() -> None:
    """Only work what was received."""
    from console.serving import run_service

    sys.exit(run_service(receives=False, works=True))


@main.command()
@click.option("--crm", type=click.Choice(["hubspot", "salesforce"]), default="hubspot")
@click.option("--port", type=click.IntRange(0, 65_535), default=9100, show_default=True)
@click.option("--leads", type=click.IntRange(0, 5_000), default=40, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="Which invented people.")
@click.option(
    "--speedup",
    type=click.FloatRange(1, 100_000),
    default=1_000,
    show_default=True,
    help="The CRM's day of retries takes 24 h divided by this.",
)
def simulate(*, crm: str, port: int, leads: int, seed: int, speedup: float) -> None:
    """Run a pretend CRM alone; an account's base_url may point at it."""
    from console.simulate import run_simulator

    sys.exit(run_simulator(crm=crm, port=port, leads=leads, seed=seed, speedup=speedup))


@main.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--model", "model_file", type=click.Path(path_type=Path), help="A model file.")
@click.option(
    "--now",
    type=str,
    default=None,
    metavar="ISO8601",
    help="The time to score at, as in 2026-11-23T08:01:00-05:00; else the present.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw scores and tiers: a .png or .svg file.",
)
def score(
    file: Any, model_file: Path | None, now: str | None, jobs: int, plot: Path | None
) -> None:
    """Score JSON lines: one lead a line in, one score a line out. No database, no CRM."""
    from console.scoring import run_score

    sys.exit(run_score(file, model_file=model_file, now=_instant(now), jobs=jobs, plot=plot))


@main.command("check-model")
@click.argument("file", type=str)
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def check_model(file: str, *, as_json: bool) -> None:
    """Check a model file, or a packaged model by name, and its cases."""
    from console.models import run_check

    sys.exit(run_check(file, as_json=as_json))


@main.command()
@click.argument("old", type=str)
@click.argument("new", type=str)
@click.option(
    "--leads", "leads", type=click.File("rb"), required=True, help="JSON lines to score."
)
@click.option("--now", type=str, default=None, metavar="ISO8601", help="The time to score at.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(old: str, new: str, leads: Any, now: str | None, *, as_json: bool) -> None:
    """Show which leads change tier between two models, and why."""
    from console.diff import run_diff

    sys.exit(run_diff(old, new, leads, now=_instant(now), as_json=as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the register as JSON.")
def inputs(*, as_json: bool) -> None:
    """Print the input register: every field scoring reads, from where, and by which rules."""
    from console.inputs import run_inputs

    sys.exit(run_inputs(as_json=as_json))


_ACCOUNT = click.option("--account", default="", help="Only this account.")


@main.command()
@_ACCOUNT
def sweep(*, account: str) -> None:
    """Ask each CRM what changed since the last sweep; workers do so every 15 minutes."""
    from console.catching_up import run_sweep

    sys.exit(run_sweep(account=account))


@main.command()
@_ACCOUNT
@click.option("--restart", is_flag=True, help="Begin anew, not where the last one was stopped.")
def backfill(*, account: str, restart: bool) -> None:
    """Score every record the CRM has. Live inquiries go first; stop and go on at any time."""
    from console.catching_up import run_backfill

    sys.exit(run_backfill(account=account, anew=restart))


@main.command()
@_ACCOUNT
def rescore(*, account: str) -> None:
    """Score every known record anew, as after a change of the model."""
    from console.catching_up import run_rescore

    sys.exit(run_rescore(account=account))


@main.command()
@click.argument("account")
@click.argument("object_type", metavar="TYPE")
@click.argument("record_id", metavar="RECORD")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(account: str, object_type: str, record_id: str, *, yes: bool) -> None:
    """Forget all that is known of a record, for good; it will not be scored again."""
    from console.erase import run_erase

    sys.exit(run_erase(account=account, object_type=object_type, record_id=record_id, yes=yes))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy the databases, while they are used, into a new FOLDER with a manifest."""
    from console.backup import run_backup

    sys.exit(run_backup(folder=folder))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", default="", metavar="URL", help="Where to; else DATABASE_URL.")
@click.option("--force", is_flag=True, help="Move a database that is not empty away.")
@click.option("--json", "as_json", is_flag=True, help="Print what was checked as JSON.")
def restore(folder: Path, *, into: str, force: bool, as_json: bool) -> None:
    """Check a copy made by `backup`, erase what was erased since, and put it in place."""
    from console.backup import run_restore

    sys.exit(run_restore(folder=folder, into=into, force=force, as_json=as_json))


@main.command("evaluate-text")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--misses", is_flag=True, help="List what was missed, by id; never by text.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the gate's curve, SVG."
)
@click.option(
    "--semantic/--no-semantic",
    default=None,
    help="With the gate that reads meaning; else as LEADSCORE_SEMANTIC says.",
)
def evaluate_text(
    *,
    files: tuple[Path, ...],
    as_json: bool,
    misses: bool,
    plot: Path | None,
    semantic: bool | None,
) -> None:
    """Measure the text signals on labelled inquiries or other labelled tables."""
    from console.evaluate_text import run_evaluation

    sys.exit(
        run_evaluation(files, as_json=as_json, with_misses=misses, plot=plot, semantic=semantic)
    )


def _instant(now: str | None) -> datetime | None:
    if now is None:
        return None
    try:
        at = datetime.fromisoformat(now)
    except ValueError:
        raise click.BadParameter("must be ISO 8601", param_hint="--now") from None
    if at.tzinfo is None:
        raise click.BadParameter("needs an offset, as in +00:00 or Z", param_hint="--now")
    return at


def _add_groups() -> None:
    from console import groups

    main.add_command(groups.app)
    main.add_command(groups.dead_letters)
    main.add_command(groups.audit)
    main.add_command(groups.keys)


_add_groups()
