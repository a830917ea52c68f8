"""Opens the whole store at once."""

from dataclasses import dataclass
from pathlib import Path

from store.accounts import Accounts
from store.audit import Audit
from store.dead_letters import DeadLetters
from store.due import Due
from store.engine import Databases, open_databases
from store.inbox import Inbox
from store.keys import MasterKeys
from store.leads import Leads
from store.listings import Listings
from store.retention import Retention
from store.vault import Vault
from store.wakeups import Wakeups, open_wakeups


@dataclass(frozen=True, slots=True)
class Store:
    """The rooms of the database, open."""

    databases: Databases
    inbox: Inbox
    due: Due
    leads: Leads
    accounts: Accounts
    listings: Listings
    dead_letters: DeadLetters
    audit: Audit
    retention: Retention
    wakeups: Wakeups

    def close(self) -> None:
        """End its threads and close all connections."""
        self.wakeups.close()
        self.inbox.close()
        self.databases.close()


def open_store(
    database_url: str, keys: MasterKeys, heads: Path, *, reserve_bytes: int = 0
) -> Store:
    """Open the databases.

    Args:
        database_url: Where they are.
        keys: The master keys.
        heads: The file of the audit trail's heads; apart from the database in production.
        reserve_bytes: Size of the disk reserve beside SQLite's files; 0 is none.

    Raises:
        StoreError: They cannot be used as they are.
    """
    databases = open_databases(database_url, reserve_bytes)
    vault = Vault(keys)
    audit = Audit(databases.ledger, vault, heads)
    return Store(
        databases=databases,
        inbox=Inbox(databases.inbox, vault, reserve=databases.reserve),
        due=Due(databases.ledger),
        leads=Leads(databases.ledger, vault),
        accounts=Accounts(databases.ledger),
        listings=Listings(databases.ledger),
        dead_letters=DeadLetters(databases.ledger, audit),
        audit=audit,
        retention=Retention(inbox=databases.inbox, ledger=databases.ledger, audit=audit),
        wakeups=open_wakeups(databases.ledger),
    )
