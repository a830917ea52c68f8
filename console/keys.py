"""`leadscore keys`: list, prepare, rotate and retire master keys."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from console.acting import Acting, acting
from console.cli import FINDINGS, USAGE
from console.progress import count_bar
from store.keys import KeyFileError, MasterKeys, write_secret
from store.rotation import KeyNeededError

#: Of a key that wraps data keys but is not here.
MISSING = "missing"


def master_key_rows(at: Acting, keys: MasterKeys) -> list[dict[str, Any]]:
    """Return what is known of each master key; never the key."""
    uses = at.store.rotation.uses()
    rows = []
    for number in sorted({*keys.numbers, *uses}):
        made_on = keys.made_on.get(number)
        is_here = number in keys.numbers
        rows.append(
            {
                "number": number,
                "state": keys.state(number) if is_here else MISSING,
                "made_on": made_on.isoformat() if made_on else None,
                "age_days": (at.now.date() - made_on).days if made_on else None,
                "wraps": {
                    "leads": uses.get(number, {}).get("lead", 0),
                    "deliveries": uses.get(number, {}).get("delivery_key", 0),
                },
            }
        )
    return rows


def run_list(*, as_json: bool) -> int:
    """Show the master keys; return 1 when one that is needed is not here."""
    with acting() as at:
        rows = master_key_rows(at, at.keys)
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        else:
            _show(rows)
        return FINDINGS if any(row["state"] == MISSING for row in rows) else 0


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Key", "State", "Made on", "Age", "Wraps"):
        table.add_column(name)
    for row in rows:
        age = "unknown" if row["age_days"] is None else f"{row['age_days']} days"
        wraps = f"{row['wraps']['leads']} leads, {row['wraps']['deliveries']} delivery keys"
        table.add_row(str(row["number"]), row["state"], row["made_on"] or "unknown", age, wraps)
    Console().print(table)


def run_prepare(*, to: Path | None) -> int:
    """Make a pending key; return the exit code."""
    with acting() as at:
        keys = _change(at, lambda keys: keys.with_pending(at.now.date()), to)
        if keys is None or keys.pending is None:
            return USAGE
        at.store.rotation.record_new(keys.pending, "pending", at.actor, at.now)
        at.finish()
        click.echo(
            f"key {keys.pending} is pending. Bring the keys to every machine that shares the"
            " database, then run: leadscore keys rotate"
        )
        return 0


def run_rotate(*, to: Path | None) -> int:
    """Make a new key primary, or go on with the last one; wrap everything under it."""
    with acting() as at:
        keys, rotation = at.keys, at.store.rotation
        if keys.pending is not None or not rotation.left():
            # In two steps, so that whoever reads the first knows the key before it seals.
            day = at.now.date()
            if to is None and _change(at, lambda keys: keys.with_pending(day), None) is None:
                return USAGE
            new = _change(at, lambda keys: keys.with_pending(day).with_pending_as_primary(), to)
            if new is None:
                return USAGE
            rotation.record_new(new.primary, "primary", at.actor, at.now)
            if to is not None:
                at.finish()
                click.echo("then run again: leadscore keys rotate")
                return 0
            keys = new
        else:
            click.echo(f"going on with key {keys.primary}")
        return _rewrap(at, keys)


def _rewrap(at: Acting, keys: MasterKeys) -> int:
    rotation = at.store.rotation
    at.store.vault.take(keys)
    with count_bar("wrapping", rotation.left()) as advance:
        done = rotation.rewrap(at.actor, at.now, advance)
    left = rotation.left()
    at.finish()
    click.echo(f"key {keys.primary} seals; {done} data keys wrapped anew, {left} left")
    if left:
        click.echo("some were in use, or do not open; run it again", err=True)
        return FINDINGS
    click.echo("older keys can be retired once no copy that needs them is kept")
    return 0


def run_retire(*, number: int, to: Path | None, yes: bool) -> int:
    """Destroy a master key; return 1 when it is still needed."""
    with acting() as at:
        try:
            at.keys.without(number)
        except KeyFileError as error:
            click.echo(str(error), err=True)
            return USAGE
        if not yes:
            click.confirm(
                f"Copies and backups from before the rotation open with key {number} only."
                " Destroy it?",
                abort=True,
            )
        try:
            at.store.rotation.retire(number, at.actor, at.now)
        except KeyNeededError as error:
            click.echo(str(error), err=True)
            return FINDINGS
        at.finish()
        if _change(at, lambda keys: keys.without(number), to) is None:
            return USAGE
        click.echo(f"key {number} is retired; destroy its copies, too")
        return 0


def _change(
    at: Acting, step: Callable[[MasterKeys], MasterKeys], to: Path | None
) -> MasterKeys | None:
    """Change the keys where they come from, or write them to `to`; None after saying why not."""
    source = at.keys.source
    if source is None:
        raise TypeError("keys without a source")
    try:
        if to is None:
            return source.change(step)
        new = step(source.read())
        write_secret(to, new.to_text())
    except KeyFileError as error:
        click.echo(str(error), err=True)
        return None
    except OSError as error:
        click.echo(f"{to}: cannot be written: {error.strerror}", err=True)
        return None
    click.echo(f"wrote {to}: put its content in place of what is in {source.name}")
    return new
