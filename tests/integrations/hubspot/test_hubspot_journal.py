"""The webhooks journal: what is fetched becomes what would have been sent."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from config.practice import HubSpotAccount
from integrations.budget import DayBudget, RateBudget
from integrations.errors import AccessError, PayloadError, PositionLostError, TransientCrmError
from integrations.http import Caller, RetryPolicy
from integrations.hubspot import wire
from integrations.hubspot.adapter import HubSpotAdapter
from integrations.hubspot.events import Portal
from integrations.hubspot.journal import (
    FILE_HOSTS,
    MOST_REFUSALS,
    SCOPES,
    UNREADABLE,
    Journal,
    JournalFeed,
    subscribe,
    wanted_subscriptions,
)
from integrations.hubspot.oauth import ClientCredentials, OAuthApp

SAMPLE = Path(__file__).parent / "payloads" / "journal.file.json"
WRITTEN = ("lead_score", "lead_score_tier")
CALL = "0-48"


def account_of(**changes):
    given = {
        "crm": "hubspot",
        "name": "portal",
        "portal_id": "4000001",
        "app_id": "7100001",
        "auth": "oauth",
        "client_id": "simulator-client",
        "client_secret": {"env": "B"},
        "redirect_url": "https://scores.example.com/oauth/hubspot/callback",
        "journal": True,
    }
    return HubSpotAccount(**{**given, **changes})


@pytest.fixture
def journal_of(wall):
    """Return what makes the journal of a pretend portal."""
    made = []

    def make(simulator, *, client_secret=None, base_url=None):
        settings = simulator.settings
        app = OAuthApp(simulator.url, settings.client_id, client_secret or settings.client_secret)
        journal = Journal(
            base_url=base_url or simulator.url,
            portal_id=str(settings.portal_id),
            credentials=ClientCredentials(app, SCOPES, now=wall),
            caller=Caller(
                account="portal",
                budget=RateBudget(100, 1.0, clock=time.monotonic, sleep=time.sleep),
                day=DayBudget(0.0),
                retry=RetryPolicy(),
                sleep=lambda _s: None,
            ),
        )
        made.extend((journal, app))
        return journal

    yield make
    for each in made:
        each.close()


@pytest.fixture
def fed(serve, journal_of):
    """Return a portal with all subscriptions, its journal and its feed."""
    simulator, _ = serve(provisioned=True)
    journal = journal_of(simulator)
    subscribe(journal, wanted_subscriptions("4000001", ["message"], {CALL: ()}), dry_run=False)
    return simulator, journal, JournalFeed(journal, app_id="7100001", written=WRITTEN)


def read(portion):
    portal = Portal(
        account="portal",
        portal_id="4000001",
        app_id="7100001",
        secrets=("s",),
        webhook_url="",
        written=frozenset(WRITTEN),
    )
    return HubSpotAdapter([portal]).parse(portion.body, account="portal")


def said(portion):
    return [(e.record.object_type, e.record.record_id, e.cause) for e in read(portion).events]


def all_of(feed, position=""):
    found = []
    while (portion := feed.fetch(position)) is not None:
        position = portion.position
        found.append(portion)
    return found


def test_every_kind_of_event_arrives_once_and_in_order(fed):
    simulator, _, feed = fed
    assert feed.fetch("") is None
    one, two = simulator.create_contacts([{"message": "a"}, {"message": "b"}])
    simulator.update_contact(one, {"message": "c"})
    call = simulator.create_activity("calls", {"hs_timestamp": "1790000000000"}, contact_ids=[])
    first = feed.fetch("")
    assert said(first) == [
        ("contact", one, "created"),
        ("contact", two, "created"),
        ("contact", one, "changed"),
        ("call", call, "created"),
    ]
    assert feed.fetch(first.position) is None

    simulator.link_activity("calls", call, [one])
    simulator.merge_contacts(one, two)
    simulator.delete_contact(one)
    simulator.restore_contact(one)
    simulator.privacy_delete(one)
    second = feed.fetch(first.position)
    found = said(second)
    assert ("contact", one, "linked") in found
    assert [e.into.record_id for e in read(second).events if e.into] == [one]
    assert {"merged", "deleted", "restored", "erased"} <= {cause for *_, cause in found}


def test_no_value_leaves_the_feed(fed):
    simulator, _, feed = fed
    simulator.create_contacts([{"message": "a"}])
    (one,) = simulator.create_contacts([{"message": "marker-of-a-value"}])
    simulator.update_contact(one, {"message": "another-marker-of-a-value"})
    assert b"marker" not in b"".join(portion.body for portion in all_of(feed))


def test_own_writes_are_left_out(fed):
    simulator, journal, feed = fed
    subscribe(
        journal, wanted_subscriptions("4000001", ["message", "lead_score"], {}), dry_run=False
    )
    (one,) = simulator.create_contacts([{"message": "a"}])
    start = all_of(feed)[-1].position
    simulator.update_contact(one, {"lead_score": "71"}, source="INTEGRATION")
    assert [portion.body for portion in all_of(feed, start)] == [b""]


def test_file_comes_whole_and_without_our_token(answering, fed):
    _, journal, _ = fed
    journal._base_url = address = answering(200, SAMPLE.read_bytes())
    assert journal.file(address + "/file") == SAMPLE.read_bytes()


def feed_of(content, position="11111111-2222-4333-8444-555555555555"):
    class Canned:
        portal_id = "4000001"

        def ask(self, _path):
            return {"url": "https://files.hubapi.com/x", "currentOffset": position}

        def file(self, _url):
            return content

    return JournalFeed(Canned(), app_id="7100001", written=WRITTEN)


def test_event_of_the_sample_is_a_change_of_the_contact():
    portion = feed_of(SAMPLE.read_bytes()).fetch("")
    assert said(portion) == [("contact", "501000000001", "changed")]
    assert b"Clinic" not in portion.body


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"journalEvents":[}', b"\xff"])
def test_unreadable_file_is_quarantined_and_not_fetched_for_ever(content):
    portion = feed_of(content).fetch("")
    assert portion.body == UNREADABLE
    with pytest.raises(PayloadError):
        read(portion)


@pytest.mark.parametrize("code", ["file_403", "file_404"])
def test_file_that_stays_away_is_put_aside_in_the_end(code):
    feed = feed_of(b"")
    feed._journal.file = lambda _url: (_ for _ in ()).throw(TransientCrmError(code))
    for _ in range(MOST_REFUSALS - 1):
        with pytest.raises(TransientCrmError):
            feed.fetch("")
    portion = feed.fetch("")
    assert (portion.body, portion.has_gap) == (UNREADABLE, True)


def test_trouble_of_the_files_host_is_waited_for():
    feed = feed_of(b"")
    feed._journal.file = lambda _url: (_ for _ in ()).throw(TransientCrmError("file_503"))
    for _ in range(MOST_REFUSALS + 5):
        with pytest.raises(TransientCrmError):
            feed.fetch("")


def test_one_odd_event_does_not_spoil_the_others():
    events = [None, {"action": "UPDATE"}, {"action": "SNAPSHOT"}, _change("7")]
    parsed = read(feed_of(json.dumps({"journalEvents": events}).encode()).fetch(""))
    assert [e.record.record_id for e in parsed.events] == ["7"]
    assert len(parsed.unreadable) == 2


def _change(record_id, **more):
    return {
        "portalId": 4000001,
        "action": "UPDATE",
        "objectTypeId": "0-1",
        "objectId": int(record_id),
        **more,
    }


def test_file_with_more_events_than_a_delivery_holds_loses_none():
    events = [_change(str(n), action="DELETE") for n in range(1, 1_202)]
    content = json.dumps({"journalEvents": events}).encode()
    feed, position, found = feed_of(content, position="next"), "last", []
    for _ in range(3):
        portion = feed.fetch(position)
        position = portion.position
        found.append(said(portion))
    assert [len(part) for part in found] == [500, 500, 201]
    assert [int(i) for part in found for _, i, _ in part] == list(range(1, 1_202))
    assert position == "next"

    # One that was not stored comes again, and with it all of the file, in another process, too.
    again = feed_of(content, position="next")
    assert said(again.fetch("last.1")) == found[0]
    assert said(again.fetch("last.1")) == found[1]
    assert said(again.fetch("last.1")) == found[0]


def test_file_that_is_too_large_holds_nobody_up():
    feed = feed_of(b"")

    def too_large(_url):
        raise TransientCrmError("reply_too_large")

    feed._journal.file = too_large
    portion = feed.fetch("")
    assert (portion.body, portion.has_gap) == (UNREADABLE, True)


def test_merge_that_does_not_say_who_went_looks_at_the_record_itself():
    body = json.dumps({"journalEvents": [_change("7", action="MERGE")]}).encode()
    assert said(feed_of(body).fetch("")) == [("contact", "7", "changed")]


@pytest.mark.parametrize("offset", ["", None, 5, "a/b", "x" * 101, "../.."])
def test_odd_offset_is_no_position(offset):
    with pytest.raises(TransientCrmError):
        feed_of(SAMPLE.read_bytes(), position=offset).fetch("")


def test_uninstall_is_told_and_is_no_event_of_a_record(fed, wall):
    simulator, _, feed = fed
    simulator.create_contacts([{"message": "a"}])
    assert not feed.fetch("").is_uninstalled
    simulator.revoke_refresh_tokens()
    portion = all_of(feed)[-1]
    assert portion.is_uninstalled
    assert abs(portion.uninstalled_at - wall()) < timedelta(minutes=1)
    assert portion.body == b""


def test_unknown_offset_is_told_apart(fed):
    _, _, feed = fed
    with pytest.raises(PositionLostError):
        feed.fetch("11111111-2222-4333-8444-555555555555")


def test_three_days_are_kept(serve, journal_of, wall):
    simulator, _ = serve(provisioned=True)
    journal = journal_of(simulator)
    subscribe(journal, wanted_subscriptions("4000001", ["message"], {}), dry_run=False)
    kept = simulator._account.journal
    ahead = [timedelta()]
    kept._now = lambda: wall() + ahead[0]
    simulator.create_contacts([{"message": "a"}])
    feed = JournalFeed(journal, app_id="7100001", written=WRITTEN)
    position = feed.fetch("").position
    ahead[0] = timedelta(days=2)
    simulator.create_contacts([{"message": "b"}])
    assert len(all_of(feed, position)) == 1
    ahead[0] = timedelta(days=4)
    with pytest.raises(PositionLostError):
        feed.fetch(position)
    assert len(all_of(feed)) == 1


def test_revoked_token_is_fetched_anew_once(fed):
    simulator, _, feed = fed
    simulator.create_contacts([{"message": "a"}])
    simulator._account.tokens.revoke_access_tokens()
    before = simulator.counters["oauth"]
    assert feed.fetch("") is not None
    assert simulator.counters["oauth"] == before + 1


def test_wrong_client_secret_needs_a_person(serve, journal_of):
    simulator, _ = serve()
    with pytest.raises(AccessError):
        journal_of(simulator, client_secret="wrong").ask(wire.JOURNAL_SUBSCRIPTIONS)


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com/x",
        "http://files.hubapi.com/x",
        "https://hubapi.com.example.com/x",
        "https://nothubapi.com/x",
        "file:///etc/hostname",
        "https://user@files.example.com/hubapi.com",
    ],
)
def test_file_on_a_foreign_host_is_not_fetched(fed, url):
    with pytest.raises(AccessError, match="foreign_host"):
        fed[1].file(url)


def test_hosts_of_files_are_whole_names():
    assert all(not host.startswith(".") and "." in host for host in FILE_HOSTS)


def test_subscriptions_are_made_once_and_widened(serve, journal_of):
    simulator, _ = serve()
    journal = journal_of(simulator)
    wanted = wanted_subscriptions("4000001", ["message"], {CALL: ("hs_call_disposition",)})
    assert len(subscribe(journal, wanted, dry_run=True)) == 5
    assert len(subscribe(journal, wanted, dry_run=False)) == 5
    assert subscribe(journal, wanted, dry_run=False) == []
    more = wanted_subscriptions("4000001", ["message", "phone"], {CALL: ()})
    assert subscribe(journal, more, dry_run=False) == ["object 0-1"]


def test_account_without_an_address_takes_no_delivery_but_needs_an_oauth_app():
    account = account_of()
    assert account.webhook_url == ""
    with pytest.raises(ValueError, match="webhook_url is missing"):
        account_of(journal=False)
    with pytest.raises(ValueError, match='needs auth = "oauth"'):
        account_of(auth="static", client_id=None, access_token={"env": "A"})
    with pytest.raises(ValueError, match="redirect_url is missing"):
        account_of(redirect_url=None)
