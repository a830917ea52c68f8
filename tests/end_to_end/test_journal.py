"""A practice without a public address: nothing is sent to it, and all is scored."""

import re
import time
from datetime import timedelta

import pytest
import requests

from config.load import load_secrets
from config.models import packaged_model
from config.settings import Settings
from console.stage import demo_practice, free_port
from integrations.hubspot.journal import JournalFeed, subscribe, wanted_subscriptions
from integrations.registry import hubspot_journal
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.server import running
from store.keys import new_key_file
from webhooks.wiring import Service, master_keys, utc_now

ENV = {
    "HUBSPOT_ACCESS_TOKEN": "pat-invented",
    "HUBSPOT_CLIENT_SECRET": "invented-client-secret",
    "SALESFORCE_CONSUMER_KEY": "k",
    "SALESFORCE_CONSUMER_SECRET": "s",
    "SALESFORCE_PATH_TOKEN": "t" * 43,
}


@pytest.fixture
def portal():
    settings = HubSpotSettings(
        provisioned=True,
        access_token=ENV["HUBSPOT_ACCESS_TOKEN"],
        client_secret=ENV["HUBSPOT_CLIENT_SECRET"],
    )
    simulator = HubSpotSimulator(settings, now=utc_now)
    with running(simulator) as url:
        simulator.url = url
        yield simulator


@pytest.fixture
def start(tmp_path, database_url, portal):
    """Return what starts the service for the portal; all are stopped at the end."""
    practice = demo_practice(
        hubspot_url=portal.url, salesforce_url="http://127.0.0.1:1", service_url="http://127.0.0.1"
    )
    account = next(each for each in practice.accounts if each.crm == "hubspot")
    # Calls with a static token and the journal as of an OAuth app: the one test for both.
    changes = {"journal": True, "webhook_url": "", "client_id": portal.settings.client_id}
    account = account.model_copy(update=changes)
    practice = practice.model_copy(update={"accounts": [account]})
    key_file = tmp_path / "keys" / "master.key"
    new_key_file(key_file)
    settings = Settings(
        database_url=database_url, master_key_file=key_file, listen_port=free_port(),
        disk_reserve_mb=0,
    )  # fmt: skip
    secrets = load_secrets(practice, ENV)
    journal = hubspot_journal(
        account, secrets[account.name], now=utc_now, clock=time.monotonic, sleep=time.sleep
    )
    read = [source.property for source in practice.fields["hubspot"].values()]
    subscribe(journal, wanted_subscriptions("4000001", read, {"0-48": ()}), dry_run=False)
    journal.close()
    services = []

    def run():
        service = Service(
            settings=settings,
            practice=practice,
            secrets=secrets,
            model=packaged_model(),
            keys=master_keys(settings),
        )
        service.start()
        services.append(service)
        return service

    yield run
    for service in services:
        service.stop()


def scored(portal):
    return {i for i, values in portal.contacts().items() if values.get("lead_score_tier")}


def until(condition):
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.05)


def test_what_happened_while_we_were_away_is_fetched_and_scored(portal, start):
    before = portal.create_contacts([{"message": "I need an implant, please call."}] * 3)
    service = start()
    until(lambda: scored(portal) == set(before))
    later = portal.create_contacts([{"message": "Do you take my insurance?"}])
    until(lambda: scored(portal) == {*before, *later})
    assert service.store.feeds.state("hubspot", "hubspot").position
    assert portal.counters["deliveries_sent"] == 0


def test_restart_goes_on_where_it_was(portal, start):
    portal.create_contacts([{"message": "I need an implant, please call."}])
    service = start()
    until(lambda: scored(portal))
    position = service.store.feeds.state("hubspot", "hubspot").position
    service.stop()
    (later,) = portal.create_contacts([{"message": "Do you take my insurance?"}])
    asked = []
    kept = portal._account.journal
    after = kept.after
    kept.after = lambda offset: (asked.append(offset), after(offset))[1]
    start()
    until(lambda: later in scored(portal))
    assert asked[0] == position


def test_an_operator_sees_that_events_have_not_been_fetched_for_long(portal, start, monkeypatch):
    monkeypatch.setattr("webhooks.wiring.FEED_SILENT", timedelta(seconds=1.5))
    monkeypatch.setattr(JournalFeed, "pause_s", 0.2)
    service = start()
    until(service.store.feeds.fetched)
    until(lambda: service.readiness()["ready"])

    portal.faults.answer("journal", 503, times=1_000)
    until(lambda: not told(service)["can_fetch"])
    assert told(service)["fetched_s"] >= 1.5
    assert told(service)["can_write_back"]
    with pytest.raises(requests.HTTPError, match="503"):
        requests.get(f"{service.url}/readyz", timeout=5).raise_for_status()
    metrics = requests.get(f"{service.url}/metrics", timeout=5).text
    [line] = re.findall(
        r'^leadscore_events_fetched_seconds{account="hubspot"} (.+)$', metrics, re.MULTILINE
    )
    assert float(line) >= 1.5

    portal.faults.clear()
    until(lambda: service.readiness()["ready"])
    until(lambda: told(service)["can_fetch"])


def told(service):
    return service.readiness()["accounts"]["hubspot"]
