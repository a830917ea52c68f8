"""Who activities are with and what happened around contacts, against the pretend portal."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from integrations.base import ActivityClient, Happening, RecordRef
from integrations.errors import AccessError, TransientCrmError
from integrations.hubspot.activities import PROPERTIES, TYPES, happening
from integrations.refusals import KEPT_S
from integrations.registry import activities_read
from integrations.simulator.hubspot.settings import SCOPES

AT = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
TEXT = "2026-11-23T17:00:00.000Z"
CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
READ = ("call", "email", "meeting", "communication", "note")


def now():
    return datetime.fromtimestamp(time.time(), UTC)


def contacts(simulator, count):
    return simulator.create_contacts([{"message": str(n)} for n in range(count)])


def test_the_client_can_read_activities(serve):
    assert isinstance(serve()[1], ActivityClient)


@pytest.mark.parametrize("activity_type", sorted(TYPES))
def test_an_activity_is_with_its_contacts(serve, activity_type):
    simulator, client = serve()
    one, other = contacts(simulator, 2)
    kind = f"{activity_type}s"
    ours = simulator.create_activity(kind, {"hs_timestamp": TEXT}, contact_ids=[one, other])
    nobodys = simulator.create_activity(kind, {"hs_timestamp": TEXT}, contact_ids=[])

    people = client.people(activity_type, [ours, nobodys, "999"])

    assert people == {ours: [RecordRef("contact", one), RecordRef("contact", other)]}
    assert client.calls() == {"associations": 1}


def test_a_batch_of_contacts_takes_two_calls_a_type(serve):
    simulator, client = serve()
    ids = contacts(simulator, 100)
    for contact_id in ids:
        simulator.create_activity("calls", {"hs_timestamp": TEXT}, contact_ids=[contact_id])

    found = client.activities("contact", ids, ["call", "email"])

    assert set(found) == set(ids)
    assert client.calls() == {"associations": 2, "activity_read": 1}
    assert simulator.counters["worst_10s"] == 1  # associations are counted apart


def test_s043_only_kinds_and_times_are_read(serve):
    simulator, client = serve()
    [one] = contacts(simulator, 1)
    simulator.create_activity(
        "notes", {"hs_timestamp": TEXT, "hs_note_body": "MARKER"}, contact_ids=[one]
    )

    found = client.activities("contact", [one], READ)

    assert found == {one: [Happening(medium="note", kind="note", at=AT)]}
    assert not any("body" in name or "subject" in name for p in PROPERTIES.values() for name in p)


def test_of_a_thousand_activities_the_first_and_the_latest_are_read(serve):
    simulator, client = serve()
    [one] = contacts(simulator, 1)
    for n in range(1_001):
        at = (AT + timedelta(minutes=n)).isoformat()
        simulator.create_activity("calls", {"hs_timestamp": at}, contact_ids=[one])

    found = client.activities("contact", [one], ["call"])[one]

    minutes = sorted(round((each.at - AT).total_seconds() / 60) for each in found)
    assert minutes == [*range(10), *range(911, 1_001)]
    assert client.calls() == {"associations": 3, "activity_read": 1}


def test_a_type_that_the_token_may_not_read_is_left_out_and_said_once(serve, caplog):
    scopes = tuple(scope for scope in SCOPES if scope != "sales-email-read")
    simulator, client = serve(scopes=scopes)
    [one] = contacts(simulator, 1)
    for kind in ("calls", "emails"):
        simulator.create_activity(kind, {"hs_timestamp": TEXT}, contact_ids=[one])

    found = [client.activities("contact", [one], READ) for _ in range(2)]

    assert [[each.medium for each in around[one]] for around in found] == [["call"]] * 2
    assert [r.msg for r in caplog.records].count("activities.refused") == 1

    # A person may have granted the scope since: it is asked for again after an hour.
    client._links._refused._clock = lambda: time.monotonic() + KEPT_S + 1
    client.activities("contact", [one], READ)
    assert [r.msg for r in caplog.records].count("activities.refused") == 2


def test_a_token_that_is_no_more_valid_stops_the_account(serve):
    simulator, client = serve()
    [one] = contacts(simulator, 1)
    simulator.faults.answer(
        r"associations", 401, b'{"category": "INVALID_AUTHENTICATION"}', times=9
    )

    with pytest.raises(AccessError):
        client.activities("contact", [one], READ)


@pytest.mark.parametrize(
    "body",
    [
        b'{"results": 7}',
        b'{"results": [7]}',
        b'{"results": [{"from": {"id": "1"}}]}',
        b'{"results": [{"from": {"id": "x"}, "to": []}]}',
        b'{"results": [{"from": {"id": "1"}, "to": [{"toObjectId": "x/../y"}]}]}',
    ],
)
def test_s037_a_strange_answer_is_no_answer(serve, body):
    simulator, client = serve()
    simulator.faults.answer(r"associations", 200, body, times=9)

    with pytest.raises(TransientCrmError, match="bad_reply"):
        client.people("call", ["1"])


def test_s040_the_associations_own_limit_is_never_passed(serve):
    simulator, client = serve(association_rate_per_10s=100)
    [one] = contacts(simulator, 1)
    waits = []
    client._caller._apart["associations"]._sleep = lambda s: waits.append(s) or 1 / 0
    for _ in range(100):
        client.people("call", [one])
    with pytest.raises(ZeroDivisionError):
        client.people("call", [one])

    assert simulator.counters["rate_limited"] == 0
    assert waits[0] > 0


@pytest.mark.parametrize(
    ("activity_type", "properties", "expected"),
    [
        ("call", {"hs_call_direction": "INBOUND"}, ("call", AT, None)),
        ("call", {"hs_call_direction": "OUTBOUND"}, (None, AT, AT)),
        (
            "call",
            {"hs_call_direction": "OUTBOUND", "hs_call_disposition": CONNECTED},
            ("call", AT, AT),
        ),
        ("email", {"hs_email_direction": "INCOMING_EMAIL"}, ("email_reply", AT, None)),
        ("email", {"hs_email_direction": "EMAIL"}, (None, AT, AT)),
        ("email", {"hs_email_direction": "EMAIL", "hs_email_status": "BOUNCED"}, None),
        ("email", {"hs_email_direction": "FORWARDED_EMAIL"}, None),
        ("email", {}, None),
        (
            "meeting",
            {
                "hs_createdate": "2026-11-23T18:00:00Z",
                "hs_meeting_start_time": "2026-11-30T17:00:00Z",
            },
            ("meeting", AT + timedelta(days=7), AT + timedelta(hours=1)),
        ),
        ("meeting", {"hs_meeting_outcome": "CANCELED"}, None),
        ("meeting", {"hs_meeting_outcome": "NO_SHOW"}, None),
        ("communication", {"hs_communication_channel_type": "SMS"}, ("sms", AT, AT)),
        ("communication", {"hs_communication_channel_type": "WHATS_APP"}, ("chat", AT, AT)),
        ("note", {}, ("note", AT, None)),
        ("note", {"hs_timestamp": ""}, None),
        ("note", {"hs_timestamp": None}, None),
    ],
)
def test_what_an_activity_tells(activity_type, properties, expected):
    found = happening(activity_type, {"hs_timestamp": TEXT, **properties})

    told = found and (found.kind, found.at, found.answered_at)
    assert told == expected


def test_only_the_types_that_model_and_clock_need_are_read(portal_at):
    silent = portal_at(first_response_from=())

    assert activities_read(silent, []) == frozenset()
    assert activities_read(silent, ["web_visit", "email_open"]) == frozenset()
    assert activities_read(silent, ["sms", "note"]) == {"communication", "note"}
    assert activities_read(portal_at(first_response_from=["call"]), ["sms"]) == {
        "call",
        "communication",
    }
    assert activities_read(portal_at(), []) == {"call", "email", "meeting", "communication"}


def test_s040_batches_are_spaced_by_the_budget_of_associations_too(serve):
    """Unspaced, a batch with its four reads of associations waited for them inside its turn."""
    simulator, client = serve()
    ids = contacts(simulator, 3)
    assert client.ready_at(5.0) == 5.0
    for _ in range(9):  # 36 of the 100 or 150 that are admitted in ten seconds
        client.read("contact", ids, ["message"])
        client.activities("contact", ids, ["call", "email", "meeting", "communication"])
    began = time.monotonic()
    assert client.ready_at(began) > began + 0.1

    client.read("contact", ids, ["message"])  # a batch without activities need not wait for them
    assert client.ready_at(began) < began + 0.1
