"""`leadscore score`: JSON lines in, JSON lines out, in the same order, in constant memory."""

import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, Final

import click

from config.load import environment, load_model, load_settings
from config.meaning.minilm import MeaningError
from config.meaning.switch import load_meaning, meaning_by
from config.problems import ConfigError
from config.settings import Settings
from console.cli import FINDINGS, USAGE
from console.score_lines import MAX_LINE_BYTES, LineScorer, Scored
from scoring.model import ScoringModel
from scoring.text.semantic import Meaning
from webhooks.wiring import utc_now

#: Lines that go to a process, and come back, at once.
_BATCH: Final = 400
#: Batches that wait for each process: enough to keep it busy, few enough for constant memory.
_WAITING: Final = 3


def run_score(
    file: IO[bytes],
    *,
    model_file: Path | None,
    now: datetime | None,
    jobs: int,
    plot: Path | None,
) -> int:
    """Score the lines of `file` to standard output; return the exit code."""
    name = str(model_file or "general")
    try:
        model = load_model(name, Path())
        settings = load_settings(environment())
        meaning, settings = _meaning(settings)
        if plot is not None:
            check_plot(plot)
    except (ConfigError, PlotError) as error:
        click.echo(str(error), err=True)
        return USAGE
    at = now or utc_now()
    lines = bounded(file)
    counts: Counter[tuple[str, int | None]] = Counter()
    with _progress(file) as advance:
        scored = in_processes(lines, name, model, at, jobs, settings=settings) if jobs > 1 else one_by_one(lines, model, at, meaning)  # fmt: skip
        for found, size in scored:
            sys.stdout.write(found.line)
            counts[found.tier, found.score] += 1
            advance(size)
    sys.stdout.flush()
    if plot is not None:
        from console.plot import draw  # noqa: PLC0415  # only where asked for

        draw(counts, plot, model.version)
    bad = sum(count for (tier, _), count in counts.items() if not tier)
    if bad:
        total = sum(counts.values())
        click.echo(f"{bad:,} of {total:,} lines could not be scored; each says why", err=True)
    return FINDINGS if bad else 0


def _meaning(settings: Settings) -> tuple[Meaning | None, Settings]:
    """Return what judges by meaning, or None, and the settings for processes to follow."""
    try:
        return load_meaning(settings.semantic_model) if settings.semantic else None, settings
    except MeaningError as error:
        click.echo(f"the emergency gate does not read meaning: {error}", err=True)
        return None, settings.model_copy(update={"semantic": False})


class PlotError(Exception):
    """A plot that cannot be drawn; the text says what to do."""


def check_plot(path: Path) -> None:
    """Raise PlotError, before any work, where the plot could not be drawn in the end."""
    if path.suffix.lower() not in {".png", ".svg"}:
        raise PlotError(f"--plot: must end in .png or .svg, found {path.name!r}")
    if not path.resolve().parent.is_dir():
        raise PlotError(f"--plot: there is no folder {path.resolve().parent}")
    if find_spec("matplotlib") is None:
        raise PlotError("--plot needs matplotlib; install it: pip install 'leadscore[plot]'")


def bounded(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of `file`; of one that is too long just enough to be refused."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES + 1)


def one_by_one(
    lines: Iterable[bytes], model: ScoringModel, now: datetime, meaning: Meaning | None = None
) -> Iterator[tuple[Scored, int]]:
    """Yield each line scored, and the size of what it came from."""
    score_line = LineScorer(model, now, meaning)
    for line in lines:
        yield score_line(line), len(line)


def in_processes(
    lines: Iterable[bytes],
    name: str,
    model: ScoringModel,
    now: datetime,
    jobs: int,
    *,
    settings: Settings = Settings(),  # noqa: B008  # frozen
) -> Iterator[tuple[Scored, int]]:
    """Yield as `one_by_one` does, in the same order, scored by `jobs` processes."""
    source = iter(lines)
    # Spawned, not forked: the progress bar has a thread.
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(name, model.version, now, settings),
    )
    with pool:
        waiting: deque[tuple[list[bytes], Future[list[Scored]]]] = deque()
        while True:
            while len(waiting) < jobs * _WAITING and (batch := list(islice(source, _BATCH))):
                waiting.append((batch, pool.submit(_work, batch)))
            if not waiting:
                return
            batch, future = waiting.popleft()
            for found, line in zip(future.result(), batch, strict=True):
                yield found, len(line)


#: What a spawned process keeps between its batches.
_KEPT: dict[str, LineScorer] = {}


def _begin(name: str, version: str, now: datetime, settings: Settings) -> None:
    model = load_model(name, Path())
    if model.version != version:
        raise RuntimeError("the model file changed while it was being read")
    _KEPT["scorer"] = LineScorer(model, now, meaning_by(settings))


def _work(batch: list[bytes]) -> list[Scored]:
    score_line = _KEPT["scorer"]
    return [score_line(line) for line in batch]


def _progress(file: IO[bytes]) -> Any:
    """Return a context that gives a function to call with the bytes done; a bar on a terminal."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(lambda _: None)
    from console.progress import bar  # noqa: PLC0415  # rich: only on a terminal

    try:
        status = os.fstat(file.fileno())
        total = status.st_size or None
    except (OSError, AttributeError):
        total = None
    return bar(total)
