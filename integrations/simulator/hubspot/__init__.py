"""A pretend HubSpot account: contacts, properties, OAuth, limits and signed webhooks."""

from integrations.simulator.hubspot.settings import HubSpotSettings
from integrations.simulator.hubspot.simulator import HubSpotSimulator

__all__ = ["HubSpotSettings", "HubSpotSimulator"]
