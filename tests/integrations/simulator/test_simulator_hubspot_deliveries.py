"""Webhooks of the HubSpot simulator: signatures, events, batches, retries."""

import json
import random
import time

import pytest

from integrations.simulator.hubspot.events import RETRY_GAPS_S, retry_gap_s
from integrations.simulator.hubspot.signing import signature_v1, signature_v3

SPEEDUP = 1e7
INPUT = {"email": "p1@example.test", "inquiry_type": "price_question", "city": "Elm"}


@pytest.fixture
def sending(make_hubspot, receiver, serve):
    """Serve a simulator that delivers to `receiver`."""
    opened = []

    def start(**settings):
        simulator = make_hubspot(
            **{"target_url": receiver.url, "retry_speedup": SPEEDUP, **settings}
        )
        context = serve(simulator)
        opened.append(context)
        simulator.base_url = context.__enter__()
        return simulator

    yield start
    receiver.gate.set()
    for context in opened:
        context.__exit__(None, None, None)


def test_signatures_equal_every_vector(recorded):
    checked = 0
    for vector in recorded("signature.vectors.json"):
        body, secret = vector["body"].encode(), vector["client_secret"]
        if vector["version"] == "v1":
            made = signature_v1(secret, body)
        elif vector["version"] == "v3":
            uri = vector["request_uri_as_received"]
            made = signature_v3(secret, vector["method"], uri, body, vector["timestamp_header"])
        else:
            continue
        checked += 1
        assert made == vector["signature"], vector["id"]

    assert checked == 6


def test_creation_brings_one_event_for_each_subscribed_property(sending, receiver, recorded):
    hubspot = sending()

    [contact] = hubspot.create_contacts([INPUT], source="FORM")

    assert hubspot.wait_until_idle(5)
    by_type = {event["subscriptionType"]: event for event in receiver.events}
    changed = {event.get("propertyName") for event in receiver.events} - {None}
    creation = by_type["contact.creation"]
    assert changed == {"email", "inquiry_type"}
    assert list(creation) == list(recorded("contact.creation.json")[1])
    assert creation["objectId"] == int(contact)
    assert (creation["changeSource"], creation["changeFlag"]) == ("FORM", "CREATED")
    assert creation["occurredAt"] == 1790000000000
    assert len({event["occurredAt"] for event in receiver.events}) == 1


def test_headers_prove_the_body_under_the_registered_url(sending, receiver):
    registered = "https://scoring.practice.example/webhooks/hubspot"
    hubspot = sending(target_url=registered, connect_url=receiver.url)

    hubspot.create_contacts([INPUT])

    assert hubspot.wait_until_idle(5)
    secret = hubspot.settings.client_secret
    for _, headers, body in receiver.requests:
        stamp = headers["X-HubSpot-Request-Timestamp"]
        assert stamp == "1790000000000"
        assert headers["X-HubSpot-Signature-v3"] == signature_v3(
            secret, "POST", registered, body, stamp
        )
        assert headers["X-HubSpot-Signature"] == signature_v1(secret, body)
        assert headers["X-HubSpot-Signature-Version"] == "v1"


def test_ui_change_names_the_user_and_api_write_names_the_app(sending, receiver, recorded, api):
    hubspot = sending(subscribed_properties=("jobtitle", "lead_score"))
    [contact] = hubspot.create_contacts([{"lastname": "One"}])
    hubspot.update_contact(contact, {"jobtitle": "Clinic Manager"})
    body = {"inputs": [{"id": contact, "properties": {"lead_score": "72"}}]}
    api(hubspot)("POST", "/crm/objects/2026-09/contacts/batch/update", body)

    assert hubspot.wait_until_idle(5)
    changes = {
        event["propertyName"]: event for event in receiver.events if "propertyName" in event
    }
    own = recorded("contact.propertyChange.own-write.json")[0]
    assert list(changes["jobtitle"]) == list(recorded("contact.propertyChange.json")[1])
    assert changes["jobtitle"]["sourceId"].startswith("userId:")
    assert list(changes["lead_score"]) == list(own)
    assert changes["lead_score"]["changeSource"] == "INTEGRATION"
    assert changes["lead_score"]["sourceId"] == str(hubspot.settings.app_id)


def test_unsubscribed_and_unchanged_properties_make_no_event(sending, receiver):
    hubspot = sending(subscribed_events=())
    [contact] = hubspot.create_contacts([{"city": "Elm"}])
    hubspot.update_contact(contact, {"city": "Oak"})
    hubspot.update_contact(contact, {"jobtitle": "Nurse"})

    assert hubspot.wait_until_idle(5)
    assert receiver.requests == []


def test_cleared_property_is_told_with_empty_text(sending, receiver):
    hubspot = sending()
    [contact] = hubspot.create_contacts([{"message": "hello"}])
    hubspot.update_contact(contact, {"message": ""})

    assert hubspot.wait_until_idle(5)
    values = [event["propertyValue"] for event in receiver.events if "propertyName" in event]
    assert sorted(values) == ["", "hello"]


def test_deletion_restore_merge_and_privacy_deletion_have_the_sampled_fields(
    sending, receiver, recorded
):
    hubspot = sending()
    first, second, third = hubspot.create_contacts([{"lastname": name} for name in "ABC"])
    hubspot.delete_contact(first)
    hubspot.restore_contact(first)
    hubspot.merge_contacts(first, second)
    hubspot.privacy_delete(third)

    assert hubspot.wait_until_idle(5)
    kinds = [event["subscriptionType"] for event in receiver.events]
    assert kinds.count("contact.deletion") == 2
    for name in ("deletion", "restore", "merge", "privacyDeletion"):
        event = next(
            each for each in receiver.events if each["subscriptionType"] == f"contact.{name}"
        )
        assert list(event) == list(recorded(f"contact.{name}.json")[0])
    with pytest.raises(KeyError):
        hubspot.restore_contact(third)


def test_generic_events_have_the_sampled_fields(sending, receiver, recorded):
    hubspot = sending(generic_events=True)
    hubspot.create_contacts([{"email": "p1@example.test"}], source="CRM_UI")

    assert hubspot.wait_until_idle(5)
    sample = {
        each["subscriptionType"]: list(each) for each in recorded("object.creation.contact.json")
    }
    made = {each["subscriptionType"]: list(each) for each in receiver.events}
    assert made == sample


def test_flood_is_sent_in_batches_of_at_most_100_and_10_at_once(make_hubspot, receiver, serve):
    hubspot = make_hubspot(target_url=receiver.url)
    hubspot.create_contacts([{"lastname": f"L{number}"} for number in range(1500)])
    receiver.gate.clear()

    with serve(hubspot):
        deadline = time.monotonic() + 5
        while receiver.in_flight < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        held = receiver.in_flight
        receiver.gate.set()
        assert hubspot.wait_until_idle(10)

    sizes = [len(json.loads(body)) for _, _, body in receiver.requests]
    assert held == receiver.most_in_flight == 10
    assert sizes == [100] * 15
    assert hubspot.counters["events_acknowledged"] == 1500


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_anything_but_2xx_is_sent_again_with_a_higher_attempt(sending, receiver, status):
    receiver.answers = [(status, b""), (status, b"")]
    hubspot = sending(subscribed_properties=())

    hubspot.create_contacts([INPUT])

    assert hubspot.wait_until_idle(5)
    assert [event["attemptNumber"] for event in receiver.events] == [0, 1, 2]
    assert len({event["eventId"] for event in receiver.events}) == 1
    counters = hubspot.counters
    assert counters["deliveries_sent"] == 3
    assert counters["deliveries_retried"] == 2
    assert counters["deliveries_acknowledged"] == counters["events_acknowledged"] == 1


def test_every_attempt_is_signed_afresh(sending, receiver, clock):
    receiver.answer = (500, b"")
    hubspot = sending(subscribed_properties=(), retry_speedup=2000.0)
    hubspot.create_contacts([INPUT])
    deadline = time.monotonic() + 5
    while len(receiver.requests) < 2 and time.monotonic() < deadline:
        clock.forward(minutes=10)
        receiver.answer = (204, b"") if receiver.requests else (500, b"")
        time.sleep(0.005)

    assert hubspot.wait_until_idle(5)
    stamps = [headers["X-HubSpot-Request-Timestamp"] for _, headers, _ in receiver.requests]
    signatures = [headers["X-HubSpot-Signature-v3"] for _, headers, _ in receiver.requests]
    assert len(set(stamps)) == len(set(signatures)) == len(stamps) >= 2


def test_delivery_is_given_up_after_ten_more_tries(sending, receiver):
    receiver.answer = (500, b"")
    hubspot = sending(subscribed_properties=())

    hubspot.create_contacts([INPUT])

    assert hubspot.wait_until_idle(5)
    assert [event["attemptNumber"] for event in receiver.events] == list(range(11))
    assert hubspot.counters["deliveries_given_up"] == hubspot.counters["events_given_up"] == 1


def test_retries_are_spread_over_at_most_a_day(hubspot):
    chance = random.Random(3)  # noqa: S311 - repeatable
    gaps = [retry_gap_s(attempt, speedup=1.0, chance=chance) for attempt in range(11)]

    assert gaps[10] is None
    assert 3600 * 8 < sum(gaps[:10]) <= sum(RETRY_GAPS_S) <= 86_400
    assert len(set(gaps)) == 11


def test_slow_receiver_counts_as_failed(sending, receiver):
    receiver.gate.clear()
    hubspot = sending(subscribed_properties=(), timeout_s=0.05)

    hubspot.create_contacts([INPUT])
    deadline = time.monotonic() + 5
    while hubspot.counters["deliveries_sent"] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    receiver.gate.set()

    assert hubspot.wait_until_idle(5)
    assert hubspot.counters["deliveries_retried"] >= 1


def test_receiver_that_is_away_gets_its_events_once_it_is_back(sending, receiver):
    hubspot = sending(target_url="http://127.0.0.1:9/webhooks/crm", retry_speedup=3000.0)
    hubspot.create_contacts([INPUT])
    assert not hubspot.wait_until_idle(0.05)

    hubspot.set_target(receiver.url)

    assert hubspot.wait_until_idle(5)
    assert hubspot.counters["events_acknowledged"] == 3


def test_mischief_shuffles_and_repeats_but_loses_nothing(make_hubspot, receiver, serve):
    hubspot = make_hubspot(target_url=receiver.url, mischief=True, subscribed_properties=())
    ids = hubspot.create_contacts([{"lastname": f"L{number}"} for number in range(2000)])

    with serve(hubspot):
        assert hubspot.wait_until_idle(10)

    sent = [event["objectId"] for event in receiver.events]
    assert set(sent) == {int(each) for each in ids}
    assert len(sent) - len(ids) == hubspot.counters["duplicate_events_sent"] > 0
    assert sent[:100] != sorted(sent[:100])


def test_events_of_one_moment_share_a_request(sending, receiver):
    hubspot = sending(batch_wait_s=0.2)
    hubspot.create_contacts([INPUT] + [{"lastname": f"L{number}"} for number in range(20)])

    assert hubspot.wait_until_idle(5)
    assert len(receiver.requests) == 1
    assert len(receiver.events) == 23


def test_without_a_target_nothing_is_queued(hubspot):
    hubspot.create_contacts([INPUT])

    assert hubspot.wait_until_idle(0.1)
    assert hubspot.counters["events_queued"] == 0


def test_stopping_takes_less_than_a_second_with_a_retry_pending(make_hubspot, receiver, serve):
    receiver.answer = (500, b"")
    hubspot = make_hubspot(target_url=receiver.url)
    with serve(hubspot):
        hubspot.create_contacts([INPUT])
        assert not hubspot.wait_until_idle(0.2)
        started = time.monotonic()

    assert time.monotonic() - started < 1.0
