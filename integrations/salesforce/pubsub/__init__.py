"""Events fetched through Salesforce's Pub/Sub interface: for sites that have no inbound port.

Loaded only when an account has `events = true`; needs the extra `pubsub`.
"""
