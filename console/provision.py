"""`leadscore provision`: the CRM properties that scores are written to."""

import click

from config.practice import HubSpotAccount
from console.cli import FINDINGS, UNREACHABLE, USAGE
from console.loading import BadConfigurationError, load_configuration
from integrations.errors import AccessError, CrmError
from integrations.registry import provision_account


def run_provision(*, dry_run: bool) -> int:
    """Make what is missing, say what was made; return the exit code."""
    try:
        loaded = load_configuration()
    except BadConfigurationError as error:
        click.echo(str(error), err=True)
        return USAGE
    code = 0
    for account in loaded.practice.accounts:
        if not isinstance(account, HubSpotAccount):
            click.echo(
                f"{account.name}: Salesforce fields are made in its Setup for now;"
                " `leadscore doctor` says which are missing (docs/salesforce.md lists them)"
            )
            continue
        try:
            made = provision_account(
                loaded.practice, account, loaded.secrets[account.name], dry_run=dry_run
            )
        except CrmError as error:
            click.echo(f"{account.name}: {error}", err=True)
            code = max(code, FINDINGS if isinstance(error, AccessError) else UNREACHABLE)
            continue
        verb = "would make" if dry_run else "made"
        click.echo(
            f"{account.name}: {verb} {len(made)} properties" + "".join(f"\n  {n}" for n in made)
        )
    return code
