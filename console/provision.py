"""`leadscore provision`: the CRM properties that scores are written to."""

import click

from config.practice import HubSpotAccount, SalesforceAccount
from config.register import activity_kinds
from console.acting import token_shelves
from console.cli import FINDINGS, UNREACHABLE, USAGE
from console.loading import BadConfigurationError, Configuration, load_configuration
from integrations.errors import AccessError, CrmError
from integrations.salesforce.setup import advice_of
from integrations.setting_up import provision_account
from store.installs import AccountTokens
from webhooks.wiring import utc_now


def run_provision(*, only: str, dry_run: bool) -> int:
    """Make what is missing, say what was made; return the exit code.

    `only` is a CRM or an account; empty is all.
    """
    try:
        loaded = load_configuration()
    except BadConfigurationError as error:
        click.echo(str(error), err=True)
        return USAGE
    accounts = [a for a in loaded.practice.accounts if only in {"", a.crm, a.name}]
    if not accounts:
        names = ", ".join(account.name for account in loaded.practice.accounts)
        click.echo(f"{only}: no such CRM or account; there are: {names}", err=True)
        return USAGE
    with token_shelves(accounts) as shelf_of:
        return max(
            _one(loaded, account, shelf_of(account.name), dry_run=dry_run) for account in accounts
        )


def _one(
    loaded: Configuration,
    account: HubSpotAccount | SalesforceAccount,
    shelf: AccountTokens | None,
    *,
    dry_run: bool,
) -> int:
    try:
        plan = provision_account(
            loaded.practice,
            account,
            loaded.secrets[account.name],
            dry_run=dry_run,
            kinds=activity_kinds(loaded.model),
            shelf=shelf,
            now=utc_now,
        )
    except CrmError as error:
        advice = advice_of(error) if isinstance(account, SalesforceAccount) else ""
        if error.code == "MISSING_SCOPES":
            advice = "; properties are made with the scope crm.schemas.contacts.write"
        click.echo(f"{account.name}: {error}{advice}", err=True)
        return FINDINGS if isinstance(error, AccessError) else UNREACHABLE
    verb = "would make" if dry_run else "made"
    for step in plan.steps:
        click.echo(f"{account.name}: {verb} {step.text}")
    for problem in plan.problems:
        click.echo(f"{account.name}: {problem}", err=True)
    if not plan.steps and not plan.problems:
        click.echo(f"{account.name}: everything is there")
    return FINDINGS if plan.problems else 0
