"""One refresh for all, ahead of time, and no loop of them (S39)."""

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from integrations.errors import AccessError, PermanentCrmError, TransientCrmError
from integrations.hubspot.oauth import Token, UninstalledError
from integrations.hubspot.tokens import OAuthTokens


@dataclass(frozen=True)
class Held:
    access_token: str
    refresh_token: str
    expires_at: object
    version: int


@dataclass
class PretendShelf:
    held: Held | None
    claimed: set = field(default_factory=set)
    gone: bool = False
    lock: object = field(default_factory=threading.Lock)

    def read(self):
        return self.held

    def is_uninstalled(self):
        return self.gone

    def claim(self, version, now):
        with self.lock:
            if self.held.version != version or version in self.claimed:
                return False
            self.claimed.add(version)
            return True

    def give_back(self, version):
        self.claimed.discard(version)

    def replace(self, version, **tokens):
        self.held = Held(**tokens, version=version + 1)
        return True

    def forget(self, now, version=None):
        if self.held.version != version:
            return False
        self.held, self.gone = None, True
        return True


class PretendApp:
    def __init__(self, now, *faults):
        self.now, self.faults, self.count = now, list(faults), 0

    def refresh(self, refresh_token, *, now):
        self.count += 1
        time.sleep(0.05)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        expires_at = now + timedelta(minutes=30)
        return Token(
            access_token=f"new-{self.count}", expires_at=expires_at, refresh_token=refresh_token
        )


@pytest.fixture
def made(clock):
    def make(minutes, *faults, processes=1):
        shelf = PretendShelf(Held("old", "refresh", clock() + timedelta(minutes=minutes), 1))
        app = PretendApp(clock, *faults)
        sources = [
            OAuthTokens(
                account="portal",
                app=app,
                shelf=shelf,
                now=clock,
                sleep=lambda seconds: time.sleep(seconds / 20),
            )
            for _ in range(processes)
        ]
        return shelf, app, sources

    return make


def at_once(calls):
    found, barrier = [], threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        found.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_s039_eight_workers_of_two_processes_make_one_refresh(made):
    _, app, sources = made(-1, processes=2)

    found = at_once([source.token for source in sources * 4])

    assert set(found) == {"new-1"}
    assert app.count == 1


def test_s039_eight_refused_workers_make_one_refresh(made):
    _, app, sources = made(15, processes=2)
    assert {source.token() for source in sources} == {"old"}

    assert set(at_once([lambda s=s: s.refused("old") for s in sources * 4])) == {True}
    assert {source.token() for source in sources} == {"new-1"}
    assert app.count == 1


def test_token_is_fetched_ahead_of_its_end_and_not_before(made, clock):
    _, app, [source] = made(6)

    assert source.token() == "old"
    clock.advance(seconds=61)
    assert source.token() == "new-1"
    assert source.token() == "new-1"
    assert app.count == 1


def test_s039_refused_young_token_is_not_refreshed_again(made):
    _, app, [source] = made(15)
    source.token()

    assert source.refused("old")
    assert not source.refused("new-1")
    assert not source.refused("new-1")
    assert app.count == 1


def test_token_that_still_lasts_serves_while_hubspot_is_away(made, clock):
    shelf, app, [source] = made(4, TransientCrmError("503"))

    assert source.token() == "old"
    assert shelf.claimed == set()
    clock.advance(seconds=31)
    assert source.token() == "new-2"
    assert app.count == 2


def test_ended_token_is_not_used_while_hubspot_is_away(made):
    shelf, _, [source] = made(-1, TransientCrmError("503"))

    with pytest.raises(TransientCrmError):
        source.token()
    assert shelf.claimed == set()


def test_bad_refresh_token_is_tried_once_and_never_again(made):
    shelf, app, [source] = made(-1, UninstalledError("uninstalled"))

    for _ in range(3):
        with pytest.raises(AccessError) as error:
            source.token()
        assert error.value.code == "uninstalled"
    assert shelf.held is None
    assert app.count == 1


def test_account_that_was_never_installed_says_how_to(made):
    shelf, app, [source] = made(10)
    shelf.held = None

    with pytest.raises(AccessError, match="leadscore install hubspot portal") as error:
        source.token()
    assert error.value.code == "not_installed"
    assert app.count == 0


def test_another_process_that_takes_too_long_is_not_waited_for_without_end(made):
    shelf, app, [source] = made(-1)
    shelf.claimed.add(1)

    with pytest.raises(TransientCrmError, match="token_wait"):
        source.token()
    assert app.count == 0


def test_refresh_that_failed_is_not_tried_again_at_each_call(made, clock):
    _, app, (source,) = made(4, *[TransientCrmError("timeout")] * 2)

    assert [source.token() for _ in range(5)] == ["old"] * 5
    assert app.count == 1
    clock.advance(seconds=31)
    assert [source.token() for _ in range(5)] == ["old"] * 5
    assert app.count == 2
    clock.advance(seconds=31)
    assert source.token() == "new-3"


def test_refused_grant_stops_the_account_and_buries_no_record(made):
    shelf, _, (source,) = made(-1, PermanentCrmError("invalid_grant"))

    with pytest.raises(AccessError, match="invalid_grant"):
        source.token()

    assert shelf.claimed == set()
    assert source.token() == "new-2"
