"""HubSpot: app webhooks in, batch reads and updates out."""
