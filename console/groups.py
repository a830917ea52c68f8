"""The commands that come in groups: `app`, `dead-letters`, `audit` and `keys`."""

import sys
from pathlib import Path

import click


@click.group()
def app() -> None:
    """Write what is installed in a CRM: HubSpot's app project, Salesforce's package."""


@app.command()
@click.option("--account", default="", help="Which account; needed where there are several.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hubspot-app"),
    show_default=True,
    help="The project's folder.",
)
@click.option("--support-email", default=None, help="Shown to who installs the app.")
@click.option("--force", is_flag=True, help="Replace files that were changed.")
def hubspot(
    *,
    account: str,
    out: Path,
    support_email: str | None,
    force: bool,
) -> None:
    """Write HubSpot's app project for an account: scopes, webhooks, and the card.

    It calls no CRM and needs no secret. Run it again when the field map, the names of what is
    written, or the caps of the model change, and upload the project again.
    """
    from console.app_project import run_hubspot_app

    sys.exit(
        run_hubspot_app(
            account=account,
            out=out,
            support_email=support_email,
            force=force,
        )
    )


@app.command()
@click.option("--account", default="", help="Which account; needed where there are several.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("salesforce-package"),
    show_default=True,
    help="The package's folder.",
)
@click.option(
    "--url", required=True, help="Where Salesforce reaches us: https://scores.example.com"
)
@click.option("--integration-user", default="", help="User name that leadscore logs in as.")
@click.option(
    "--unwatched",
    multiple=True,
    metavar="FIELD",
    help="Leave changes of this field to the sweep; may be given several times.",
)
@click.option("--force", is_flag=True, help="Replace files that were changed.")
def salesforce(
    *,
    account: str,
    out: Path,
    url: str,
    integration_user: str,
    unwatched: tuple[str, ...],
    force: bool,
) -> None:
    """Write Salesforce's package for an account: fields, Flows, list views, card, Apex.

    It calls no CRM and needs no secret. Run it again when the field map, the names of what is
    written, or the caps of the model change, and deploy the package again.
    """
    from console.app_project import run_salesforce_app

    sys.exit(
        run_salesforce_app(
            account=account,
            out=out,
            url=url,
            integration_user=integration_user,
            unwatched=unwatched,
            force=force,
        )
    )


@click.group("dead-letters")
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


@click.group()
def audit() -> None:
    """Who did what: check the trail, or export it."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(*, as_json: bool) -> None:
    """Check every trail against its hashes and its kept heads. Exit code 1 where one breaks."""
    from console.audit import run_verify

    sys.exit(run_verify(as_json=as_json))


@audit.command()
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, safe to open in a spreadsheet.")
def export(*, as_csv: bool) -> None:
    """Print every row as a line of JSON."""
    from console.audit import run_export

    sys.exit(run_export(as_csv=as_csv))


@click.group()
def keys() -> None:
    """Master keys: list them, turn them, retire them."""


_TO = click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the new keys to this file, for a person to put where they belong.",
)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_keys(*, as_json: bool) -> None:
    """List the master keys: state, age, and how many data keys each wraps."""
    from console.keys import run_list

    sys.exit(run_list(as_json=as_json))


@keys.command()
@_TO
def prepare(*, to: Path | None) -> None:
    """Make a pending key, to be brought to every machine before `rotate`."""
    from console.keys import run_prepare

    sys.exit(run_prepare(to=to))


@keys.command()
@_TO
def rotate(*, to: Path | None) -> None:
    """Seal under a new master key and wrap every data key anew. Goes on where it was stopped."""
    from console.keys import run_rotate

    sys.exit(run_rotate(to=to))


@keys.command()
@click.argument("number", type=click.IntRange(1, 999_999_999))
@_TO
@click.option("--yes", is_flag=True, help="Do not ask.")
def retire(number: int, *, to: Path | None, yes: bool) -> None:
    """Destroy a master key that wraps nothing any more."""
    from console.keys import run_retire

    sys.exit(run_retire(number=number, to=to, yes=yes))
