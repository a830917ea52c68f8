"""Builds the service for a command; says what is wrong, and with which exit code the command ends."""

import click

from config.logs import start_logging
from console.cli import UNREACHABLE, USAGE
from console.hardening import forbid_dumps
from console.loading import BadConfigurationError, load_configuration
from store.dialect import StoreError
from store.keys import KeyFileError
from webhooks.wiring import Service, master_keys


class CannotOpenError(Exception):
    """The service cannot be built; what is wrong was printed."""

    def __init__(self, code: int) -> None:
        self.code = code  #: The command's exit code.
        super().__init__(f"exit code {code}")


def open_service(*, receives: bool, works: bool, log_level: str | None = None) -> Service:
    """Return the service, not yet started.

    Args:
        receives: It takes webhooks.
        works: It works what was received.
        log_level: Another level than the settings name.

    Raises:
        CannotOpenError: Configuration, keys or database do not allow it.
    """
    forbid_dumps()
    try:
        loaded = load_configuration()
        keys = master_keys(loaded.settings)
    except (BadConfigurationError, KeyFileError) as error:
        click.echo(str(error), err=True)
        raise CannotOpenError(USAGE) from None
    start_logging(log_level or loaded.settings.log_level)
    try:
        return Service(
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
        raise CannotOpenError(UNREACHABLE) from None
