"""The event bus through the reader of feeds: nothing is lost wherever a step fails."""

import random
import time
from datetime import UTC, datetime

import pytest

from config.practice import SalesforceAccount
from integrations.registry import salesforce_events
from integrations.salesforce.pubsub.feed import PubSubFeed
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.salesforce.pubsub import serving
from integrations.simulator.server import running
from webhooks.bell import CountingBell
from webhooks.feeds import FeedReader

SECRETS = {"consumer_key": "3MVGsimulator", "consumer_secret": "simulator-consumer-secret"}
LEAD = {"LastName": "Invented", "Company": "None"}


def wall():
    return datetime.fromtimestamp(time.time(), UTC)


@pytest.fixture
def org():
    simulator = SalesforceSimulator(SalesforceSettings(), now=wall)
    with running(simulator) as url, serving(simulator, keep_alive_s=0.2) as endpoint:
        simulator.url, simulator.endpoint = url, endpoint
        yield simulator


@pytest.fixture
def start(org, store, accounts, health, clock, monkeypatch):
    """Return what starts a reader of the org's events; all are stopped at the end."""
    monkeypatch.setattr("webhooks.feeds.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("webhooks.feeds.LOOK_S", 0.05)
    readers = []

    def run(*, owner="one", inbox=store.inbox, states=store.feeds):
        account = SalesforceAccount(
            crm="salesforce", name="portal", organization_id=org.settings.organization_id,
            base_url=org.url, consumer_key={"env": "A"}, consumer_secret={"env": "B"},
            events=True, events_endpoint=org.endpoint,
        )  # fmt: skip
        bus = salesforce_events(account, SECRETS, now=wall, clock=time.monotonic, sleep=time.sleep)
        feed = PubSubFeed(
            bus, organization_id=account.organization_id, topic=account.topic,
            namespace=None, clock=time.monotonic,
        )  # fmt: skip
        reader = FeedReader(
            owner=owner, feeds={"portal": feed}, states=states, inbox=inbox, accounts=accounts,
            installs=store.installs,
            health=health, bell=CountingBell(), clock=clock,
            rng=random.Random(1),  # noqa: S311  jitter
        )  # fmt: skip
        reader.start()
        readers.append(reader)
        return reader

    yield run
    for reader in readers:
        reader.stop(5)


class Fails:
    """Stands before a part of the store: what `when` says fails, before or after it is done."""

    def __init__(self, part, method, *, turns, is_done=False):
        self._part, self._method, self._turns, self._is_done = part, method, turns, is_done

    def __getattr__(self, name):
        found = getattr(self._part, name)
        if name != self._method:
            return found

        def call(*args, **given):
            self._turns -= 1
            if self._turns < 0:
                return found(*args, **given)
            if self._is_done:
                found(*args, **given)
            raise RuntimeError("a crash here")

        return call


def until(condition):
    ends = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.02)


def stored(store):
    from orjson import loads  # noqa: PLC0415

    rows = [row for item in store.inbox.waiting(99) for row in loads(item.body)["events"]]
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("part", "method", "is_done"),
    [("inbox", "append", False), ("inbox", "append", True), ("feeds", "advance", False)],
    ids=["before_the_store", "after_the_store", "before_the_position"],
)
def test_crash_at_any_step_loses_no_event(start, store, org, part, method, is_done):
    before = org.create_leads([LEAD] * 30)
    broken = Fails(getattr(store, part), method, turns=3, is_done=is_done)
    start(**{"inbox" if part == "inbox" else "states": broken})
    until(lambda: set(stored(store)) == set(before))
    later = org.create_leads([LEAD] * 3)
    until(lambda: set(stored(store)) == {*before, *later})

    position = store.feeds.state("portal", "salesforce_event").position
    assert bytes.fromhex(position) <= org.bus.latest().to_bytes(8, "big")


def test_another_worker_goes_on_after_what_is_stored(start, store, org):
    before = org.create_leads([LEAD] * 5)
    first = start()
    until(lambda: len(stored(store)) == 5)
    first.stop(5)
    later = org.create_leads([LEAD] * 5)
    start(owner="two")
    until(lambda: len(stored(store)) == 10)

    assert sorted(stored(store)) == sorted([*before, *later])


def test_stop_is_quick_while_nothing_happens(start, store):
    reader = start()
    until(lambda: store.feeds.state("portal", "salesforce_event"))
    time.sleep(0.3)
    began = time.monotonic()
    reader.stop(20)

    assert time.monotonic() - began < 3
