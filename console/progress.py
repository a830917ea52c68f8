"""Progress bars on standard error: how much is done, and how long the rest will take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Lines between two updates: the bar must not slow the work down.
_EVERY = 250


@contextmanager
def bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the size of each line done.

    Args:
        total: Bytes in all; None where that is not known, as from a pipe.
    """
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Without a hand on standard output: the scores go there.
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task("scoring", total=total, lines=0)
        done = lines = 0

        def advance(size: int) -> None:
            nonlocal done, lines
            done += size
            lines += 1
            if lines % _EVERY == 0:
                progress.update(task, completed=done, lines=lines)

        yield advance
        progress.update(task, completed=done, total=total or done, lines=lines)


@contextmanager
def count_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the number of things just done, out of `total`."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
