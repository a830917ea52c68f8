"""Opens the whole store at once."""

from dataclasses import dataclass

from store.accounts import Accounts
from store.dead_letters import DeadLetters
from store.due import Due
from store.engine import Databases, open_databases
from store.inbox import Inbox
from store.keys import MasterKeys
from store.leads import Leads
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
    dead_letters: DeadLetters
    wakeups: Wakeups

    def close(self) -> None:
        """End its threads and close all connections."""
        self.wakeups.close()
        self.inbox.close()
        self.databases.close()


def open_store(database_url: str, keys: MasterKeys) -> Store:
    """Open the databases. Raises: StoreError."""
    databases = open_databases(database_url)
    vault = Vault(keys)
    return Store(
        databases=databases,
        inbox=Inbox(databases.inbox, vault),
        due=Due(databases.ledger),
        leads=Leads(databases.ledger, vault),
        accounts=Accounts(databases.ledger),
        dead_letters=DeadLetters(databases.ledger),
        wakeups=open_wakeups(databases.ledger),
    )
