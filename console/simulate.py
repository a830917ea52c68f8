"""`leadscore simulate`: the pretend CRM alone, with the secrets and addresses of practice.toml.

Point an account's `base_url` at it: what the service then reads, writes and receives is invented.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from config.practice import HubSpotAccount, SalesforceAccount
from config.settings import Settings
from console.cli import UNREACHABLE, USAGE
from console.ending import signals_held, wait_for_end
from console.loading import BadConfigurationError, load_configuration
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running
from webhooks.wiring import utc_now


@signals_held()
def run_simulator(*, crm: str, port: int, leads: int, seed: int, speedup: float) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    try:
        loaded = load_configuration()
    except BadConfigurationError as error:
        click.echo(str(error), err=True)
        return USAGE
    account = next((one for one in loaded.practice.accounts if one.crm == crm), None)
    if account is None:
        click.echo(f"practice.toml has no {crm} account", err=True)
        return USAGE
    secrets = loaded.secrets[account.name]
    simulator: HubSpotSimulator | SalesforceSimulator
    if isinstance(account, HubSpotAccount):
        simulator = _hubspot(account, secrets, loaded.settings, speedup)
    else:
        simulator = _salesforce(account, secrets, loaded.settings, speedup)
    try:
        with running(simulator, port=port) as url, _event_bus(simulator, account):
            click.echo(f"pretend {crm} on {url}/ for account {account.name!r} (Ctrl-C ends)")
            if not account.base_url.startswith(url):
                click.echo(f'  set base_url = "{url}" in practice.toml, then: leadscore serve')
            people = invent_people(seed, leads, utc_now())
            if isinstance(simulator, HubSpotSimulator):
                simulator.create_contacts([person.to_hubspot() for person in people])
            else:
                simulator.create_leads([person.to_salesforce() for person in people])
            wait_for_end()
    except OSError as error:
        click.echo(f"cannot listen on port {port}: {error.strerror}", err=True)
        return UNREACHABLE
    return 0


def _hubspot(
    account: HubSpotAccount, secrets: dict[str, str], settings: Settings, speedup: float
) -> HubSpotSimulator:
    return HubSpotSimulator(
        HubSpotSettings(
            portal_id=int(account.portal_id),
            app_id=int(account.app_id),
            access_token=secrets.get("access_token", "(none)"),
            client_id=account.client_id or "simulator-client",
            client_secret=secrets["client_secret"],
            redirect_urls=(account.redirect_address,),
            target_url=account.webhook_url,
            # What is signed is the public address; where it goes is this machine.
            connect_url=f"{_service_url(settings)}/webhooks/hubspot",
            retry_speedup=speedup,
        ),
        now=utc_now,
    )


def _salesforce(
    account: SalesforceAccount, secrets: dict[str, str], settings: Settings, speedup: float
) -> SalesforceSimulator:
    token = secrets.get("path_token")
    is_signed = account.callout_secret is not None
    own = SalesforceSettings()
    return SalesforceSimulator(
        SalesforceSettings(
            organization_id=account.organization_id,
            consumer_key=secrets["consumer_key"],
            consumer_secret=secrets["consumer_secret"],
            # It sends in one way, as an org would: signed if it can be.
            target_url=f"{_service_url(settings)}/webhooks/salesforce/{token}"
            if token and not is_signed
            else None,
            callout_url=f"{_service_url(settings)}/webhooks/salesforce-event/{token}"
            if is_signed
            else None,
            callout_secret=secrets.get("callout_secret", own.callout_secret),
            topic=account.topic,
            retry_speedup=speedup,
        ),
        now=utc_now,
    )


@contextmanager
def _event_bus(
    simulator: HubSpotSimulator | SalesforceSimulator,
    account: HubSpotAccount | SalesforceAccount,
) -> Iterator[None]:
    """Serve the event bus where the account looks for it, if that is on this machine."""
    if (
        isinstance(simulator, SalesforceSimulator)
        and isinstance(account, SalesforceAccount)
        and account.events
        and account.events_endpoint.startswith("http://")
    ):
        # Imported here: it needs the extra `pubsub`.
        from integrations.simulator.salesforce.pubsub import serving  # noqa: PLC0415

        with serving(simulator, port=urlsplit(account.events_endpoint).port or 80) as endpoint:
            click.echo(f"  its event bus on {endpoint}")
            yield
        return
    yield


def _service_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.listen_host == "0.0.0.0" else settings.listen_host  # noqa: S104
    return f"http://{host}:{settings.listen_port}"
