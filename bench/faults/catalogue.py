"""Every fault by its name, in the order they are tried."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.faults import (
    away,
    crm,
    disk_full,
    failing_calls,
    keys,
    killing,
    load,
    locking,
    mutated,
    turning,
)
from bench.faults.circumstances import Circumstances
from bench.faults.report import Row


def _each(
    function: Callable[[Circumstances, str], Row], circumstances: Circumstances
) -> list[Row]:
    return [function(circumstances, database) for database in ("sqlite", "postgresql")]


def _all(*given: Any) -> list[Row]:
    *functions, circumstances = given
    return [function(circumstances) for function in functions]


#: Name -> what tries it; each returns one row or several.
FAULTS: dict[str, Callable[[Circumstances], list[Row]]] = {
    "load": partial(_each, load.under_load),
    "kills": partial(_each, killing.random_kills),
    "crash_points": partial(_each, killing.crash_points),
    "disk_full": partial(_all, disk_full.sqlite_full),
    "failing_calls": partial(_all, failing_calls.on_sqlite, failing_calls.on_postgresql),
    "locked": partial(_all, locking.sqlite_locked),
    "server_killed": partial(_all, locking.server_killed),
    "crm": crm.all_of_them,
    "away": partial(_all, away.day_away),
    "poison": partial(_all, away.poison),
    "mutated": partial(_all, mutated.deliveries),
    "keys": partial(_all, keys.lost_and_wrong),
    "clock": partial(_all, keys.clock_moved),
    "turned": partial(_each, turning.rotated_under_load),
    "copy": partial(_all, turning.copy_brought_back),
}
