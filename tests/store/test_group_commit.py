import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from store.group_commit import MAX_ROWS, GroupCommit, NotStoredError


class Disk:
    """Keeps rows; counts how many commits run at once."""

    def __init__(self, *, delay_s=0.0, fails=lambda _: False):
        self.rows = []
        self.groups = []
        self.waits = []
        self.delay_s = delay_s
        self.fails = fails
        self.at_once = self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, rows, timeout_s):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.groups.append(len(rows))
            self.waits.append(timeout_s)
            self.go.wait(10)
            time.sleep(self.delay_s)
            if self.fails(rows):
                raise OSError("disk full")
            self.rows += rows
        finally:
            self.at_once -= 1


def stored(group, row, timeout_s=5.0):
    try:
        group.store(row, timeout_s)
    except NotStoredError:
        return False
    return True


def run(group, rows, *, threads=32, timeout_s=5.0):
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(rows, pool.map(lambda r: stored(group, r, timeout_s), rows), strict=True))


def test_one_thread_alone_pays_one_commit():
    disk = Disk()

    GroupCommit(disk).store("a", 1.0)
    assert (disk.rows, disk.groups) == (["a"], [1])


def test_threads_that_wait_share_commits_and_one_runs_at_a_time():
    disk = Disk(delay_s=0.002)
    told = run(GroupCommit(disk), range(400))

    assert all(told.values())
    assert sorted(disk.rows) == list(range(400))
    assert disk.most_at_once == 1
    assert len(disk.groups) < 200


def test_s021_no_false_success_and_no_false_row_when_commits_fail_at_random():
    rng = random.Random(5)  # noqa: S311  dice
    disk = Disk(delay_s=0.0005, fails=lambda _: rng.random() < 0.4)
    told = run(GroupCommit(disk), range(600))

    # Told "stored" if and only if it is, when nobody runs out of time.
    assert {row for row, is_stored in told.items() if is_stored} == set(disk.rows)
    assert 0 < len(disk.rows) < 600


def test_s021_a_failing_commit_fails_its_whole_group_and_no_other():
    disk = Disk(delay_s=0.001, fails=lambda rows: 13 in rows)
    told = run(GroupCommit(disk), range(64))

    assert not told[13]
    assert {row for row, is_stored in told.items() if is_stored} == set(disk.rows)
    assert len(disk.rows) + 64 >= len(told)


def test_s021_who_waits_too_long_is_told_so_and_its_row_is_dropped():
    disk = Disk()
    disk.go.clear()
    group = GroupCommit(disk)
    first = threading.Thread(target=group.store, args=("first", 5.0))
    first.start()
    while not disk.groups:
        time.sleep(0.001)

    began = time.monotonic()
    assert not stored(group, "late", 0.1)
    assert time.monotonic() - began < 1.0
    disk.go.set()
    first.join(5)
    assert stored(group, "after")
    assert disk.rows == ["first", "after"]


@pytest.mark.parametrize("seed", range(6))
def test_s021_time_outs_as_long_as_a_commit_leave_nobody_waiting(seed):
    rng = random.Random(seed)  # noqa: S311  dice
    disk = Disk(delay_s=0.002, fails=lambda _: rng.random() < 0.2)
    group = GroupCommit(disk)

    with ThreadPoolExecutor(24) as pool:
        waits = [rng.choice((0.0, 0.001, 0.002, 0.0021, 0.004, 1.0)) for _ in range(400)]
        told = list(pool.map(lambda n: stored(group, n, waits[n]), range(400), timeout=60))

    # Whoever was told "stored" is; a row that was given up may be stored all the same.
    assert {n for n, is_stored in enumerate(told) if is_stored} <= set(disk.rows)
    disk.fails = lambda _: False
    assert stored(group, "after", 2.0)
    assert group._waiting == []


def test_a_row_that_comes_as_the_committer_falls_asleep_wakes_it():
    disk = Disk()
    group = GroupCommit(disk)

    for n in range(3_000):
        group.store(n, 5.0)

    assert disk.rows == list(range(3_000))


def test_a_commit_gets_no_more_time_than_its_oldest_row_has():
    disk = Disk()
    GroupCommit(disk).store("a", 0.7)

    assert 0.6 < disk.waits[0] <= 0.7


def test_no_group_is_larger_than_a_statement_allows():
    disk = Disk()
    disk.go.clear()
    group = GroupCommit(disk)
    threads = [threading.Thread(target=group.store, args=(n, 20.0)) for n in range(MAX_ROWS + 101)]
    for thread in threads:
        thread.start()
    while len(group._waiting) < MAX_ROWS + 100:
        time.sleep(0.001)
    disk.go.set()
    for thread in threads:
        thread.join(10)

    assert sorted(disk.rows) == list(range(MAX_ROWS + 101))
    assert max(disk.groups) == MAX_ROWS


def test_a_failed_commit_is_named_by_its_class_and_the_next_one_is_tried():
    def commit(rows, _):
        if "bad" in rows:
            raise OSError("marked value")

    group = GroupCommit(commit)
    with pytest.raises(NotStoredError, match=r"^OSError$"):
        group.store("bad", 1.0)

    assert stored(group, "after", 1.0)
