"""A pretend HubSpot and a pretend Salesforce, for the demo, end-to-end tests and benchmarks.

It imports nothing else of this product: code shared with the adapters would hide a shared
mistake. It refuses what the real CRM refuses, with the CRM's own status and body. Nothing is
built at import; the clock is passed in.

    from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
    from integrations.simulator.people import invent_people
    from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
    from integrations.simulator.server import running

    hubspot = HubSpotSimulator(HubSpotSettings(target_url=url, provisioned=True), now=clock)
    with running(hubspot) as base_url:
        hubspot.create_contacts([person.to_hubspot() for person in invent_people(7, 20, clock())])
        hubspot.wait_until_idle(10.0)
"""
