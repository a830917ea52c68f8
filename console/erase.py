"""`leadscore erase`: forget all that is known of a record, for good."""

import click

from console.acting import acting
from console.cli import FINDINGS, USAGE
from integrations.errors import PayloadError
from integrations.registry import record_ref
from store.tombstones import Record


def run_erase(*, account: str, object_type: str, record_id: str, yes: bool) -> int:
    """Erase one record; return the exit code."""
    with acting() as at:
        crm = at.store.accounts.crm_of(account)
        if crm is None:
            names = ", ".join(at.store.accounts.names()) or "none"
            click.echo(f"{account}: no such account; there are: {names}", err=True)
            return USAGE
        # As workers name it: under another spelling it would come back.
        try:
            ref = record_ref(crm, object_type, record_id)
        except PayloadError as error:
            click.echo(str(error), err=True)
            return USAGE
        record = Record(account, ref.object_type, ref.record_id)
        name = f"{account} {record.object_type} {record.record_id}"
        if not yes:
            click.confirm(
                f"Forget all that is known of {name}? It cannot be undone, and the record will"
                " never be scored again.",
                abort=True,
            )
        done = at.store.erasure.erase([record], at.actor, at.now)
        is_cleared = at.store.erasure.clear()
        at.finish()
        click.echo(
            f"erased {name}: {done.rows} rows"
            if done.records
            else f"{name} was erased before: {done.rows} rows"
        )
        click.echo("what the CRM itself holds of it, its last score too, is not touched")
        if not done.is_filed:
            file = at.settings.tombstones
            click.echo(f"{file}: cannot be written; a restored copy would bring it back", err=True)
        if not is_cleared:
            click.echo("the database is in use: erased data leaves its log a bit later", err=True)
        return 0 if done.is_filed and is_cleared else FINDINGS
