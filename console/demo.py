"""`leadscore demo`: invented inquiries arrive, and come back ranked."""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from config.logs import start_logging
from console.ending import signals_held, wait_for_end
from console.stage import ScoredRecord, Stage, stage, wait_for

TIMEOUT_S = 60.0

_COLOURS = {
    "clinical": "bold white on red",
    "hot": "bold red",
    "warm": "yellow",
    "nurture": "cyan",
    "low": "dim",
    "not_a_lead": "dim",
}


@signals_held()
def run_demo(*, once: bool, as_json: bool, crm: str, leads: int, seed: int) -> int:
    """Run the demo; return the exit code: 1 when an inquiry was not scored in time."""
    # A pipe has no width of its own: the table needs room.
    width = None if sys.stdout.isatty() else 150
    console = Console(file=sys.stderr if as_json else sys.stdout, quiet=as_json, width=width)
    with tempfile.TemporaryDirectory(prefix="leadscore-demo-") as name:
        folder = Path(name)
        with (folder / "service.log").open("w", encoding="utf-8") as log_file:
            start_logging("INFO", log_file)
            console.print(
                "[bold]leadscore demo[/]: pretend CRMs, the real service, invented people"
            )
            with stage(folder, crm=crm) as running:
                for crm_name, url in running.urls.items():
                    console.print(f"  pretend {crm_name:<11} {url}/")
                console.print(f"  the service         {running.service.url}")
                result = _play(running, console, leads, seed)
                if as_json:
                    print(json.dumps(result))  # noqa: T201  the command's output
                else:
                    _show(console, running, result, folder, once=once)
                if not once:
                    wait_for_end()
                    console.print("ending")
    return 1 if result["lost"] else 0


def _play(running: Stage, console: Console, leads: int, seed: int) -> dict[str, Any]:
    """Let the inquiries arrive and be scored; return the object of DESIGN section 8."""
    began = time.monotonic()
    expected = running.arrive(leads, seed)
    columns = (
        TextColumn("  scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("scoring", total=expected)
        for count in wait_for(running, expected, TIMEOUT_S):
            progress.update(task, completed=count)
    seconds = time.monotonic() - began
    for simulator in (running.hubspot, running.salesforce):
        if simulator is not None:
            simulator.wait_until_idle(5.0)
    records = running.scored()
    health = running.service.health
    counted = [_total(health.accepted), _total(health.events)]
    return {
        "deliveries": counted[0],
        "events": counted[1],
        "records": expected,
        "written": len(records),
        "lost": expected - len(records),
        "calls": running.calls(),
        "seconds": round(seconds, 2),
        "leads": [
            {
                "crm": record.crm,
                "record": record.record,
                "score": record.score,
                "tier": record.tier,
                "reasons": list(record.reasons),
            }
            for record in records
        ],
    }


def _total(counter: Any) -> int:
    """Return a counter's sum over all its labels."""
    return int(
        sum(
            sample.value
            for metric in counter.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
    )


def _show(
    console: Console, running: Stage, result: dict[str, Any], folder: Path, *, once: bool
) -> None:
    console.print(_table(running.scored(), console.width))
    lost = result["lost"]
    console.print(
        f"{result['records']} inquiries in {result['deliveries']} signed deliveries"
        f" ({result['events']} events) were scored and written back in {result['seconds']} s;"
        f" [{'green' if not lost else 'bold red'}]lost: {lost}[/]"
    )
    calls = {name: sum(kinds.values()) for name, kinds in result["calls"].items()}
    console.print("calls to the CRMs: " + ", ".join(f"{n} {c}" for n, c in calls.items()))
    if lost:
        log_text = (folder / "service.log").read_text("utf-8").splitlines()
        console.print("the service's last words:", *log_text[-5:], sep="\n  ")
    if not once:
        console.print("")
        console.print(f"The service listens on {running.service.url}; its health: /readyz")
        for name, url in running.urls.items():
            console.print(
                f"Open {url}/ to see {name}'s own list, sorted by score; add an inquiry there."
            )
        console.print("[bold]Ctrl-C ends.[/]")


#: What the other columns take; a window with little more has no column of reasons.
_WIDTH_OF_THE_REST = 84


def _table(records: Sequence[ScoredRecord], width: int) -> Table:
    narrow = width < _WIDTH_OF_THE_REST
    table = Table(
        title="Who to call first",
        title_style="bold",
        header_style="bold",
        box=None if narrow else box.HEAVY_HEAD,
    )
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    for name in ("CRM", "Name"):
        table.add_column(name, no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    for name in ("Tier", "Respond by"):
        table.add_column(name, no_wrap=True)
    with_reasons = width >= _WIDTH_OF_THE_REST + 20
    if with_reasons:
        left = width - _WIDTH_OF_THE_REST
        table.add_column("Why", overflow="ellipsis", no_wrap=True, max_width=left)
    for place, record in enumerate(records, 1):
        cells = [
            Text(str(place)),
            Text(record.crm),
            Text(record.name),
            Text("-" if record.score is None else str(record.score)),
            Text(record.tier, style=_COLOURS.get(record.tier, "")),
            Text(_local(record.respond_by)),
        ]
        if with_reasons:
            cells.append(Text("; ".join(record.reasons)))
        table.add_row(*cells)
    return table


def _local(iso: str) -> str:
    """Return an instant in the demo practice's time zone, or a dash."""
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(iso).astimezone(ZoneInfo("America/New_York"))
        return at.strftime("%a %d %b %H:%M")
    return "-"
