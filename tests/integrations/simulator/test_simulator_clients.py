"""The vendors' clients, unmodified, against the simulators over real sockets."""

from urllib.parse import urlsplit

import hubspot as sdk
import pytest
import requests
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.properties import PropertyCreate, PropertyGroupCreate
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession, SalesforceMalformedRequest

LEAD = {"LastName": "Alder", "Company": "Self"}


class ToLoopback(HTTPAdapter):
    """Sends what goes to any https:// host to the simulator instead."""

    def __init__(self, base_url):
        super().__init__()
        self.base_url = base_url

    def send(self, request, **kwargs):
        parts = urlsplit(request.url)
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{self.base_url}{parts.path}{query}"
        return super().send(request, **kwargs)


@pytest.fixture
def hubspot_client(hubspot, serve):
    with serve(hubspot) as url:
        yield sdk.HubSpot(access_token=hubspot.settings.access_token, host=url)


@pytest.fixture
def salesforce_client(salesforce, serve):
    with serve(salesforce) as url, requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ToLoopback(url))
        session.headers["Sforce-Auto-Assign"] = "FALSE"
        yield Salesforce(
            consumer_key=salesforce.settings.consumer_key,
            consumer_secret=salesforce.settings.consumer_secret,
            domain="clinic-demo.my",
            session=session,
            version="63.0",
        )


def test_hubspot_client_reads_and_updates_batches(hubspot, hubspot_client):
    ids = hubspot.create_contacts([{"email": f"p{number}@example.test"} for number in range(3)])
    batch = hubspot_client.crm.contacts.batch_api
    wanted = BatchReadInputSimplePublicObjectId(
        inputs=[{"id": each} for each in ids], properties=["email"], properties_with_history=[]
    )
    change = BatchInputSimplePublicObjectBatchInput(
        inputs=[{"id": each, "properties": {"lead_score": "72"}} for each in ids]
    )

    read = batch.read(wanted)
    written = batch.update(change)

    assert [each.id for each in read.results] == ids
    assert read.results[0].properties["email"] == "p0@example.test"
    assert written.status == "COMPLETE"
    assert {each["lead_score"] for each in hubspot.contacts().values()} == {"72"}


def test_hubspot_client_makes_properties_and_searches(hubspot, hubspot_client):
    hubspot.create_contacts([{"lastname": "Alder"}, {"lastname": "Brook"}])
    properties = hubspot_client.crm.properties
    properties.groups_api.create("contacts", PropertyGroupCreate(name="extra", label="Extra"))
    made = properties.core_api.create(
        "contacts",
        PropertyCreate(
            group_name="extra", name="extra_one", label="One", type="number", field_type="number"
        ),
    )
    request = PublicObjectSearchRequest(
        filter_groups=[
            {"filters": [{"propertyName": "lastname", "operator": "EQ", "value": "Brook"}]}
        ],
        limit=10,
        properties=["lastname"],
    )
    found = hubspot_client.crm.contacts.search_api.do_search(request)

    assert made.name == "extra_one"
    assert "extra_one" in {each.name for each in properties.core_api.get_all("contacts").results}
    assert [each.properties["lastname"] for each in found.results] == ["Brook"]


def test_hubspot_client_gets_tokens_and_errors(hubspot, hubspot_client):
    tokens = hubspot_client.oauth.tokens_api.create(
        grant_type="refresh_token",
        client_id=hubspot.settings.client_id,
        client_secret=hubspot.settings.client_secret,
        refresh_token=hubspot.settings.refresh_token,
    )
    hubspot_client.access_token = "wrong"

    with pytest.raises(ApiException) as refused:
        hubspot_client.crm.contacts.basic_api.get_by_id("1")

    assert tokens.expires_in == 1800
    assert refused.value.status == 401


def test_salesforce_client_queries_describes_and_pages(salesforce, salesforce_client):
    salesforce.create_leads([LEAD] * 2300)

    found = salesforce_client.query_all("SELECT Id, LastName FROM Lead")
    fields = salesforce_client.Lead.describe()["fields"]

    assert len(found["records"]) == 2300
    assert "Lead_Score__c" in {each["name"] for each in fields}
    assert salesforce_client.api_usage["api-usage"].used == 2
    with pytest.raises(SalesforceMalformedRequest):
        salesforce_client.query("SELECT Nonsense__c FROM Lead")


def test_salesforce_client_writes_collections_and_single_records(salesforce, salesforce_client):
    first, second = salesforce.create_leads([LEAD, LEAD])
    records = [
        {"attributes": {"type": "Lead"}, "id": first, "Lead_Score__c": 80},
        {"attributes": {"type": "Lead"}, "id": second, "Lead_Score_Tier__c": "nope"},
    ]

    results = salesforce_client.restful(
        "composite/sobjects", method="PATCH", json={"allOrNone": False, "records": records}
    )
    read = salesforce_client.restful(
        "composite/sobjects/Lead", method="POST", json={"ids": [first], "fields": ["Id"]}
    )
    status = salesforce_client.Lead.update(second, {"Lead_Score__c": 12})

    assert [each["success"] for each in results] == [True, False]
    assert read[0]["Id"] == first
    assert status == 204
    assert salesforce_client.Lead.get(second)["Lead_Score__c"] == 12.0
    assert salesforce.counters["auto_assigned"] == 0


def test_salesforce_client_logs_in_again_when_its_session_ends(salesforce, salesforce_client):
    salesforce.expire_sessions()

    assert salesforce_client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    assert salesforce.counters["oauth"] == 2


def test_salesforce_client_with_a_given_session_does_not(salesforce, salesforce_client):
    direct = Salesforce(
        session_id="stale",
        instance_url="https://clinic-demo.my.salesforce.com",
        session=salesforce_client.session,
        version="63.0",
    )

    with pytest.raises(SalesforceExpiredSession):
        direct.limits()
