"""`leadscore install` and `uninstall`: an app of HubSpot that a portal installs by OAuth."""

import click

from config.practice import HubSpotAccount
from console.acting import Acting, acting
from console.cli import FINDINGS, USAGE
from console.loading import BadConfigurationError, Configuration, load_configuration
from integrations.errors import CrmError
from integrations.registry import oauth_app
from store.installs import INVITED_FOR


def run_install(*, account: str) -> int:
    """Print a link that installs the app in the account's portal; return the exit code."""
    found = _account(account)
    if found is None:
        return USAGE
    loaded, portal = found
    with acting() as at:
        _ensure(at, loaded)
        invitation = at.store.installs.invite(portal.name, at.actor, at.now)
        at.finish()
    hours = int(INVITED_FOR.total_seconds() // 3600)
    click.echo(
        f"Open this, or send it to an admin of portal {portal.portal_id};"
        f" it is good once, for {hours} h:\n\n  {portal.start_address}?invitation={invitation}\n"
    )
    click.echo(f"The app must have this redirect URL registered: {portal.redirect_address}")
    click.echo("`leadscore serve` or `receive` must be running there. Then: leadscore doctor")
    return 0


def run_uninstall(*, account: str, yes: bool) -> int:
    """Give the account's tokens back to HubSpot and delete them; return the exit code."""
    found = _account(account)
    if found is None:
        return USAGE
    loaded, portal = found
    if not yes:
        click.confirm(f"End the access to portal {portal.portal_id}?", abort=True)
    with acting() as at:
        _ensure(at, loaded)
        at.store.installs.withdraw(portal.name)  # nobody shall connect it again by an old link
        held = at.store.installs.of(portal.name).read()
        code = 0
        if held is not None:
            app = oauth_app(portal, loaded.secrets[portal.name])
            try:
                app.revoke(held.refresh_token)
            except CrmError as error:
                click.echo(
                    f"{portal.name}: HubSpot did not take the token back ({error}); remove the"
                    " app in the portal: Settings, Integrations, Connected apps",
                    err=True,
                )
                code = FINDINGS
            finally:
                app.close()
        is_new = at.store.installs.mark_uninstalled(portal.name, at.actor, at.now)
        at.finish()
    click.echo(f"{portal.name}: {'its tokens are deleted' if is_new else 'was not installed'}")
    return code


def _ensure(at: Acting, loaded: Configuration) -> None:
    at.store.accounts.ensure(
        (each.name, each.crm, each.external_id) for each in loaded.practice.accounts
    )


def _account(name: str) -> tuple[Configuration, HubSpotAccount] | None:
    """Return the configuration and the account of that name, or say what is wrong with it."""
    try:
        loaded = load_configuration()
    except BadConfigurationError as error:
        click.echo(str(error), err=True)
        return None
    portals = {
        each.name: each
        for each in loaded.practice.accounts
        if isinstance(each, HubSpotAccount) and each.auth == "oauth"
    }
    if name not in portals:
        there = ", ".join(portals) or "none"
        click.echo(f'{name}: no HubSpot account with auth = "oauth"; there are: {there}', err=True)
        return None
    return loaded, portals[name]
