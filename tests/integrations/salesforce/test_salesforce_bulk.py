"""Listing very many records by a query job, and what becomes of it when the job does not work."""

import time
from datetime import UTC, datetime

import pytest

from integrations.registry import build_client
from integrations.salesforce import bulk
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running


@pytest.fixture
def org(org_at, monkeypatch):
    """Return what starts a pretend org with some leads, and a client that lists by jobs."""
    monkeypatch.setattr(bulk, "PAGE", 40)
    open_ones = []

    def start(count=100, bulk_from=100, **settings):
        simulator = SalesforceSimulator(
            SalesforceSettings(consumer_key="k", consumer_secret="s", **settings),
            now=lambda: datetime.fromtimestamp(time.time(), UTC),
        )
        simulator.create_leads([{"LastName": "Invented", "Company": "-"}] * count)
        context = running(simulator)
        waits = []
        client = build_client(
            org_at(context.__enter__()),
            {"consumer_key": "k", "consumer_secret": "s"},
            clock=time.monotonic,
            sleep=waits.append,
        )
        client._bulk_from = bulk_from
        open_ones.append((context, client))
        return simulator, client, waits

    yield start
    for context, client in open_ones:
        client.close()
        context.__exit__(None, None, None)


def listed(client):
    """Return the ids of all pages, and the total that the first gave."""
    page = client.list_ids("Lead", since=None)
    ids, total = list(page.ids), page.total
    for _ in range(50):
        if page.cursor is None:
            return ids, total
        page = client.list_ids("Lead", since=None, cursor=page.cursor)
        ids += page.ids
    raise AssertionError("the listing does not end")


def test_very_many_are_listed_by_one_job(org):
    simulator, client, waits = org()
    ids, total = listed(client)
    assert sorted(ids) == sorted(simulator.leads())
    assert total == 100
    assert client.calls() == {"query": 1, "bulk": 6}  # made, asked twice, three parts
    assert waits == [bulk.WAIT_S]


def test_few_are_listed_by_plain_queries(org):
    _, client, _ = org(bulk_from=101)
    assert len(listed(client)[0]) == 100
    assert "bulk" not in client.calls()


def test_converted_leads_are_left_out(org):
    simulator, client, _ = org(count=101)
    gone = next(iter(simulator.leads()))
    simulator.convert_lead(gone)
    assert gone not in listed(client)[0]


def test_job_that_takes_long_gives_an_empty_page_and_goes_on(org):
    _, client, waits = org(bulk_polls=bulk.WAITS + 1)
    page = client.list_ids("Lead", since=None)
    first = client.list_ids("Lead", since=None, cursor=page.cursor)
    assert (first.ids, first.cursor) == ([], f"{page.cursor}~1")
    assert len(waits) == bulk.WAITS - 1
    assert client.list_ids("Lead", since=None, cursor=first.cursor).ids


def test_job_that_fails_ends_in_plain_queries(org):
    simulator, client, _ = org()
    page = client.list_ids("Lead", since=None)
    simulator.fail_jobs()
    page = client.list_ids("Lead", since=None, cursor=page.cursor)
    assert page.cursor == bulk.FROM_THE_START
    assert len(client.list_ids("Lead", since=None, cursor=page.cursor).ids) == 100


def test_job_that_does_not_end_makes_way_for_plain_queries(org, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_WAITED", 3)
    _, client, _ = org(bulk_polls=1_000)
    cursors = [client.list_ids("Lead", since=None).cursor]
    while cursors[-1] != bulk.FROM_THE_START:
        cursors.append(client.list_ids("Lead", since=None, cursor=cursors[-1]).cursor)
    assert [cursor.rpartition("/")[2] for cursor in cursors] == ["", "~1", "~2", "~3", ""]
    assert len(client.list_ids("Lead", since=None, cursor=cursors[-1]).ids) == 100


def test_job_that_is_gone_ends_in_plain_queries(org):
    _, client, _ = org()
    page = client.list_ids("Lead", since=None, cursor="bulk/7508d0000000999AAA/40")
    assert page.cursor == bulk.FROM_THE_START


def test_session_that_ends_in_the_middle_costs_one_login(org):
    simulator, client, _ = org()
    page = client.list_ids("Lead", since=None)
    page = client.list_ids("Lead", since=None, cursor=page.cursor)
    simulator.expire_sessions()
    client.org._tokens._since -= 60
    before = simulator.counters["oauth"]
    assert client.list_ids("Lead", since=None, cursor=page.cursor).ids
    assert simulator.counters["oauth"] == before + 1


@pytest.mark.parametrize("cursor", ["bulk/", "bulk/../x", "bulk/7508d0000000999AAA/a&b=c"])
def test_other_cursors_are_none_of_ours(org, cursor):
    _, client, _ = org()
    with pytest.raises(ValueError, match="cursor"):
        client.list_ids("Lead", since=None, cursor=cursor)
