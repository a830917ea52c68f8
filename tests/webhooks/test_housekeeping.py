from datetime import timedelta

import pytest

from store.retention import Periods
from webhooks.health import Health
from webhooks.housekeeping import Housekeeping

PERIODS = Periods(
    deliveries=timedelta(days=14), facts=timedelta(days=400), history=timedelta(days=800)
)


class Monotonic:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def monotonic():
    return Monotonic()


@pytest.fixture
def health(clock):
    return Health(clock)


@pytest.fixture
def keeping(store, clock, monotonic, health):
    store.inbox.append(account_id="portal", kind="hubspot", body=b"body", at=clock())
    with store.inbox.take(9) as taken:
        taken.unpacked(taken.deliveries[0])
    return Housekeeping(
        retention=store.retention,
        audit=store.audit,
        erasure=store.erasure,
        periods=PERIODS,
        health=health,
        clock=clock,
        monotonic=monotonic,
    )


def test_time_that_really_passed_deletes(keeping, clock, monotonic, store):
    clock.advance(days=15)
    monotonic.at += 15 * 86_400

    assert keeping.run()["deliveries"] == 1
    assert len(store.audit._heads.read_text().splitlines()) == 1


@pytest.mark.parametrize("days", [10, -10, 365])
def test_s031_a_clock_that_jumped_deletes_nothing_and_raises_an_alarm(
    keeping, clock, monotonic, health, days
):
    clock.advance(days=14 + days)
    monotonic.at += 14 * 86_400

    assert keeping.run() == {}
    assert any("clock jumped" in alarm for alarm in health.alarms())


def test_it_runs_at_the_start_and_ends_when_told(keeping):
    keeping.start()
    keeping.stop()

    assert not keeping._thread.is_alive()
