import json

import pytest
import requests

from integrations.errors import RateLimitedError, RefusedError
from integrations.hubspot.client import read_reply


def reply(status, body=None, **headers):
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps(body or {}).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry_After": "30"}, 30.0),
        ({"Retry_After": "86400"}, 3600.0),
        (
            {
                "Retry_After": "Mon, 23 Nov 2026 17:10:00 GMT",
                "Date": "Mon, 23 Nov 2026 17:00:00 GMT",
            },
            600.0,
        ),
        (
            {
                "Retry_After": "Mon, 23 Nov 2026 16:00:00 GMT",
                "Date": "Mon, 23 Nov 2026 17:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry_After": "Mon, 23 Nov 2026 17:10:00 GMT"}, 3600.0),
        ({"Retry_After": "soon"}, 3600.0),
        ({"Retry_After": "-5"}, 3600.0),
        ({"Retry_After": "\xb2"}, 3600.0),
        ({"Retry_After": "9" * 400}, 3600.0),
        ({}, 3600.0),
    ],
)
def test_s027_the_wait_hubspot_names_is_obeyed_and_bounded(headers, wait_s):
    with pytest.raises(RateLimitedError) as paused:
        read_reply(reply(477, **headers))

    assert paused.value.retry_after_s == wait_s


@pytest.mark.parametrize("body", [{"message": "MARKER"}, {"category": "VALIDATION_ERROR"}])
def test_a_refusal_carries_its_category_and_not_the_replys_words(body):
    with pytest.raises(RefusedError) as refused:
        read_reply(reply(400, {**body, "message": "MARKER jane@example.test"}))

    assert "MARKER" not in str(refused.value)
