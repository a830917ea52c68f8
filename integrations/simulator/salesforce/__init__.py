"""A pretend Salesforce org: Leads, Contacts, Tasks, SOQL, collections, Outbound Messages."""

from integrations.simulator.salesforce.settings import SalesforceSettings
from integrations.simulator.salesforce.simulator import SalesforceSimulator

__all__ = ["SalesforceSettings", "SalesforceSimulator"]
