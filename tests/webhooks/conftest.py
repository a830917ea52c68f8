import random
import time
from dataclasses import replace

import pytest

from integrations.mapping import LeadReader
from integrations.registry import build_adapters
from store.accounts import Accounts
from webhooks.bell import CountingBell
from webhooks.health import Health
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.unpack import Unpacker
from webhooks.worker import Worker


@pytest.fixture
def health(clock):
    return Health(clock)


@pytest.fixture
def record():
    """Return what makes an invented contact, as the portal of the practice holds it."""

    def make(**more):
        return {
            "message": "I would like to book a consultation for dental implants.",
            "createdate": "2026-11-23T16:00:00Z",
            "inquiry_type": "",
            "insurance_status": "",
            "insurance_carrier": "",
            "visits": "3",
            **more,
        }

    return make


@pytest.fixture
def new_work(practice, model):
    def make(crm, *, name="portal"):
        account = next(a for a in practice.accounts if a.name == name)
        return AccountWork(
            name=name,
            crm=account.crm,
            client=crm,
            reader=LeadReader(practice.fields[account.crm]),
            model=practice.own(model),
            outputs=practice.outputs(account),
            object_types=account.record_types,
        )

    return make


class Ticks:
    """The clock that leases are watched by: it runs, and can be moved."""

    ahead_s = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead_s


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def accounts(store, practice, ticks):
    store.accounts.ensure((a.name, a.crm, a.external_id) for a in practice.accounts)
    return Accounts(store.databases.ledger, ticks)


@pytest.fixture
def new_unpacker(store, practice, secrets, health, clock):
    def make(**other):
        parts = {
            "adapters": build_adapters(practice, secrets),
            "inbox": store.inbox,
            "due": store.due,
            "dead_letters": store.dead_letters,
            "erasure": store.erasure,
            "merging": store.merging,
            "health": health,
            "clock": clock,
        }
        return Unpacker(**{**parts, **other})

    return make


@pytest.fixture
def new_worker(store, accounts, new_work, new_unpacker, health, clock):
    """Return what starts a worker over a fake CRM; all are stopped at the end."""
    running = []

    def start(*crms, owner="one", clock=clock, names=("portal", "org"), sweeper=None, **more):
        rng = random.Random(7)  # noqa: S311  jitter
        bell = CountingBell()
        worker = Worker(
            owner=owner,
            works=[
                replace(new_work(crm, name=name), **more.get(name, {}))
                for crm, name in zip(crms, names, strict=False)
            ],
            unpacker=new_unpacker(clock=clock),
            pipeline=Pipeline(
                leads=store.leads, merging=store.merging, health=health, clock=clock, rng=rng
            ),
            due=store.due,
            accounts=accounts,
            health=health,
            bell=bell,
            wakeups=store.wakeups,
            clock=clock,
            rng=rng,
            sweeper=sweeper,
            sweep_after_s=0.0,
            poll_s=0.02,
        )
        worker.start()
        running.append(worker)
        return worker

    yield start
    for worker in running:
        worker.stop(5)


@pytest.fixture
def send(service, raw):
    return lambda data, **how: raw(service.port, data, **how)


@pytest.fixture
def good(signed, events, request_bytes):
    """Return what makes an honest delivery of this moment."""

    def make(service, *ids):
        body = events(*(ids or (501,)))
        return request_bytes("/webhooks/hubspot", body, signed(body, at=service.health._clock()))

    return make
