import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from store.group_commit import GroupCommit, NotStoredError, run_together


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
                raise OSError("marked value")
            self.rows += rows
        finally:
            self.at_once -= 1


def stored(group, row, timeout_s=5.0):
    try:
        group.store(row, timeout_s)
    except NotStoredError:
        return False
    return True


def together(group, rows, told, timeout_s=5.0):
    run_together(
        lambda row=row: told.__setitem__(row, stored(group, row, timeout_s)) for row in rows
    )


def in_threads(group, rows, *, threads=8, each=7):
    told = {}
    parts = [rows[n : n + each] for n in range(0, len(rows), each)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: together(group, part, told), parts))
    return told


def test_a_row_alone_pays_one_commit():
    disk = Disk()

    GroupCommit(disk).store("a", 1.0)
    assert (disk.rows, disk.groups) == (["a"], [1])


def test_rows_of_tasks_that_run_together_share_one_commit():
    disk = Disk()
    told = {}
    together(GroupCommit(disk), range(40), told)

    assert told == dict.fromkeys(range(40), True)
    assert disk.groups == [40]


def test_a_task_without_a_row_and_one_with_two_run_together():
    disk = Disk()
    group = GroupCommit(disk)
    order = []

    def two():
        group.store("first", 1.0)
        order.append("between")
        group.store("second", 1.0)
        order.append("after")

    run_together([two, lambda: order.append("none"), lambda: group.store("one", 1.0)])

    assert order == ["none", "between", "after"]
    assert (disk.rows, disk.groups) == (["first", "one", "second"], [2, 1])


def test_a_task_goes_on_with_its_own_stack():
    group = GroupCommit(Disk())
    found = {}

    def deep(name, left):
        if left:
            return [name, *deep(name, left - 1)]
        group.store(name, 1.0)
        return [name]

    run_together(lambda n=n: found.__setitem__(n, deep(n, n)) for n in range(30))

    assert found == {n: [n] * (n + 1) for n in range(30)}


def test_commits_of_several_threads_run_one_at_a_time():
    disk = Disk(delay_s=0.002)
    told = in_threads(GroupCommit(disk), range(400))

    assert all(told.values())
    assert sorted(disk.rows) == list(range(400))
    assert disk.most_at_once == 1


def test_s021_no_false_success_and_no_false_row_when_commits_fail_at_random():
    rng = random.Random(5)  # noqa: S311  dice
    disk = Disk(delay_s=0.0005, fails=lambda _: rng.random() < 0.4)
    told = in_threads(GroupCommit(disk), range(600))

    assert {row for row, is_stored in told.items() if is_stored} == set(disk.rows)
    assert 0 < len(disk.rows) < 600


def test_s021_a_failing_commit_fails_its_whole_group_and_no_other():
    disk = Disk(fails=lambda rows: 13 in rows)
    told = in_threads(GroupCommit(disk), range(64), each=8)

    assert {row for row, is_stored in told.items() if not is_stored} == set(range(8, 16))
    assert set(disk.rows) == set(range(64)) - set(range(8, 16))


def test_s021_who_waits_too_long_is_told_so_and_its_row_is_not_stored():
    disk = Disk()
    disk.go.clear()
    group = GroupCommit(disk)
    first = threading.Thread(target=group.store, args=("first", 5.0))
    first.start()
    while not disk.groups:
        time.sleep(0.001)

    began = time.monotonic()
    with pytest.raises(NotStoredError, match=r"^busy$"):
        group.store("late", 0.1)
    assert time.monotonic() - began < 1.0
    disk.go.set()
    first.join(5)
    assert stored(group, "after")
    assert disk.rows == ["first", "after"]


def test_a_commit_gets_no_more_time_than_its_oldest_row_has():
    disk = Disk()
    group = GroupCommit(disk)
    run_together([lambda: group.store("a", 0.7), lambda: group.store("b", 9.0)])

    assert 0.6 < disk.waits[0] <= 0.7


def test_a_failed_commit_is_named_by_its_class_and_the_next_one_is_tried():
    disk = Disk(fails=lambda rows: "bad" in rows)
    group = GroupCommit(disk)
    with pytest.raises(NotStoredError, match=r"^OSError$"):
        group.store("bad", 1.0)

    assert stored(group, "after", 1.0)
