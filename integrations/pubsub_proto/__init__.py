"""Salesforce's Pub/Sub interface: the published file, and the code generated from it.

`pubsub_api.proto` is forcedotcom/pub-sub-api at 0ba4701 (CC0-1.0), unchanged. The other files are
made by `make stubs`, never by hand. Our client and the pretend server both import them: what they
share is Salesforce's own description, and no code of ours.
"""
