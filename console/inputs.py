"""`leadscore inputs`: the input register, as a table or as JSON."""

import json

import click
from rich.console import Console
from rich.table import Column, Table

from config.load import environment, load_models, load_practice, load_settings
from config.problems import ConfigError
from config.register import Input, register
from console.cli import USAGE


def run_inputs(*, as_json: bool) -> int:
    """Print the register; return the exit code."""
    try:
        # No secrets: whoever audits the inputs needs no keys.
        path = load_settings(environment()).practice_file
        practice = load_practice(path)
        found = register(practice, load_models(practice, path.parent))
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    if as_json:
        click.echo(json.dumps([line._asdict() for line in found]))
        return 0
    heads = ("field", "from", "read by", "is", "about", "override")
    table = Table(*(Column(head, overflow="fold") for head in heads))
    for line in found:
        table.add_row(
            line.field,
            _origin(line),
            _readers(line),
            line.status,
            line.about,
            line.override_reason,
        )
    Console().print(table)
    proxies = sum(line.status == "proxy" for line in found)
    protected = sum(line.status == "protected" for line in found)
    if proxies or protected:
        click.echo(
            f"warning: {proxies} proxies tell something about a protected trait;"
            f" {protected} protected traits are read by a written override",
            err=True,
        )
    return 0


def _origin(line: Input) -> str:
    return f"{line.crm}: {line.property}" if line.crm else line.property


def _readers(line: Input) -> str:
    if not line.rules:
        return "no rule"
    more = f" and {len(line.rules) - 2} more" if len(line.rules) > 2 else ""
    return ", ".join(line.rules[:2]) + more
