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
def doctor(*, as_json: bool) -> None:
    """Check configuration, keys, database, and the connection to each CRM."""
    from console.doctor import run_doctor

    sys.exit(run_doctor(as_json=as_json))


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
def provision(*, dry_run: bool) -> None:
    """Make the CRM properties that scores are written to, where they are missing."""
    from console.provision import run_provision

    sys.exit(run_provision(dry_run=dry_run))


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


@main.group("dead-letters")
def dead_letters() -> None:
    """Look after what could not be read, scored or written."""


_ACCOUNT = click.option("--account", default="", help="Only of this account.")
_CODE = click.option("--code", default="", help="Only with this error code.")
_ALL = click.option("--all", "everything", is_flag=True, help="Every one.")


@dead_letters.command("list")
@_ACCOUNT
@_CODE
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_(*, account: str, code: str, limit: int, as_json: bool) -> None:
    """List the newest, each with its reason and what to do. Exit code 1 when there are any."""
    from console.dead_letters import run_list

    sys.exit(run_list(account=account, code=code, limit=limit, as_json=as_json))


@dead_letters.command()
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, *, as_json: bool) -> None:
    """Show one dead letter."""
    from console.dead_letters import run_show

    sys.exit(run_show(name=name, as_json=as_json))


@dead_letters.command()
@click.argument("names", metavar="[ID]...", nargs=-1)
@_ACCOUNT
@_CODE
@_ALL
def replay(names: tuple[str, ...], *, account: str, code: str, everything: bool) -> None:
    """Let dead letters be tried again."""
    from console.dead_letters import run_replay

    sys.exit(run_replay(names=names, account=account, code=code, everything=everything))


@dead_letters.command()
@click.argument("names", metavar="[ID]...", nargs=-1)
@_ACCOUNT
@_CODE
@_ALL
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(names: tuple[str, ...], *, account: str, code: str, everything: bool, yes: bool) -> None:
    """Forget dead letters for good."""
    from console.dead_letters import run_purge

    sys.exit(run_purge(names=names, account=account, code=code, everything=everything, yes=yes))


@main.group()
def audit() -> None:
    """Who did what: check the trail, or export it."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(*, as_json: bool) -> None:
    """Check every trail against its hashes and its kept heads. Exit code 1 where one breaks."""
    from console.audit import run_verify

    sys.exit(run_verify(as_json=as_json))


@audit.command()
def export() -> None:
    """Print every row as a line of JSON."""
    from console.audit import run_export

    sys.exit(run_export())


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
