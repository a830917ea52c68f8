"""What an operator reads of lag, waiting and calls left."""

import pytest

from webhooks.health import Health


@pytest.fixture
def health(clock):
    return Health(clock)


def test_percentiles_are_those_of_the_newest_lags(health):
    assert health.lags("portal") == {}
    health.served("portal", [n / 100 for n in range(1, 101)])

    assert health.lags("portal") == {"p50": 0.51, "p95": 0.96, "p99": 1.0}
    health.served("portal", [2.0] * 2_000)
    assert health.lags("portal") == {"p50": 2.0, "p95": 2.0, "p99": 2.0}


def test_the_metrics_page_shows_ages_counts_and_calls_left(new_service, raw, request_bytes):
    service = new_service(works=True)
    service.store.due.mark_known("portal", "rescore", service.health._clock())
    answer = raw(service.port, request_bytes("/metrics", method="GET")).decode()

    for line in (
        'leadscore_oldest_due_seconds{account="portal"} 0.0',
        'leadscore_inbox_deliveries{state="waiting"} 0.0',
        "leadscore_dead_letters 0.0",
        'leadscore_crm_calls_left{account="portal",period="window"}',
    ):
        assert line in answer
