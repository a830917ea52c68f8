"""What doctor says of the ways that a Salesforce account's events may take."""

import pytest

from config.load import parse_practice
from console.doctor import arrivals

RANGES = 'sender_ranges = ["127.0.0.0/8"]'
SIGNED = 'callout_secret = { env = "SF_CALLOUT" }'


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (RANGES, {"org: Outbound Messages": "none came yet"}),
        ("only_swept = true", {"org: changes": "asked every 1 min"}),
        (SIGNED, {"org: signed callouts": "the last came 2026-11-23 17:00 UTC"}),
        (
            f"{RANGES}\nevents = true",
            {
                "org: Outbound Messages": "none came yet",
                "org: events that we fetch": "the last came 2026-11-23 17:00 UTC",
            },
        ),
    ],
)
def test_doctor_says_when_something_last_came_by_each_way(
    practice_text, store, clock, lines, told
):
    account = parse_practice(practice_text.replace(RANGES, lines), "practice.toml").accounts[1]
    store.inbox.append(account_id="org", kind="salesforce_event", body=b"{}", at=clock())

    findings = arrivals(account, store)

    assert {finding.check: finding.detail for finding in findings} == told
    assert all(finding.ok for finding in findings)
