"""Salesforce's other two ways: signed callouts, and a practice that has no inbound port."""

import dataclasses
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from config.load import load_secrets
from config.models import packaged_model
from config.settings import Settings
from console.stage import demo_practice, free_port
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.salesforce.pubsub import serving
from integrations.simulator.server import running
from store.keys import new_key_file
from webhooks.wiring import Service, master_keys, utc_now

ENV = {
    "HUBSPOT_ACCESS_TOKEN": "pat-invented",
    "HUBSPOT_CLIENT_SECRET": "invented-client-secret",
    "SALESFORCE_CONSUMER_KEY": "3MVGsimulator",
    "SALESFORCE_CONSUMER_SECRET": "simulator-consumer-secret",
    "SALESFORCE_PATH_TOKEN": "t" * 43,
    "SALESFORCE_CALLOUT_SECRET": "invented-callout-secret-0001",
    "SALESFORCE_CALLOUT_SECRET_NEXT": "invented-callout-secret-0002",
}
MARKER = "Zyxomma Quillfeather"
SIGNED = {
    "callout_secret": {"env": "SALESFORCE_CALLOUT_SECRET"},
    "callout_secret_next": {"env": "SALESFORCE_CALLOUT_SECRET_NEXT"},
    "sender_ranges": (),
}
FETCHED = {"events": True, "path_token": None, "sender_ranges": ()}


def lead(message, name=MARKER):
    return {"LastName": name, "Company": "None", "Description": message}


class Scene:
    """A pretend org and the services that work it."""

    def __init__(self, tmp_path, database_url):
        settings = SalesforceSettings(callout_secret=ENV["SALESFORCE_CALLOUT_SECRET"])
        self.org = SalesforceSimulator(
            dataclasses.replace(settings, retry_speedup=600), now=utc_now
        )
        self.stack = ExitStack()
        self.bus = ExitStack()
        self.url = self.stack.enter_context(running(self.org))
        self.endpoint = "http://127.0.0.1:0"
        self.serve_bus()
        self.port = free_port()
        self.key_file = tmp_path / "keys" / "master.key"
        new_key_file(self.key_file)
        self.database_url = database_url
        self.services = []

    def serve_bus(self):
        port = int(self.endpoint.rpartition(":")[2])
        self.endpoint = self.bus.enter_context(serving(self.org, port=port, keep_alive_s=0.5))

    def practice(self, changes):
        practice = demo_practice(
            hubspot_url="http://127.0.0.1:1", salesforce_url=self.url,
            service_url="http://127.0.0.1",
        )  # fmt: skip
        account = next(each for each in practice.accounts if each.crm == "salesforce")
        where = {"events_endpoint": self.endpoint} if changes.get("events") else {}
        given = account.model_dump(exclude_unset=True)
        made = type(account)(**{**given, **where, **changes})
        return practice.model_copy(update={"accounts": [made]})

    def start(self, changes):
        practice = self.practice(changes)
        settings = Settings(
            database_url=self.database_url, master_key_file=self.key_file,
            listen_port=self.port, disk_reserve_mb=0,
        )  # fmt: skip
        service = Service(
            settings=settings,
            practice=practice,
            secrets=load_secrets(practice, ENV),
            model=packaged_model(),
            keys=master_keys(settings),
        )
        service.start()
        self.services.append(service)
        return service

    def scored(self):
        return {i for i, values in self.org.leads().items() if values.get("Lead_Score_Tier__c")}

    def close(self):
        for service in self.services:
            service.stop()
        self.bus.close()
        self.stack.close()


@pytest.fixture
def scene(tmp_path, database_url):
    found = Scene(tmp_path, database_url)
    yield found
    found.close()


def until(condition):
    ends = time.monotonic() + 25
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.05)


def test_practice_without_an_inbound_port_is_scored_through_the_event_bus(scene, tmp_path, dumped):
    before = scene.org.create_leads([lead("I need an implant, please call.")] * 3)
    service = scene.start(FETCHED)
    until(lambda: scene.scored() == set(before))
    later = scene.org.create_leads([lead("Do you take my insurance?")])
    until(lambda: scene.scored() == {*before, *later})

    assert service.store.feeds.state("salesforce", "salesforce_event").position
    assert scene.org.counters["deliveries_sent"] == 0
    began = time.monotonic()
    service.stop()
    scene.services.remove(service)
    assert time.monotonic() - began < 5
    dumped()
    files = [path for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if MARKER.encode() in path.read_bytes()]


def test_restart_of_the_service_goes_on_where_it_was(scene):
    scene.org.create_leads([lead("I need an implant, please call.")])
    service = scene.start(FETCHED)
    until(scene.scored)
    position = service.store.feeds.state("salesforce", "salesforce_event").position
    service.stop()
    scene.services.remove(service)
    (later,) = scene.org.create_leads([lead("Do you take my insurance?")])
    asked = []
    number_of = scene.org.bus.number_of
    scene.org.bus.number_of = lambda replay_id: (asked.append(replay_id), number_of(replay_id))[1]
    scene.start(FETCHED)
    until(lambda: later in scene.scored())

    assert asked[0].hex() >= position  # a sign of life may have come after it was looked at


def test_event_bus_that_was_away_loses_nothing(scene, monkeypatch):
    monkeypatch.setattr("webhooks.feeds.FIRST_PAUSE_S", 0.2)
    scene.start(FETCHED)
    one = scene.org.create_leads([lead("I need an implant, please call.")])
    until(lambda: scene.scored() == set(one))
    scene.bus.close()
    two = scene.org.create_leads([lead("Do you take my insurance?")] * 2)
    scene.serve_bus()
    until(lambda: scene.scored() == {*one, *two})


def test_deleted_lead_goes_from_the_cache(scene):
    service = scene.start(FETCHED)
    gone, stays = scene.org.create_leads([lead("I need an implant, please call.")] * 2)
    facts = service.store.leads.facts
    until(lambda: all(facts("salesforce", "Lead", i) for i in (gone, stays)))
    scene.org.delete_lead(gone)

    until(lambda: facts("salesforce", "Lead", gone) is None)
    assert facts("salesforce", "Lead", stays) is not None


def test_signed_callouts_are_enough_and_are_sent_again_until_they_are_taken(scene):
    target = f"http://127.0.0.1:{scene.port}/webhooks/salesforce-event/"
    scene.org.set_callout(target + ENV["SALESFORCE_PATH_TOKEN"])
    before = scene.org.create_leads([lead("I need an implant, please call.")])  # nobody listens
    service = scene.start(SIGNED)
    later = scene.org.create_leads([lead("Do you take my insurance?")] * 2)
    until(lambda: scene.scored() == {*before, *later})
    assert scene.org.counters["events_acknowledged"] >= 3

    scene.org.set_callout(target + "w" * 43)
    scene.org.create_leads([lead("Hello")])
    refused = 'rejected_total{crm="salesforce_event",reason="path_token_unknown"}'
    until(lambda: refused in service.health.exposition().decode())
