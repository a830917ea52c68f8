"""Opens the store for a command of a person, and says who that is."""

import os
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from config.load import environment, load_settings
from config.practice import HubSpotAccount, SalesforceAccount
from config.problems import ConfigError
from config.settings import Settings
from console.cli import UNREACHABLE, USAGE
from console.hardening import forbid_dumps
from store.dialect import StoreError
from store.installs import AccountTokens
from store.keys import KeyFileError, MasterKeys
from store.rooms import Store, open_store
from webhooks.wiring import master_keys, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A person at the command line, with the store open."""

    store: Store
    settings: Settings
    keys: MasterKeys
    actor: str  #: The person's log-in name.
    now: datetime

    def finish(self) -> None:
        """Keep the audit trail's heads apart from the database (S74)."""
        self.store.audit.keep_heads()


@contextmanager
def acting() -> Iterator[Acting]:
    """Open the store until the block ends; ends the process where it cannot be opened."""
    forbid_dumps()
    try:
        settings = load_settings(environment())
        keys = master_keys(settings)
    except (ConfigError, KeyFileError) as error:
        click.echo(str(error), err=True)
        sys.exit(USAGE)
    try:
        store = open_store(
            settings.database_url,
            keys,
            settings.audit_heads_file,
            settings.tombstones,
            reserve_bytes=settings.disk_reserve_bytes,
        )
    except StoreError as error:
        click.echo(str(error), err=True)
        sys.exit(UNREACHABLE)
    try:
        yield Acting(store=store, settings=settings, keys=keys, actor=login_name(), now=utc_now())
    finally:
        store.close()


@contextmanager
def token_shelves(
    accounts: Iterable[HubSpotAccount | SalesforceAccount],
) -> Iterator[Callable[[str], AccountTokens | None]]:
    """Return what gives an account's tokens, until the block ends.

    The store is opened only where one of `accounts` keeps its tokens there.
    """
    if not any(isinstance(each, HubSpotAccount) and each.auth == "oauth" for each in accounts):
        yield lambda _: None
        return
    with acting() as at:
        yield at.store.installs.of


def login_name() -> str:
    """Return who runs this command, as the system knows them."""
    """Return who runs this process, as the system names them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:80]
    except KeyError:
        return f"uid {os.getuid()}"
