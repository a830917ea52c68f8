import pytest

from config.practice import SalesforceAccount


@pytest.fixture
def org_at():
    """Return what makes the account of a pretend org."""

    def make(url, **more):
        given = {
            "crm": "salesforce",
            "name": "org",
            "organization_id": "00D8d000000HLs1EAG",
            "base_url": url,
            "consumer_key": {"env": "A"},
            "consumer_secret": {"env": "B"},
            "path_token": {"env": "C"},
            "sender_ranges": ("127.0.0.0/8",),
        }
        return SalesforceAccount(**{**given, **more})

    return make
