"""Opens the whole store at once."""

from dataclasses import dataclass
from pathlib import Path

from store.accounts import Accounts
from store.audit import Audit
from store.dead_letters import DeadLetters
from store.due import Due
from store.engine import Databases, open_databases
from store.erasure import Erasure
from store.feeds import Feeds
from store.inbox import Inbox
from store.installs import Installs
from store.keys import MasterKeys
from store.leads import Leads
from store.listings import Listings
from store.merging import Merging
from store.retention import Retention
from store.rotation import Rotation
from store.tombstones import TombstoneFile, Tombstones
from store.vault import Vault
from store.wakeups import Wakeups, open_wakeups


@dataclass(frozen=True, slots=True)
class Store:
    """The rooms of the database, open."""

    databases: Databases
    vault: Vault
    inbox: Inbox
    due: Due
    leads: Leads
    accounts: Accounts
    installs: Installs
    listings: Listings
    feeds: Feeds
    dead_letters: DeadLetters
    audit: Audit
    retention: Retention
    rotation: Rotation
    erasure: Erasure
    merging: Merging
    wakeups: Wakeups

    def close(self) -> None:
        """End its threads and close all connections."""
        self.wakeups.close()
        self.inbox.close()
        self.databases.close()


def open_store(
    database_url: str,
    keys: MasterKeys,
    heads: Path,
    tombstones: Path | None = None,
    *,
    reserve_bytes: int = 0,
) -> Store:
    """Open the databases.

    Args:
        database_url: Where they are.
        keys: The master keys.
        heads: The file of the audit trail's heads; apart from the database in production.
        tombstones: The file of tombstones, in no backup; None for one beside the heads.
        reserve_bytes: Size of the disk reserve beside SQLite's files; 0 is none.

    Raises:
        StoreError: They cannot be used as they are.
    """
    databases = open_databases(database_url, reserve_bytes)
    vault = Vault(keys)
    audit = Audit(databases.ledger, vault, heads)
    stones = Tombstones(vault)
    return Store(
        databases=databases,
        vault=vault,
        inbox=Inbox(databases.inbox, vault, reserve=databases.reserve),
        due=Due(databases.ledger, stones),
        leads=Leads(databases.ledger, vault),
        accounts=Accounts(databases.ledger),
        installs=Installs(databases.ledger, vault, audit),
        listings=Listings(databases.ledger, stones),
        feeds=Feeds(databases.ledger),
        dead_letters=DeadLetters(databases.ledger, audit, stones),
        audit=audit,
        retention=Retention(inbox=databases.inbox, ledger=databases.ledger, audit=audit),
        rotation=Rotation(
            inbox=databases.inbox, ledger=databases.ledger, vault=vault, audit=audit
        ),
        erasure=Erasure(
            ledger=databases.ledger,
            tombstones=stones,
            audit=audit,
            file=TombstoneFile(tombstones or heads.with_name("tombstones")),
        ),
        merging=Merging(ledger=databases.ledger, vault=vault, tombstones=stones),
        wakeups=open_wakeups(databases.ledger),
    )
