"""`leadscore audit`: whether the trail holds, and its rows for an auditor."""

import json
from datetime import UTC

import click

from console.acting import acting
from console.cli import FINDINGS
from console.csv_cells import csv_line
from store.audit import Row


def run_verify(*, as_json: bool) -> int:
    """Check every account's trail against its hashes and kept heads; return 1 where one breaks."""
    with acting() as at:
        audit = at.store.audit
        results = []
        for account in audit.accounts():
            count, broken = audit.verify(account)
            results.append(
                {
                    "account": account,
                    "rows": count,
                    "ok": broken is None,
                    "row": None if broken is None else broken.seq,
                    "detail": "" if broken is None else broken.what,
                }
            )
        is_ok = all(result["ok"] for result in results)
        if as_json:
            click.echo(json.dumps({"ok": is_ok, "accounts": results}, indent=2))
        else:
            for result in results:
                sign = "ok   " if result["ok"] else "WRONG"
                tail = "" if result["ok"] else f"; row {result['row']}: {result['detail']}"
                click.echo(f"{sign} {result['account']}: {result['rows']} rows hold{tail}")
            click.echo(f"{len(results)} trails")
        return 0 if is_ok else FINDINGS


def run_export(*, as_csv: bool) -> int:
    """Print every row as a line of JSON or CSV, oldest first within its account."""
    with acting() as at:
        is_first = True
        for account in at.store.audit.accounts():
            for row in at.store.audit.rows(account):
                line = _line(row)
                if as_csv and is_first:
                    click.echo(csv_line(line))
                is_first = False
                click.echo(csv_line(line.values()) if as_csv else json.dumps(line))
        return 0


def _line(row: Row) -> dict[str, object]:
    act = row.act
    return {
        "account": act.account_id,
        "seq": row.seq,
        "at": row.at.astimezone(UTC).isoformat(),
        "actor": act.actor,
        "act": act.act,
        "object_type": act.object_type,
        "record_id": act.record_id,
        "fields": act.fields,
        "outcome": act.outcome,
        "count": act.count,
    }
