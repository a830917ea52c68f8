"""`leadscore serve`, `receive` and `work`: the service until it is told to stop."""

import click

from console.cli import UNREACHABLE
from console.ending import signals_held, wait_for_end
from console.opening import CannotOpenError, open_service


@signals_held()
def run_service(*, receives: bool, works: bool) -> int:
    """Run until SIGINT or SIGTERM; return the exit code."""
    try:
        service = open_service(receives=receives, works=works)
    except CannotOpenError as error:
        return error.code
    try:
        service.start()
    except OSError as error:
        click.echo(
            f"cannot listen on {service.address}: {error.strerror}; set LEADSCORE_PORT", err=True
        )
        service.stop()
        return UNREACHABLE
    click.echo(f"listening on {service.url} (Ctrl-C ends)", err=True)
    wait_for_end()
    service.stop()
    return 0
