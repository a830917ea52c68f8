"""`leadscore score`: JSON lines in, JSON lines out."""

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click

from config.load import load_model
from config.problems import ConfigError
from console.cli import FINDINGS, USAGE
from console.score_lines import score_lines
from webhooks.wiring import utc_now


def run_score(lines: Iterable[bytes], *, model_file: Path | None, now: datetime | None) -> int:
    """Score `lines` to standard output; return the exit code."""
    try:
        model = load_model(str(model_file or "general"), Path())
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    bad = score_lines(lines, sys.stdout.write, model=model, now=now or utc_now())
    return FINDINGS if bad else 0
