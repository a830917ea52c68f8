"""The fault rig finds what it is there to find; and its faults in small, a few seconds each."""

import importlib
import secrets
import time

import pytest

from bench.faults import keys, killing
from bench.faults.circumstances import MARK, Circumstances, until
from bench.faults.failing_calls import Failing
from bench.faults.invariants import check, scan
from bench.faults.patches import APPENDERS, CRASH_POINTS
from bench.faults.processes import Nursery
from bench.faults.report import Row
from bench.faults.rig import Rig
from bench.faults.watch import Written


@pytest.fixture(scope="module")
def nursery():
    found = Nursery()
    yield found
    found.close()


@pytest.fixture
def circumstances(tmp_path, nursery):
    def no_server():
        raise AssertionError("these run on SQLite")

    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")  # noqa: T201  shown when the test fails
    return Circumstances(
        seed=seed, is_long=False, folder=tmp_path, nursery=nursery, server=no_server
    )


@pytest.fixture
def rig(circumstances):
    with Rig(circumstances, "small", people=6) as found:
        yield found


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_s082_each_crash_point_names_a_step_that_exists(point):
    command, module, owner, method, side = CRASH_POINTS[point]
    homes = APPENDERS.values() if module == "{appender}" else [(module, owner)]

    for home, name in homes:
        found = importlib.import_module(home)
        assert callable(getattr(getattr(found, name) if name else found, method))
    assert (command, side) in {(c, s) for c in ("receive", "work") for s in ("before", "after")}


def test_i001_the_rig_finds_what_was_acknowledged_and_not_stored(rig):
    rig.add("receive").kill()
    rig.parts[0].start("lose:5")
    rig.add("work")
    rig.ready()
    for _ in range(20):
        rig.change()
        time.sleep(0.05)

    found = check(rig, settle_s=5)
    assert found.lost > 0
    assert any(problem.startswith("I1") for problem in found.problems)


def test_i004_the_rig_finds_a_score_that_is_written_twice(rig):
    rig.watch.writes += [Written(1.0, "501", "a"), Written(2.0, "501", "b")]
    assert rig.watch.needless() == []
    rig.watch.writes += [Written(3.0, "501", "b")]

    assert rig.watch.needless() == ["501"]
    rig.watch.disturb(1.5, 2.5)
    assert rig.watch.needless() == []


def test_i005_the_rig_finds_a_marker(rig):
    assert scan(rig) == []
    (rig.folder / "some.log").write_bytes(b"x" * 10_000 + MARK.encode())

    assert scan(rig) == ["some.log"]


def test_s081_a_short_load_is_all_acknowledged_and_stored(rig):
    rig.add("receive")
    rig.add("work")
    rig.ready()
    with rig.sending(rate=60, seconds=2, events=5) as sent:
        pass

    assert sent().answers == {"200": 120}
    assert check(rig).problems == []


@pytest.mark.parametrize("point", ["committed_not_answered", "written_not_stored"])
def test_s082_a_process_killed_at_a_point_loses_nothing(rig, point):
    parts = {command: rig.add(command) for command in ("receive", "work")}
    rig.ready()
    row = Row(fault=point)

    killing.crash_once(rig, parts[CRASH_POINTS[point][0]], point, row)
    assert row.problems == []
    assert check(rig).problems == []


def test_s084_a_failed_fsync_is_answered_503_and_mends_itself(rig):
    failing = Failing(rig.folder, ".db")
    rig.add("receive", is_quick=False, **failing.env)
    rig.parts[0].wait_ready()
    rig.add("work")
    rig.ready()
    assert until(lambda: len(rig.watch.writes) >= 6, 20)
    began = time.monotonic()
    failing.rates(1.0, 0.0)
    with rig.sending(rate=10, seconds=1, events=1) as sent:
        time.sleep(1.5)
        failing.rates(0.0, 0.0)
        healed_at = time.monotonic()
    rig.watch.disturb(began, time.monotonic())

    assert sent().within(began, healed_at, "200") == 0
    assert sent().within(began, healed_at + 1, "503") > 0
    assert failing.struck()[0] > 0
    assert check(rig).problems == []


def test_s089_a_lost_or_wrong_key_changes_nothing_that_is_stored(circumstances):
    row = keys.lost_and_wrong(circumstances)

    assert row.problems == []
    assert row.survived
