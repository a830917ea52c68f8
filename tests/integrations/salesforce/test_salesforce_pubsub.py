"""The Pub/Sub client against a gRPC server made from the published proto."""

import datetime as dt
import json
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.load import check_extras, parse_practice
from config.practice import SalesforceAccount
from config.problems import ConfigError
from integrations.errors import (
    AccessError,
    CrmError,
    PositionLostError,
    RateLimitedError,
    TransientCrmError,
)
from integrations.registry import build_adapters, salesforce_events
from integrations.salesforce.callouts import EventAdapter, EventOrg
from integrations.salesforce.pubsub import feed as feed_module
from integrations.salesforce.pubsub.changes import read_event
from integrations.salesforce.pubsub.feed import WINDOW, PubSubFeed, check
from integrations.salesforce.pubsub.stream import EventBus
from integrations.setting_up import check_account
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.salesforce.events import ALL_CHANGES, change_event
from integrations.simulator.salesforce.pubsub import serving
from integrations.simulator.server import running

PAYLOADS = Path(__file__).parent / "payloads"
SECRETS = {"consumer_key": "3MVGsimulator", "consumer_secret": "simulator-consumer-secret"}
CODES = "/eventbus.v1.PubSub/"
LEAD = {"LastName": "Invented", "Company": "None"}


class Clock:
    def __init__(self):
        self.at = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


class Rig:
    """A pretend org, its event bus, and feeds of it."""

    def __init__(self, clock):
        self.clock = clock
        self.simulator = SalesforceSimulator(SalesforceSettings(), now=clock)
        self.monotonic = 0.0
        self._rest = ExitStack()
        self._bus = ExitStack()
        self.url = self._rest.enter_context(running(self.simulator))
        self.endpoint = ""
        self.serve()
        self._made = []

    def serve(self, **options):
        self._bus.close()
        port = int(self.endpoint.rpartition(":")[2] or 0)
        options = {"keep_alive_s": 0.2, "port": port, **options}
        self.endpoint = self._bus.enter_context(serving(self.simulator, **options))

    def stop_bus(self):
        self._bus.close()

    def account(self, **changes):
        given = {
            "crm": "salesforce",
            "name": "org",
            "organization_id": self.simulator.settings.organization_id,
            "base_url": self.url,
            "consumer_key": {"env": "A"},
            "consumer_secret": {"env": "B"},
            "events": True,
            "events_endpoint": self.endpoint,
            "calls_per_10s": 1000,
        }
        return SalesforceAccount(**{**given, **changes})

    def bus(self, **changes):
        made = salesforce_events(
            self.account(**changes),
            SECRETS,
            now=self.clock,
            clock=lambda: self.monotonic,
            sleep=time.sleep,
        )
        self._made.append(made)
        return made

    def feed(self, *, wait_s=5.0, **changes):
        account = self.account(**changes)
        made = PubSubFeed(
            self.bus(**changes),
            organization_id=account.organization_id,
            topic=account.topic,
            namespace=account.namespace,
            clock=lambda: self.monotonic,
            wait_s=wait_s,
        )
        self._made.append(made)
        return made

    def leads(self, count):
        return self.simulator.create_leads([LEAD] * count)

    @property
    def counters(self):
        return self.simulator.counters

    def close(self):
        for each in self._made:
            each.close()
        self._bus.close()
        self._rest.close()


@pytest.fixture
def rig(clock):
    found = Rig(clock)
    yield found
    found.close()


def read(portion):
    org = EventOrg(
        account="org", organization_id="00D8d000000HLs1EAG", objects=("Lead", "Contact", "Task")
    )
    return EventAdapter([org]).parse(portion.body, account="org")


def said(portion):
    return [(e.record.object_type, e.record.record_id, e.cause) for e in read(portion).events]


def ids_of(feed, count, position=""):
    """Return the ids of `count` events, and the position after them."""
    found = []
    ends = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < ends, f"{len(found)} of {count} came"
        portion = feed.fetch(position)
        if portion is not None:
            position = portion.position
            found += [i for _, i, _ in said(portion)] if portion.body else []
    return found, position


def end_of(feed, position):
    """Fetch until it fails; signs of life move the position."""
    while True:
        portion = feed.fetch(position)
        position = portion.position if portion else position


def test_every_kind_of_change_arrives_once_and_in_order(rig):
    feed = rig.feed()
    one, two = rig.leads(2)
    rig.simulator.update_lead(one, {"Description": "MARKER of a person"})
    rig.simulator.delete_lead(two)

    portion = feed.fetch("")

    assert said(portion) == [
        ("Lead", one, "created"),
        ("Lead", two, "created"),
        ("Lead", one, "changed"),
        ("Lead", two, "deleted"),
    ]
    assert b"MARKER" not in portion.body
    assert portion.position == rig.simulator.bus.latest().to_bytes(8, "big").hex()


def test_what_happened_before_the_first_fetch_is_there_for_72_hours(rig, clock):
    rig.leads(1)
    clock.at += timedelta(hours=73)
    (later,) = rig.leads(1)

    assert ids_of(rig.feed(), 1)[0] == [later]


def test_another_feed_goes_on_where_the_position_says(rig):
    first = rig.feed()
    one = rig.leads(1)
    _, position = ids_of(first, 1)
    first.close()
    two = rig.leads(3)

    assert ids_of(rig.feed(), 3, position)[0] == two
    assert one[0] not in two


def test_portion_that_was_not_stored_is_fetched_again(rig):
    feed = rig.feed()
    rig.leads(2)
    first = feed.fetch("")

    again = feed.fetch("")

    assert again == first
    (later,) = rig.leads(1)
    assert ids_of(feed, 1, again.position)[0] == [later]


def test_all_of_many_events_arrive_and_no_more_are_asked_for_than_are_stored(rig):
    expected = rig.leads(450)
    feed = rig.feed()

    first = feed.fetch("")
    time.sleep(0.3)

    assert rig.counters["events_requested"] == WINDOW
    found, _ = ids_of(feed, 450 - len(said(first)), first.position)
    assert [i for _, i, _ in said(first)] + found == expected


def test_server_cuts_what_is_owed_to_a_hundred(rig):
    rig.leads(150)
    subscription = rig.bus().subscribe(rig.account().topic, b"", 400)
    got = 0
    while (response := subscription.next(0.5)) is not None and response.events:
        got += len(response.events)
    subscription.close()

    assert got == WINDOW


def test_sign_of_life_moves_the_position_without_events(rig):
    feed = rig.feed(events_topic="/data/TaskChangeEvent")
    rig.leads(1)  # of another topic

    portion = feed.fetch("")

    assert portion.body == b""
    assert bytes.fromhex(portion.position) == rig.simulator.bus.latest().to_bytes(8, "big")


def test_sign_of_life_that_comes_while_nothing_is_asked_for_skips_no_event(rig):
    expected = rig.leads(250)
    feed = rig.feed()
    first = feed.fetch("")
    time.sleep(0.7)  # the store is slow: a hundred events came, and then signs of life
    found, position = ids_of(feed, WINDOW - len(said(first)), first.position)
    life = feed.fetch(position)
    feed.close()  # a crash: another process goes on

    rest, _ = ids_of(rig.feed(), 250 - WINDOW, life.position if life else position)

    assert [i for _, i, _ in said(first)] + found + rest == expected


def test_fetch_returns_none_when_nothing_comes_in_time(rig):
    rig.serve(keep_alive_s=60)

    assert rig.feed(wait_s=0.05).fetch("") is None


def test_bus_that_is_silent_for_too_long_is_asked_anew(rig):
    rig.serve(keep_alive_s=60)
    feed = rig.feed(wait_s=0.05)
    feed.fetch("")
    rig.monotonic += feed_module.SILENT_S + 1

    with pytest.raises(TransientCrmError, match="silent"):
        feed.fetch("")
    (lead,) = rig.leads(1)
    assert ids_of(feed, 1)[0] == [lead]


def test_s036_changes_that_we_made_are_skipped(rig):
    feed = rig.feed(events_topic="/data/LeadChangeEvent")
    (lead,) = rig.leads(1)
    _, position = ids_of(feed, 1)
    client = rig.simulator.app.test_client()
    token = client.post(
        "/services/oauth2/token", data={"grant_type": "client_credentials",
        "client_id": SECRETS["consumer_key"], "client_secret": SECRETS["consumer_secret"]},
    ).get_json()["access_token"]  # fmt: skip
    for options in ("client=leadscore", "client=another"):
        answer = client.patch(
            "/services/data/v63.0/composite/sobjects",
            headers={"Authorization": f"Bearer {token}", "Sforce-Call-Options": options},
            json={"records": [{"attributes": {"type": "Lead"}, "id": lead,
                               "Description": options}]},
        )  # fmt: skip
        assert answer.status_code == 200
    seen = []
    while len(seen) < 1:
        portion = feed.fetch(position)
        position = portion.position
        seen += said(portion) if portion.body else []

    assert seen == [("Lead", lead, "changed")]
    assert feed.fetch(position).body == b""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "cdc_lead_update_decoded",
            [{"object": "Lead", "id": "00Q8d0000001aBCEAY", "cause": "changed"}],
        ),
        (
            "cdc_lead_gap_update",
            [{"object": "Lead", "id": "00Q8d0000004aBCEAY", "cause": "changed"}],
        ),
        (
            "cdc_task_create_decoded",
            [{"object": "Task", "id": "00T8d0000001kLmEAI", "cause": "created"}],
        ),
    ],
)
def test_the_references_change_events_are_read(name, expected):
    payload = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["payload"]

    found = read_event(payload)

    assert list(found.rows) == expected
    assert not found.has_gap


def test_s036_the_references_own_write_is_told_by_its_client():
    payload = json.loads((PAYLOADS / "cdc_lead_update_own_write.json").read_text("utf-8"))
    header = payload["payload"]["ChangeEventHeader"]
    assert len(read_event({"ChangeEventHeader": header}).rows) == 2  # the client of another

    origin = header["changeOrigin"].replace("health-lead-score", "leadscore")

    assert read_event({"ChangeEventHeader": {**header, "changeOrigin": origin}}).rows == ()


@pytest.mark.parametrize(
    ("kind", "ids", "rows"),
    [
        ("GAP_OVERFLOW", [], 0),
        ("UPDATE", ["00Q*"], 0),
        ("UPDATE", ["00Q*", "00Q8d0000001aBCEAY"], 1),
        ("GAP_DELETE", ["00Q8d0000001aBCEAY"], 1),
    ],
)
def test_events_that_do_not_name_their_records_tell_of_a_gap(rig, clock, kind, ids, rows):
    event = change_event("Lead", ids, kind, values={}, at=clock())
    rig.simulator.bus.publish(ALL_CHANGES, event)

    portion = rig.feed(events_topic=ALL_CHANGES).fetch("")

    assert portion.has_gap == (kind != "GAP_DELETE")
    assert len(read(portion).events if portion.body else []) == rows


def test_event_that_names_too_many_records_is_spread_and_none_is_lost(rig, clock):
    many = [f"00Q8d{number:010d}" for number in range(450)]
    event = change_event("Lead", many, "UPDATE", values={}, at=clock())
    rig.simulator.bus.publish(ALL_CHANGES, event)
    (after,) = rig.leads(1)
    feed = rig.feed(events_topic=ALL_CHANGES)

    first = feed.fetch("")
    assert first.position == ".1"
    # It could not be stored: all of it comes again.
    again = feed.fetch("")
    assert again == first
    second = feed.fetch(first.position)
    # A crash after the second: another process goes on.
    other = rig.feed(events_topic=ALL_CHANGES)
    found, _ = ids_of(other, 451, second.position)

    assert [i[:15] for i in found] == [*many, after[:15]]


def test_event_that_cannot_be_decoded_is_put_aside_and_swept_for(rig, monkeypatch):
    feed = rig.feed()
    (one,) = rig.leads(1)
    original = feed._payloads._decoded
    turns = iter([True])

    def fail_once(event):
        if next(turns, False):
            raise EOFError
        return original(event)

    monkeypatch.setattr(feed._payloads, "_decoded", fail_once)
    (two,) = rig.leads(1)

    portion = feed.fetch("")
    parsed = read(portion)

    assert [e.record.record_id for e in parsed.events] == [two]
    assert len(parsed.unreadable) == 1
    assert portion.has_gap
    assert one != two


def test_fault_of_our_own_skips_no_event(rig, monkeypatch):
    feed = rig.feed()
    expected = rig.leads(3)
    decode, turns = feed._payloads._decoded, []

    def fail_once(event):
        turns.append(event)
        if len(turns) == 2:
            raise RuntimeError("nobody thought of it")
        return decode(event)

    monkeypatch.setattr(feed._payloads, "_decoded", fail_once)
    with pytest.raises(RuntimeError):
        feed.fetch("")
    later = rig.leads(1)

    assert ids_of(feed, 4)[0] == expected + later


def test_event_of_an_odd_form_is_put_aside(rig, monkeypatch):
    feed = rig.feed()
    rig.leads(1)
    odd = {"ChangeEventHeader": {"recordIds": 5}}
    monkeypatch.setattr(feed._payloads, "_decoded", lambda event: odd)

    portion = feed.fetch("")

    assert portion.has_gap
    assert read(portion).unreadable


def test_fields_of_a_packages_namespace_are_read():
    payload = {
        "clinic__Object__c": "Lead",
        "clinic__Record_Id__c": "00Q8d0000001aBC",
        "clinic__Cause__c": "created",
    }

    found = read_event(payload, namespace="clinic")

    assert list(found.rows) == [{"object": "Lead", "id": "00Q8d0000001aBC", "cause": "created"}]


def test_server_that_comes_back_is_asked_for_what_follows(rig):
    feed = rig.feed()
    before = rig.leads(3)
    found, position = ids_of(feed, 3)
    rig.stop_bus()
    with pytest.raises(TransientCrmError):
        position = end_of(feed, position)
    meanwhile = rig.leads(2)
    rig.serve()
    later, ends = [], time.monotonic() + 20
    while not later:
        assert time.monotonic() < ends
        try:
            later, position = ids_of(feed, 2, position)
        except TransientCrmError:
            time.sleep(0.1)  # as the reader does, for longer

    assert found == before
    assert later == meanwhile


def test_dropped_stream_is_a_passing_failure_and_nothing_is_lost(rig):
    feed = rig.feed()
    one = rig.leads(1)
    _, position = ids_of(feed, 1)
    rig.simulator.bus.drop_streams()
    with pytest.raises(TransientCrmError, match=r"service\.unavailable"):
        position = end_of(feed, position)
    two = rig.leads(1)

    assert ids_of(feed, 1, position)[0] == two
    assert one != two


def test_session_that_ended_is_renewed_once(rig):
    feed = rig.feed()
    one = rig.leads(1)
    _, position = ids_of(feed, 1)
    rig.simulator.expire_sessions()
    rig.monotonic += 60  # the token is not fresh any more
    two = rig.leads(1)

    assert ids_of(feed, 1, position)[0] == two
    assert rig.counters["oauth"] == 2
    assert one != two


def test_fresh_token_that_is_refused_stops_the_account(rig):
    rig.simulator.faults.answer("Subscribe", 16, b"service.auth.error", times=5)

    with pytest.raises(AccessError):
        rig.feed().fetch("")
    rig.monotonic += 60
    feed = rig.feed()
    with pytest.raises(AccessError):
        feed.fetch("")
    assert rig.counters["pubsub"] <= 4


def test_another_organization_is_refused(rig):
    with pytest.raises(AccessError):
        rig.feed(organization_id="00D8d000000Oth1EAG").fetch("")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (3, "subscription.fetch.replayid.corrupted", PositionLostError),
        (3, "subscription.fetch.replayid.validation.failed", PositionLostError),
        (3, "subscription.fetch.requested.events.invalid", AccessError),
        (5, "topic.not.found", AccessError),
        (7, "permission.denied", AccessError),
        (8, "resource.exhausted", RateLimitedError),
        (9, "subscription.limit.exceeded", RateLimitedError),
        (13, "service.internal", TransientCrmError),
        (14, "service.unavailable", TransientCrmError),
        (4, "deadline", TransientCrmError),
    ],
)
def test_each_failure_becomes_the_error_that_says_what_to_do(rig, status, code, error):
    rig.simulator.faults.answer("Subscribe", status, code)

    with pytest.raises(CrmError) as failed:
        rig.feed().fetch("")

    assert type(failed.value) is error
    assert failed.value.code == code


def test_position_that_is_too_old_or_of_another_topic_is_lost(rig, clock):
    feed = rig.feed()
    rig.leads(1)
    _, position = ids_of(feed, 1)
    rig.leads(1)
    feed.close()
    clock.at += timedelta(hours=73)
    rig.leads(1)
    other = rig.feed()

    for lost in (position, "00", "ff" * 8, "nothex"):
        with pytest.raises(PositionLostError):
            other.fetch(lost)
    assert len(ids_of(other, 1)[0]) == 1


def test_close_ends_a_fetch_that_waits(rig):
    rig.serve(keep_alive_s=60)
    feed = rig.feed(wait_s=30)
    found = []
    thread = threading.Thread(target=lambda: found.append(feed.fetch("")))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    feed.close()
    thread.join(5)

    assert found == [None]
    assert time.monotonic() - began < 2
    assert feed.fetch("") is None


def test_schema_that_cannot_be_fetched_loses_no_event(rig):
    rig.simulator.faults.answer("GetSchema", 14, b"service.unavailable")
    feed = rig.feed()
    leads = rig.leads(2)
    with pytest.raises(TransientCrmError):
        feed.fetch("")

    assert ids_of(feed, 2)[0] == leads


def test_schema_is_fetched_once(rig):
    feed = rig.feed()
    rig.leads(30)
    ids_of(feed, 30)

    assert len(feed._payloads._schemas) == 1


def test_doctor_says_whether_the_topic_may_be_read(rig, practice):
    assert check(rig.bus(), rig.account().topic).ok
    wrong = rig.account(events_topic="/event/Wrong__e")
    found = check_account(practice, wrong, SECRETS, now=rig.clock)
    right = check_account(practice, rig.account(), SECRETS, now=rig.clock)

    assert [f.ok for f in found if f.check.startswith("fetches")] == [False]
    assert [f.ok for f in right if f.check.startswith("fetches")] == [True]


def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = dt.datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins - timedelta(days=1))
        .not_valid_after(begins + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, plain), made.public_bytes(pem)


def test_s037_only_a_server_with_a_certificate_that_we_trust_is_spoken_to(rig):
    key, pem = certificate()
    rig.serve(certificate=(key, pem), port=0)
    leads = rig.leads(1)
    endpoint = rig.endpoint.replace("127.0.0.1", "localhost")

    with pytest.raises(TransientCrmError):
        rig.feed(events_endpoint=endpoint).fetch("")

    trusting = EventBus(
        endpoint,
        organization_id="00D8d000000HLs1EAG",
        instance_url=rig.url,
        calls=rig.bus()._calls,
        roots=pem,
    )
    feed = PubSubFeed(
        trusting,
        organization_id="00D8d000000HLs1EAG",
        topic=rig.account().topic,
        namespace=None,
        clock=lambda: rig.monotonic,
        wait_s=5,
    )
    try:
        assert ids_of(feed, 1)[0] == leads
    finally:
        feed.close()


def test_account_without_an_address_needs_no_path_token_and_takes_nothing(practice_text):
    text = practice_text.replace('path_token = { env = "SF_PATH" }', "events = true").replace(
        'sender_ranges = ["127.0.0.0/8"]', ""
    )
    practice = parse_practice(text, "practice.toml")
    secrets = {account.name: {"client_secret": "s"} for account in practice.accounts}

    adapters = build_adapters(practice, secrets)

    assert practice.accounts[1].topic == "/event/Leadscore_Change__e"
    assert {"salesforce", "salesforce_event"} <= adapters.keys()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('events_endpoint = "http://bus.example.com:7443"', "https"),
        ('events_endpoint = "https://bus.example.com/path"', "no path"),
        ('events_topic = "Leadscore_Change__e"', "topic"),
        ('events_topic = "/event/../x__e"', "topic"),
    ],
)
def test_s038_endpoint_and_topic_are_checked(practice_text, line, told):
    text = practice_text.replace("path_token =", f"events = true\n{line}\npath_token =")

    with pytest.raises(ConfigError, match=told):
        parse_practice(text, "practice.toml")


def test_missing_extra_is_told_with_its_remedy(practice_text, monkeypatch):
    text = practice_text.replace("path_token =", "events = true\npath_token =")
    practice = parse_practice(text, "practice.toml")
    check_extras(practice)
    monkeypatch.setattr("config.load.find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'leadscore\[pubsub\]'"):
        check_extras(practice)


def test_grpc_says_nothing_of_a_reply_in_our_errors(rig):
    rig.simulator.faults.answer("Subscribe", 14, "MARKER of a person@example.test")

    with pytest.raises(TransientCrmError) as failed:
        rig.feed().fetch("")

    assert "MARKER" not in str(failed.value)
