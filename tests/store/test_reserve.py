"""A full disk: the reserve is given up, receivers wait until it is there again (S83)."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from store.inbox import Inbox, InboxError
from store.reserve import Reserve
from store.rooms import open_store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SIZE = 200_000
BODY = random.Random(3).randbytes(100_000)  # noqa: S311  what does not shrink


class Ticks:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def reserve(tmp_path, ticks):
    return Reserve(tmp_path / "a.reserve", SIZE, monotonic=ticks)


def test_it_holds_its_size_on_the_disk(reserve, tmp_path):
    assert not reserve.is_held()

    assert reserve.hold()
    assert reserve.is_held()
    assert (tmp_path / "a.reserve").stat().st_blocks * 512 >= SIZE
    assert (tmp_path / "a.reserve").stat().st_mode & 0o777 == 0o600


def test_what_is_released_is_made_again_a_second_later(reserve, ticks, tmp_path):
    reserve.hold()
    reserve.release()
    reserve.release()

    assert (tmp_path / "a.reserve").stat().st_size == 0
    assert not reserve.hold()
    ticks.now += 1.1
    assert reserve.hold()


def test_it_is_not_made_where_there_is_no_room(tmp_path):
    huge = Reserve(tmp_path / "a.reserve", 2**60)

    assert not huge.hold()
    assert not huge.is_held()


class Disk:
    """Lets SQLite find its disk full, as it does itself: SQLITE_FULL (13)."""

    def __init__(self, engine):
        self.pages = 0  # no limit
        event.listen(engine, "connect", self._limit)
        event.listen(engine, "checkout", self._limit)

    def _limit(self, connection, *_):
        connection.execute(f"PRAGMA max_page_count={self.pages or 2**30}")


@pytest.fixture
def full(sqlite_url, keys, tmp_path):
    found = open_store(sqlite_url, keys, tmp_path / "heads", reserve_bytes=SIZE)
    yield found
    found.close()


def append(inbox):
    return inbox.append(account_id="portal", kind="hubspot", body=BODY, at=NOON)


def test_s083_a_full_disk_releases_the_reserve_and_is_answered_until_there_is_room(
    full, keys, tmp_path, ticks
):
    databases = full.databases
    disk = Disk(databases.inbox)
    reserve = Reserve(tmp_path / "data" / "leadscore.reserve", SIZE, monotonic=ticks)
    inbox = Inbox(databases.inbox, full.leads._vault, reserve=reserve)
    append(inbox)
    inbox.close()
    disk.pages = 20

    with pytest.raises(InboxError, match="OperationalError"):
        append(inbox)
    assert not reserve.is_held()
    # What room there is now belongs to the worker: not even tried.
    with pytest.raises(InboxError, match="DiskFullError"):
        append(inbox)
    with pytest.raises(InboxError, match="DiskFullError"):
        inbox.check_writable()
    disk.pages = 0
    ticks.now += 2
    append(inbox)
    inbox.check_writable()
    assert reserve.is_held()
    assert inbox.counts()["waiting"] == 2
    inbox.close()


def test_s083_a_worker_that_finds_the_disk_full_releases_the_reserve(full):
    databases = full.databases
    assert databases.reserve.is_held()
    Disk(databases.ledger).pages = 3
    databases.ledger.dispose()

    with pytest.raises(OperationalError, match="full"), databases.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO listing (account_id, object_type, cursor) VALUES ('a', 'b', :long)"),
            {"long": "x" * 500_000},
        )
    assert not databases.reserve.is_held()


def test_postgresql_has_no_reserve_of_ours(postgresql_url, keys, tmp_path):
    found = open_store(postgresql_url, keys, tmp_path / "heads", reserve_bytes=SIZE)

    assert found.databases.reserve is None
    found.close()
