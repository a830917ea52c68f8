"""`leadscore serve`, `receive` and `work`: the service until it is told to stop."""

import click

from config.logs import start_logging
from console.cli import UNREACHABLE, USAGE
from console.ending import signals_held, wait_for_end
from console.hardening import forbid_dumps
from console.loading import BadConfigurationError, load_configuration
from store.dialect import StoreError
from store.keys import KeyFileError
from webhooks.wiring import Service, master_keys


@signals_held()
def run_service(*, receives: bool, works: bool) -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    forbid_dumps()
    try:
        loaded = load_configuration()
        keys = master_keys(loaded.settings)
    except (BadConfigurationError, KeyFileError) as error:
        click.echo(str(error), err=True)
        return USAGE
    start_logging(loaded.settings.log_level)
    try:
        service = Service(
            settings=loaded.settings,
            practice=loaded.practice,
            secrets=loaded.secrets,
            model=loaded.model,
            keys=keys,
            receives=receives,
            works=works,
        )
    except StoreError as error:
        click.echo(str(error), err=True)
        return UNREACHABLE
    try:
        service.start()
    except OSError as error:
        where = f"{loaded.settings.listen_host}:{loaded.settings.listen_port}"
        click.echo(f"cannot listen on {where}: {error.strerror}; set LEADSCORE_PORT", err=True)
        service.stop()
        return UNREACHABLE
    click.echo(f"listening on {service.url} (Ctrl-C ends)", err=True)
    wait_for_end()
    service.stop()
    return 0
