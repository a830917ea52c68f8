"""Every fault by its name, in the order they are tried."""

from collections.abc import Callable
from functools import partial

from bench.faults import killing
from bench.faults.report import Row
from bench.faults.rig import Circumstances


def _each(function: Callable[[Circumstances, str], Row], circumstances: Circumstances):
    return [function(circumstances, database) for database in ("sqlite", "postgresql")]


#: Name -> what tries it; each returns one row or several.
FAULTS: dict[str, Callable[[Circumstances], list[Row]]] = {
    "kills": partial(_each, killing.random_kills),
    "crash_points": partial(_each, killing.crash_points),
}
