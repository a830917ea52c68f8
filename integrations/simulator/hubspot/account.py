"""Everything one pretend account is made of, for its API and its public face to share."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from integrations.simulator.counters import Counters
from integrations.simulator.faults import Faults
from integrations.simulator.hubspot.activities import Activities
from integrations.simulator.hubspot.gate import Gate
from integrations.simulator.hubspot.journal import Journal
from integrations.simulator.hubspot.oauth import Tokens
from integrations.simulator.hubspot.properties import Catalog
from integrations.simulator.hubspot.records import Contacts
from integrations.simulator.hubspot.settings import HubSpotSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The parts; `lock` is held by whoever touches the others."""

    settings: HubSpotSettings
    now: Callable[[], datetime]
    lock: threading.RLock
    counts: Counters
    faults: Faults
    catalog: Catalog
    contacts: Contacts
    activities: Activities
    journal: Journal
    tokens: Tokens
    gate: Gate
