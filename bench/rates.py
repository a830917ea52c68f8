"""Measures several ways side by side: round by round in turn, so that a busy moment hits all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Way(NamedTuple):
    """One way of doing the work, and what it is given."""

    run: Callable[[Any], object]
    items: list[Any]


def rates(ways: Mapping[str, Way], *, rounds: int = 9) -> dict[str, float]:
    """Return how many items a second each way does: the median of its rounds."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (run, items) in ways.items():
            began = time.perf_counter()
            for item in items:
                run(item)
            found[name].append(len(items) / (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in found.items()}
