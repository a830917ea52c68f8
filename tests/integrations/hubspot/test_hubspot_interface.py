"""Every request we send, and every answer of the simulator, is what HubSpot's files say."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from integrations.base import Change
from integrations.errors import CrmError
from integrations.hubspot.activities import TYPES
from integrations.hubspot.client import StaticToken


def now():
    return datetime.fromtimestamp(time.time(), UTC)


def seen(simulator):
    return simulator.app.wsgi_app._application.exchanges


def test_each_kind_of_call_that_the_client_makes(serve):
    simulator, client = serve(provisioned=True)
    ids = simulator.create_contacts([{"message": str(n)} for n in range(3)])
    for activity_type in sorted(TYPES):
        activity = simulator.create_activity(
            f"{activity_type}s", {"hs_timestamp": now().isoformat()}, contact_ids=ids[:2]
        )
        client.people(activity_type, [activity, "999"])
    simulator.delete_contact(ids[2])

    client.read("contact", [*ids, "999"], ["message", "insurance_status"])
    client.activities("contact", ids, ["call", "email", "meeting", "communication", "note"])
    client.list_ids("contact", since=None)
    client.list_ids("contact", since=now() - timedelta(hours=1))
    client.list_ids("contact", since=None, cursor="1790000000000/501000000001")
    client.write(
        "contact",
        [
            Change(record_id=i, properties={"lead_score": score, "lead_score_tier": "hot"})
            for i, score in zip(ids, (71, None, 5), strict=True)
        ],
    )

    kinds = {"batch_read", "activity_read", "associations", "search", "batch_update"}
    assert set(client.calls()) == kinds  # a new kind of call must be made here, too
    assert len(seen(simulator)) == sum(client.calls().values())


def test_a_long_list_of_associations_comes_in_pages(serve):
    simulator, client = serve()
    [one] = simulator.create_contacts([{"message": "hello"}])
    for _ in range(501):
        simulator.create_activity("notes", {"hs_timestamp": now().isoformat()}, contact_ids=[one])

    client.activities("contact", [one], ["note"])

    assert client.calls()["associations"] == 2


@pytest.mark.parametrize(
    "settings",
    [{"daily_limit": 0}, {"scopes": ("oauth",)}, {"access_token": "other"}],
)
def test_refusals_answer_well_formed_requests(serve, settings):
    if "access_token" in settings:
        simulator, client = serve()
        client._tokens = StaticToken("wrong")
    else:
        simulator, client = serve(**settings)

    with pytest.raises(CrmError):
        client.read("contact", ["1"], ["message"])

    assert seen(simulator)[-1].status in {401, 403, 429}


def test_the_checker_finds_what_is_wrong(serve, interface):
    simulator, client = serve()
    client.read("contact", ["1"], ["message"])
    [good] = seen(simulator)

    def faults(**changes):
        changed = type("Changed", (), {**vars(good), **changes})
        return interface.faults(changed)

    sent = json.loads(good.sent)
    assert faults() == []
    for wrong in (
        {"path": "/crm/objects/2026-09/contacts/batch/reads"},
        {"method": "GET"},
        {"content_type": "text/plain"},
        {"query": {"archive"}},
        {"status": 207},
        {"sent": b"{"},
        {"sent": json.dumps({**sent, "more": 1}).encode()},
        {"sent": json.dumps({**sent, "inputs": [{"id": 1}]}).encode()},
        {"sent": json.dumps({**sent, "inputs": [{}]}).encode()},
        {"answered": b"{}"},
        {"answered": good.answered.replace(b"COMPLETE", b"DONE")},
        {"answered": good.answered.replace(b"Z", b"")},
    ):
        assert faults(**wrong), wrong
