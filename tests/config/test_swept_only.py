"""Accounts that nothing tells us of, and how often accounts are swept."""

import pytest

from config.practice import SalesforceAccount


def account(**more):
    given = {
        "crm": "salesforce",
        "name": "org",
        "organization_id": "00D8d000000HLs1EAG",
        "base_url": "https://clinic-demo.my.salesforce.com",
        "consumer_key": {"env": "A"},
        "consumer_secret": {"env": "B"},
    }
    return SalesforceAccount(**{**given, **more})


def test_account_that_is_only_swept_needs_no_way_in_and_is_swept_every_minute():
    found = account(only_swept=True)
    assert found.path_token is None
    assert found.swept_every_minutes == 1
    assert account(only_swept=True, sweep_minutes=5).swept_every_minutes == 5


def test_other_accounts_are_swept_every_quarter_of_an_hour():
    found = account(path_token={"env": "C"}, sender_ranges=("127.0.0.0/8",))
    assert found.swept_every_minutes == 15
    with pytest.raises(ValueError, match="path_token is missing"):
        account()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"related": {"Lead": "OwnerId"}}, "related: Lead is scored"),
        ({"related": {"Task": "WhatId"}}, "related: Task"),
        (
            {"sender_ranges": ("127.0.0.0/8",)},
            "sender_ranges tells who may send to path_token's address; without path_token remove",
        ),
        (
            {"client_certificate_sha256": "0" * 64},
            "client_certificate_sha256 tells who may send",
        ),
        (
            {"events_topic": "/event/Leadscore_Change__e"},
            "events_topic is of use with events = true only; remove it",
        ),
        (
            {"events_endpoint": "https://bus.example.com:7443"},
            "events_endpoint is of use with events = true only; remove it",
        ),
        ({"objects": []}, "objects must name"),
        ({"objects": ["Lead", "Lead"]}, "each once"),
        ({"events": True}, "there are no events"),
    ],
)
def test_what_contradicts_itself_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        account(only_swept=True, **given)


@pytest.mark.parametrize("minutes", [0, -1, 1441])
def test_time_between_sweeps_is_a_minute_to_a_day(minutes):
    with pytest.raises(ValueError, match="sweep_minutes"):
        account(only_swept=True, sweep_minutes=minutes)
