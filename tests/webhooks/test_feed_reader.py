"""What is fetched is stored before the position moves on, whatever fails."""

import random
import time
from datetime import timedelta

import pytest

from integrations.base import Portion
from integrations.errors import AccessError, PositionLostError, TransientCrmError
from webhooks.bell import CountingBell
from webhooks.feeds import FeedReader


class Script:
    """A feed that does what it is told, in turns; then nothing comes."""

    kind = "hubspot"
    pause_s = 0.01

    def __init__(self, *turns):
        self.turns = list(turns)
        self.asked = []

    def fetch(self, position):
        self.asked.append(position)
        turn = self.turns.pop(0) if self.turns else None
        if isinstance(turn, Exception):
            raise turn
        return turn

    def close(self):
        pass


@pytest.fixture
def start(store, accounts, health, clock, monkeypatch):
    """Return what starts a reader of one feed; all are stopped at the end."""
    monkeypatch.setattr("webhooks.feeds.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("webhooks.feeds.LOOK_S", 0.01)
    readers = []

    def run(feed, owner="one", inbox=store.inbox):
        reader = FeedReader(
            owner=owner,
            feeds={"portal": feed},
            states=store.feeds,
            inbox=inbox,
            accounts=accounts,
            installs=store.installs,
            health=health,
            bell=CountingBell(),
            clock=clock,
            rng=random.Random(1),  # noqa: S311  jitter
        )
        reader.start()
        readers.append(reader)
        return reader

    yield run
    for reader in readers:
        reader.stop(5)


def until(condition):
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.005)


def waiting(store):
    return [item.body for item in store.inbox.waiting(10)]


def test_portions_are_stored_and_the_next_is_asked_for_at_once(start, store):
    feed = Script(Portion(body=b"[1]", position="p1"), Portion(body=b"[2]", position="p2"))
    start(feed)
    until(lambda: len(feed.asked) >= 4)
    assert feed.asked[:4] == ["", "p1", "p2", "p2"]
    assert sorted(waiting(store)) == [b"[1]", b"[2]"]  # the clock stands
    assert store.feeds.state("portal", "hubspot").position == "p2"


def test_portion_without_events_is_not_stored(start, store):
    feed = Script(Portion(body=b"", position="p1"))
    start(feed)
    until(lambda: len(feed.asked) >= 3)
    assert waiting(store) == []
    assert feed.asked[-1] == "p1"


def test_portion_that_cannot_be_stored_is_fetched_again(start, store):
    class Failing:
        def __init__(self):
            self.left = 2

        def append(self, **given):
            self.left -= 1
            if self.left >= 0:
                raise RuntimeError("the disk is full")
            return store.inbox.append(**given)

    portion = Portion(body=b"[1]", position="p1")
    feed = Script(portion, portion, portion)
    start(feed, inbox=Failing())
    until(lambda: waiting(store))
    assert feed.asked[:3] == ["", "", ""]


def test_failures_wait_and_end(start, store, health):
    feed = Script(TransientCrmError("network"), Portion(body=b"[1]", position="p1"))
    start(feed)
    until(lambda: waiting(store))
    refused = Script(AccessError("MISSING_SCOPES"))
    store.feeds.release("portal", "hubspot", "one")
    start(refused, owner="one")
    until(lambda: refused.asked)
    time.sleep(0.1)
    assert len(refused.asked) == 1  # a person must act first


def test_lost_position_begins_at_the_earliest_and_is_swept_for(start, store, accounts, clock):
    accounts.set_swept("portal", clock())
    store.feeds.take("portal", "hubspot", "one", now=clock(), lasts=clock() - clock())
    store.feeds.advance("portal", "hubspot", "one", position="old", now=clock())
    feed = Script(PositionLostError("offset_unknown"), Portion(body=b"[1]", position="p1"))
    start(feed)
    until(lambda: waiting(store))
    assert feed.asked[:2] == ["old", ""]
    assert "portal" in accounts.sweeps_due(clock())


def test_account_that_took_the_app_away_is_marked(start, store, clock):
    store.installs.keep(
        "portal", access_token="a", refresh_token="r", expires_at=clock(), actor="x", now=clock()
    )
    start(Script(Portion(body=b"", position="p1", is_uninstalled=True)))
    until(lambda: store.installs.state("portal").uninstalled_at)
    assert store.installs.state("portal").uninstalled_at == clock()


def test_uninstall_of_before_the_installation_ends_nothing(start, store, clock):
    store.installs.keep(
        "portal", access_token="a", refresh_token="r", expires_at=clock(), actor="x", now=clock()
    )
    before = clock() - timedelta(hours=1)
    feed = Script(Portion(body=b"", position="p1", is_uninstalled=True, uninstalled_at=before))
    start(feed)
    until(lambda: len(feed.asked) >= 2)
    assert store.installs.of("portal").read() is not None


def test_gap_is_swept_for_and_the_position_moves_on(start, store, accounts, clock):
    accounts.set_swept("portal", clock())
    feed = Script(
        Portion(body=b"[1]", position="p1", has_gap=True),
        Portion(body=b"", position="p2", has_gap=True),
    )
    start(feed)
    until(lambda: len(feed.asked) >= 4)
    assert feed.asked[:4] == ["", "p1", "p2", "p2"]
    assert waiting(store) == [b"[1]"]
    assert "portal" in accounts.sweeps_due(clock())


def test_two_workers_take_turns(start, store):
    first, second = Script(), Script()
    reader = start(first)
    until(lambda: first.asked)
    start(second, owner="two")
    time.sleep(0.1)
    assert not second.asked
    reader.stop(5)
    until(lambda: second.asked)


def test_fault_of_our_own_is_tried_again_less_and_less_often(start, monkeypatch):
    monkeypatch.setattr("webhooks.feeds.FIRST_PAUSE_S", 0.1)
    feed = Script(*[RuntimeError("nobody thought of it")] * 50)
    start(feed)
    until(lambda: len(feed.asked) >= 2)
    time.sleep(0.5)
    assert len(feed.asked) <= 4  # after 0.1, 0.2, 0.4 s


def test_beginning_that_is_unknown_is_not_asked_for_without_end(start, accounts, monkeypatch):
    monkeypatch.setattr("webhooks.feeds.FIRST_PAUSE_S", 5.0)
    swept = []
    monkeypatch.setattr(accounts, "set_swept", lambda *given: swept.append(given))
    feed = Script(*[PositionLostError("offset_unknown")] * 50)
    start(feed)
    until(lambda: feed.asked)
    time.sleep(0.2)
    assert feed.asked == [""]
    assert not swept
