"""One row for each fault, and how it is printed."""

import dataclasses
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.faults.invariants import Found

_WIDTHS = (42, 8, 9, 9, 6, 8)
HEAD = (
    f"{'fault':<{_WIDTHS[0]}}{'inputs':>{_WIDTHS[1]}}{'sent':>{_WIDTHS[2]}}"
    f"{'stored':>{_WIDTHS[3]}}{'lost':>{_WIDTHS[4]}}{'seconds':>{_WIDTHS[5]}}  survived"
)


@dataclass(kw_only=True)
class Row:
    """What became of one fault."""

    fault: str
    inputs: int = 0  #: Kills, locks, bad answers, mutations: how often the fault was tried.
    sent: int = 0  #: Events, each counted once however often it was sent.
    stored: int = 0
    lost: int = 0
    seconds: float = 0.0
    survived: bool = True
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def demand(self, is_so: bool, problem: str) -> None:  # noqa: FBT001  reads as a sentence
        """Note a problem unless something is so."""
        if not is_so:
            self.problems.append(problem)

    def take(self, found: Found) -> None:
        """Add what the invariants' check found."""
        self.stored += found.stored
        self.lost += found.lost
        self.problems += found.problems

    def to_json(self) -> dict[str, object]:
        """Return the row for --json."""
        return dataclasses.asdict(self)


@contextmanager
def row(fault: str) -> Iterator[Row]:
    """Give a row to fill in; its time is taken, and problems mean that it was not survived."""
    found = Row(fault=fault)
    began = time.monotonic()
    try:
        yield found
    except Exception as error:  # noqa: BLE001  it makes a row that says so
        # The rig itself stumbled: that is no proof of survival.
        traceback.print_exc(file=sys.stdout)
        found.problems.append(f"the rig failed: {type(error).__name__}: {error}"[:300])
    finally:
        found.seconds = time.monotonic() - began
    found.survived = not found.problems


def line_of(found: Row) -> str:
    """Return a row as it is printed, with its notes below."""
    said = "yes" if found.survived else "NO"
    line = (
        f"{found.fault:<{_WIDTHS[0]}}{found.inputs:>{_WIDTHS[1]}}{found.sent:>{_WIDTHS[2]}}"
        f"{found.stored:>{_WIDTHS[3]}}{found.lost:>{_WIDTHS[4]}}{found.seconds:>{_WIDTHS[5]}.1f}"
        f"  {said}"
    )
    lines = [line, *(f"    {note}" for note in found.notes)]
    return "\n".join([*lines, *(f"    WRONG {problem}" for problem in found.problems)])
