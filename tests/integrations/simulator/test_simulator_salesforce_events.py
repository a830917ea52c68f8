"""The pretend org's signed callouts and its event bus, as a client of the published proto sees it."""

import hashlib
import hmac
import json
import re
import time
from pathlib import Path

import grpc
import pytest

from integrations.pubsub_proto import pubsub_api_pb2 as proto
from integrations.pubsub_proto.pubsub_api_pb2_grpc import PubSubStub
from integrations.simulator.salesforce.callouts import GAPS_S
from integrations.simulator.salesforce.events import ALL_CHANGES
from integrations.simulator.salesforce.pubsub import serving

LEAD = {"LastName": "Invented", "Company": "None"}
FLOW = "/event/Leadscore_Change__e"


@pytest.fixture
def sending(make_salesforce, receiver):
    """Return what starts an org whose Apex sends signed messages to `receiver`."""
    made = []

    def start(**settings):
        receiver.answer = (200, b"")
        simulator = make_salesforce(
            callout_url=receiver.url, callout_secret="invented-secret", **settings
        )
        simulator.start()
        made.append(simulator)
        return simulator

    yield start
    for simulator in made:
        simulator.stop()


def test_callout_is_signed_over_timestamp_and_body(sending, receiver, clock):
    salesforce = sending()
    [lead] = salesforce.create_leads([LEAD])

    assert salesforce.wait_until_idle(5)
    _, headers, body = receiver.requests[0]
    sent = headers["X-Leadscore-Timestamp"]
    assert sent == str(round(clock().timestamp() * 1000))
    digest = hmac.new(b"invented-secret", sent.encode() + b"." + body, hashlib.sha256)
    assert headers["X-Leadscore-Signature"] == digest.hexdigest()
    assert json.loads(body) == {
        "organizationId": "00D8d000000HLs1EAG",
        "events": [{"object": "Lead", "id": lead, "cause": "created"}],
    }


def test_callouts_tell_of_changes_of_inputs_and_of_deletions(sending, receiver):
    salesforce = sending()
    [lead] = salesforce.create_leads([LEAD])
    salesforce.update_lead(lead, {"Title": "Dr"})
    salesforce.update_lead(lead, {"Description": "private words"})
    salesforce.delete_lead(lead)

    assert salesforce.wait_until_idle(5)
    rows = [row for _, _, body in receiver.requests for row in json.loads(body)["events"]]
    assert [row["cause"] for row in rows] == ["created", "changed", "deleted"]
    assert all(b"private" not in body for _, _, body in receiver.requests)


def test_callout_is_sent_again_with_a_new_time_and_given_up_at_last(sending, receiver, clock):
    salesforce = sending(retry_speedup=60_000)
    receiver.answers = [(503, b"")]
    salesforce.create_leads([LEAD])
    assert salesforce.wait_until_idle(5)
    assert salesforce.counters["deliveries_acknowledged"] == 1

    receiver.answers = []
    receiver.answer = (500, b"")
    salesforce.create_leads([LEAD])
    assert salesforce.wait_until_idle(5)
    assert salesforce.counters["deliveries_given_up"] == 1
    assert len(receiver.requests) == 2 + len(GAPS_S) + 1


@pytest.fixture
def salesforce(make_salesforce):
    return make_salesforce(session_timeout_s=1_000_000.0)


@pytest.fixture
def bus(salesforce, salesforce_api):
    """Return a stub of the org's event bus, and the metadata of a session."""
    token = salesforce_api(salesforce).token
    metadata = (
        ("accesstoken", token),
        ("instanceurl", "https://clinic-demo.my.salesforce.com"),
        ("tenantid", "00D8d000000HLs1EAG"),
    )
    with serving(salesforce, keep_alive_s=0.1) as endpoint:
        channel = grpc.insecure_channel(endpoint.removeprefix("http://"))
        yield PubSubStub(channel), metadata
        channel.close()


def requests(*counts, topic=FLOW, **first):
    """Yield what asks for events, and stay open."""
    yield proto.FetchRequest(topic_name=topic, num_requested=counts[0], **first)
    for count in counts[1:]:
        yield proto.FetchRequest(num_requested=count)
    time.sleep(0.6)


def numbers_of(bus, *counts, **first):
    """Return the replay ids that came until the bus was silent, in order."""
    stub, metadata = bus
    found = []
    for answer in stub.Subscribe(requests(*counts, **first), metadata=metadata):
        if not answer.events:
            break
        found += [event.replay_id for event in answer.events]
    return found


def test_never_more_events_than_were_asked_for(bus, salesforce):
    salesforce.create_leads([LEAD] * 130)

    assert len(numbers_of(bus, 7, replay_preset=proto.EARLIEST)) == 7
    assert len(numbers_of(bus, 7, 5, replay_preset=proto.EARLIEST)) == 12
    assert len(numbers_of(bus, 500, replay_preset=proto.EARLIEST)) == 100


def test_subscription_begins_where_it_was_asked_to(bus, salesforce, clock):
    salesforce.create_leads([LEAD] * 3)
    every = numbers_of(bus, 10, replay_preset=proto.EARLIEST)

    custom = {"replay_preset": proto.CUSTOM}
    assert numbers_of(bus, 10, replay_id=every[0], **custom) == every[1:]
    assert numbers_of(bus, 10) == []  # the tip
    clock.forward(hours=73)
    salesforce.create_leads([LEAD])
    with pytest.raises(grpc.RpcError) as refused:
        numbers_of(bus, 10, replay_id=every[0], **custom)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    codes = dict(refused.value.trailing_metadata())
    assert codes["error-code"].endswith("subscription.fetch.replayid.corrupted")
    assert len(numbers_of(bus, 10, replay_preset=proto.EARLIEST)) == 1


@pytest.mark.parametrize(
    ("place", "value"), [(0, "wrong"), (1, ""), (2, "00D8d000000Oth1EAG"), (2, "")]
)
def test_session_instance_and_tenant_are_asked_for(bus, place, value):
    stub, metadata = bus
    wrong = [(k, value if at == place else v) for at, (k, v) in enumerate(metadata)]
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetTopic(proto.TopicRequest(topic_name=FLOW), metadata=wrong)

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_topic_names_the_schema_of_its_events(bus):
    stub, metadata = bus
    for topic, field in ((FLOW, "Record_Id__c"), (ALL_CHANGES, "ChangeEventHeader")):
        info = stub.GetTopic(proto.TopicRequest(topic_name=topic), metadata=metadata)
        schema = stub.GetSchema(proto.SchemaRequest(schema_id=info.schema_id), metadata=metadata)
        assert field in [each["name"] for each in json.loads(schema.schema_json)["fields"]]


def publish(stub, metadata):
    return stub.Publish(proto.PublishRequest(), metadata=metadata)


def stream(method):
    return lambda stub, metadata: next(getattr(stub, method)(iter(()), metadata=metadata))


@pytest.mark.parametrize("call", [publish, stream("PublishStream"), stream("ManagedSubscribe")])
def test_what_we_do_not_use_is_refused(bus, call):
    with pytest.raises(grpc.RpcError) as refused:
        call(*bus)

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_generated_code_says_what_the_published_file_says():
    text = Path(proto.__file__).with_name("pubsub_api.proto").read_text("utf-8")
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    written = {
        name: dict(re.findall(r"(\w+)\s*=\s*(\d+);", body))
        for name, body in re.findall(r"message (\w+) \{(.*?)\}", text, flags=re.DOTALL)
    }
    made = {
        name: {field.name: str(field.number) for field in message.fields}
        for name, message in proto.DESCRIPTOR.message_types_by_name.items()
    }

    assert made == written
    methods = set(re.findall(r"rpc (\w+)", text))
    assert {m.name for m in proto.DESCRIPTOR.services_by_name["PubSub"].methods} == methods
