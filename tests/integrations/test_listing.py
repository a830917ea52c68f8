"""Lists of records against both simulators: none is left out, whatever changes meanwhile (S30)."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from config.practice import SalesforceAccount
from integrations.budget import DayBudget, RateBudget
from integrations.errors import TransientCrmError
from integrations.hubspot import listing as hubspot_listing
from integrations.registry import build_client
from integrations.salesforce import listing as salesforce_listing
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


class Moving:
    """A clock that moves by a millisecond at each look, unless it is held."""

    def __init__(self):
        self.at = NOON
        self.step = timedelta(milliseconds=1)

    def __call__(self):
        self.at += self.step
        return self.at


@pytest.fixture
def moving():
    return Moving()


@pytest.fixture
def hubspot(portal_at, moving, watched):
    settings = HubSpotSettings(access_token="pat-list", search_per_s=None)
    simulator = watched(HubSpotSimulator(settings, now=moving))
    with running(simulator) as url:
        account = portal_at(url)
        ticks = iter(range(10**9))
        client = build_client(
            account,
            {"access_token": "pat-list"},
            clock=lambda: float(next(ticks)),
            sleep=lambda _: None,
        )
        yield simulator, client, "contact"
        client.close()


@pytest.fixture
def salesforce(moving):
    settings = SalesforceSettings(consumer_key="key", consumer_secret="secret")
    simulator = SalesforceSimulator(settings, now=moving)
    with running(simulator) as url:
        account = SalesforceAccount(
            crm="salesforce",
            name="salesforce",
            organization_id=settings.organization_id,
            base_url=url,
            consumer_key={"env": "A"},
            consumer_secret={"env": "B"},
            path_token={"env": "C"},
            sender_ranges=("127.0.0.0/8",),
        )
        client = build_client(
            account,
            {"consumer_key": "key", "consumer_secret": "secret"},
            clock=time.monotonic,
            sleep=lambda _: None,
        )
        yield simulator, client, "Lead"
        client.close()


@pytest.fixture(params=["hubspot", "salesforce"])
def crm(request):
    return request.getfixturevalue(request.param)


def fill(simulator, count):
    if isinstance(simulator, HubSpotSimulator):
        return simulator.create_contacts([{"firstname": f"Invented {i}"} for i in range(count)])
    return simulator.create_leads(
        [{"LastName": f"Invented {i}", "Company": "-"} for i in range(count)]
    )


def touch(simulator, record_id):
    if isinstance(simulator, HubSpotSimulator):
        simulator.update_contact(record_id, {"phone": "+1 555-0100"})
    else:
        simulator.update_lead(record_id, {"Phone": "+1 555-0100"})


def pages(client, object_type, *, since, between=lambda _: None):
    cursor, found = "", []
    while cursor is not None:
        page = client.list_ids(object_type, since=since, cursor=cursor)
        found.append(page)
        between(page)
        cursor = page.cursor
    return found


def test_s030_a_full_listing_names_every_record_once_and_counts_them(crm):
    simulator, client, object_type = crm
    made = fill(simulator, 4_321)

    found = pages(client, object_type, since=None)

    assert [i for page in found for i in page.ids] == sorted(made, key=lambda i: (len(i), i))
    assert found[0].total == 4_321
    assert len(found) == (22 if object_type == "contact" else 3)


def test_s030_changes_are_listed_from_an_instant_on(crm, moving):
    simulator, client, object_type = crm
    made = fill(simulator, 300)
    moving.at += timedelta(hours=1)
    since = moving.at
    for record_id in made[10:250:7]:
        touch(simulator, record_id)

    found = pages(client, object_type, since=since)

    assert {i for page in found for i in page.ids} == set(made[10:250:7])
    assert since < found[0].newest <= moving.at


def test_s030_what_changes_between_two_pages_hides_nobody(crm):
    """A record that is written again moves to the end: whoever counts places would miss one."""
    simulator, client, object_type = crm
    made = fill(simulator, 4_500)
    left = iter(made)

    def meddle(page):
        for _ in range(3):
            touch(simulator, next(left))

    found = pages(client, object_type, since=NOON, between=meddle)

    assert {i for page in found for i in page.ids} == set(made)


def test_s030_an_import_in_one_millisecond_is_listed_beyond_10000(hubspot, moving):
    simulator, client, object_type = hubspot
    before = fill(simulator, 250)
    moving.step = timedelta()
    imported = fill(simulator, 10_400)
    moving.step = timedelta(milliseconds=1)
    after = fill(simulator, 250)

    found = pages(client, object_type, since=NOON)

    assert {i for page in found for i in page.ids} == {*before, *imported, *after}


def test_s030_an_import_in_one_second_is_listed_in_salesforce(salesforce, moving):
    simulator, client, object_type = salesforce
    moving.step = timedelta()
    imported = fill(simulator, 4_100)

    found = pages(client, object_type, since=NOON - timedelta(hours=1))

    listed = [i for page in found for i in page.ids]
    assert sorted(listed) == sorted(imported)


def test_searches_have_a_budget_of_their_own(hubspot):
    simulator, client, object_type = hubspot
    fill(simulator, 500)
    pages(client, object_type, since=None)

    assert client.calls()["search"] == 3
    assert client.calls_left()["window"] == 90


def test_answers_that_are_no_page_are_tried_again_later():
    place = hubspot_listing.place_of(None, "")
    for row in ({}, {"id": "x", "properties": {}}, {"id": "1", "properties": {}}):
        with pytest.raises(TransientCrmError):
            hubspot_listing.page(place, [row], 1)
    for row in ({}, {"Id": "00Q8d0000001aBC"}, {"Id": "x", "SystemModstamp": "2026-11-23T17:00Z"}):
        with pytest.raises(TransientCrmError):
            salesforce_listing.page([row], by_change=True, total=None)


def test_a_cursor_of_salesforce_cannot_carry_soql():
    for cursor in ("/' OR Name != '", "2026/00Q8d0000001aBC' --", "x"):
        with pytest.raises(ValueError, match="cursor"):
            salesforce_listing.question("Lead", None, cursor)


def test_calls_of_others_shrink_our_share_of_the_window():
    now = [0.0]
    budget = RateBudget(90, 10.0, clock=lambda: now[0], sleep=lambda _: None)
    for _ in range(10):
        budget.acquire()
    assert budget.left() == 80

    budget.observe(limit=100, left=30)  # 70 spent: 10 are ours, 60 are others'
    assert budget.left() == 30
    now[0] = 10.0
    assert budget.left() == 90  # a window later nothing is known of them


def test_a_few_calls_on_their_way_are_not_taken_for_those_of_others():
    budget = RateBudget(90, 10.0, clock=lambda: 0.0, sleep=lambda _: None)
    budget.observe(limit=100, left=97)

    assert budget.left() == 90


def test_the_crm_limit_binds_where_it_is_the_smaller_one():
    budget = RateBudget(190, 10.0, clock=lambda: 0.0, sleep=lambda _: None)
    budget.observe(limit=100, left=100)

    assert budget.left() == 100


def test_a_part_of_the_day_is_kept_for_what_cannot_wait():
    day = DayBudget(0.2)
    assert day.may_hurry()
    day.observe(limit=1_000, left=201)
    assert day.may_hurry()
    day.observe(limit=1_000, left=200)
    assert not day.may_hurry()
