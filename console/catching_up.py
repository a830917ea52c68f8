"""`leadscore sweep`, `backfill` and `rescore`: score what no webhook told of."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from console.acting import acting, login_name
from console.cli import FINDINGS, UNREACHABLE, USAGE
from console.opening import CannotOpenError, open_service
from integrations.errors import AccessError, CrmError, PermanentCrmError, RateLimitedError
from store.audit import Act
from webhooks.backfill import Backfiller, chosen
from webhooks.pipeline import AccountWork
from webhooks.sweep import Sweeper
from webhooks.wiring import Service, utc_now

#: Between two looks while nothing can be listed.
_LOOK_S = 0.2
#: Where no terminal shows a bar, a line is printed so often.
_LINE_S = 10.0
#: A CRM that did not answer is asked again after so long.
_AWAY_S = 10.0


def run_sweep(*, account: str) -> int:
    """Ask the CRM what changed since the last sweep; return the exit code."""
    try:
        with _opened(account) as (service, works):
            sweeper = Sweeper(
                listings=service.store.listings, due=service.store.due, clock=utc_now
            )
            for work in works:
                found = sweeper.sweep(work)
                service.store.wakeups.ring(work.name)
                click.echo(f"{work.name}: {found:,} records changed since the last sweep, now due")
    except CrmError as error:
        click.echo(f"the CRM does not answer: {error}; try `leadscore doctor`", err=True)
        return UNREACHABLE
    except CannotOpenError as error:
        return error.code
    return 0


def run_backfill(*, account: str, anew: bool) -> int:
    """List and score every record of the accounts; return the exit code."""
    try:
        with _opened(account) as (service, works):
            return _backfill(service, works, anew=anew)
    except CannotOpenError as error:
        return error.code


def run_rescore(*, account: str) -> int:
    """Mark every record that has a score due; a running worker scores it anew."""
    with acting() as at:
        names = [account] if account else at.store.accounts.names()
        if account and account not in at.store.accounts.names():
            return _no_such(account)
        for name in names:
            at.store.audit.record(
                Act(account_id=name, actor=at.actor, act="rescore.begun"), at.now
            )
            count = at.store.due.mark_known(name, "rescore", at.now)
            at.store.wakeups.ring(name)
            click.echo(f"{name}: {count:,} records are due again, behind live inquiries")
        at.finish()
    return 0


def _no_such(account: str) -> int:
    click.echo(f"no account {account!r}; practice.toml names them", err=True)
    return USAGE


@contextmanager
def _opened(account: str) -> Iterator[tuple[Service, Sequence[AccountWork]]]:
    """Open a service that does not listen, and choose among its accounts."""
    # The bar is what a person watches.
    service = open_service(receives=False, works=True, log_level="CRITICAL")
    try:
        if not service.works:
            click.echo(
                "the master key does not open this database; see docs/production.md", err=True
            )
            raise CannotOpenError(USAGE)
        try:
            works = chosen(service.works, account)
        except KeyError:
            raise CannotOpenError(_no_such(account)) from None
        yield service, works
    finally:
        service.stop()


def _backfill(service: Service, works: Sequence[AccountWork], *, anew: bool) -> int:
    store = service.store
    filler = Backfiller(listings=store.listings, due=store.due, clock=utc_now)
    for work in works:
        store.audit.record(
            Act(account_id=work.name, actor=login_name(), act="backfill.begun"), utc_now()
        )
        if filler.begin(work, anew=anew):
            click.echo(f"{work.name}: goes on where it was stopped (--restart begins anew)")
    # An account that another worker holds is scored by that one.
    service.start_working()
    store.audit.keep_heads()
    began = time.monotonic()
    try:
        _watch(service, filler, works)
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from here", err=True)
        return FINDINGS
    except CrmError as error:
        click.echo(f"the CRM refuses the list: {error}; try `leadscore doctor`", err=True)
        return UNREACHABLE
    seconds = time.monotonic() - began
    for work in works:
        done = filler.progress(work).done
        calls = sum(work.client.calls().values())
        click.echo(
            f"{work.name}: {done:,} records in {seconds:,.0f} s"
            f" ({done / max(seconds, 0.001):,.0f} a second), {calls:,} calls by this process"
        )
    dead = sum(store.dead_letters.counts().values())
    if dead:
        click.echo(f"{dead:,} dead letters: see `leadscore dead-letters list`")
    return FINDINGS if dead else 0


def _watch(service: Service, filler: Backfiller, works: Sequence[AccountWork]) -> None:
    """List, and show how far scoring is, until nothing is left to do. Raises: CrmError."""
    listings = [_Listing(filler, work) for work in works]
    with _Bars(works) as bars:
        while not all(filler.progress(work).is_over for work in works):
            moved = False
            for work, listing in zip(works, listings, strict=True):
                moved |= listing.step()
                bars.show(work, filler, listing.reason or _reason(service, work))
            if not moved:
                time.sleep(_LOOK_S)
        for work in works:
            bars.show(work, filler, "")


class _Listing:
    """Lists one account, and waits while its CRM does not answer."""

    def __init__(self, filler: Backfiller, work: AccountWork) -> None:
        self._filler = filler
        self._work = work
        self._not_before = 0.0
        self.reason = ""  #: Why it waits, or empty.

    def step(self) -> bool:
        """List a page; return whether one was listed.

        Raises:
            AccessError, PermanentCrmError: Waiting does not help.
        """
        if time.monotonic() < self._not_before:
            return False
        try:
            moved = self._filler.step(self._work)
        except (AccessError, PermanentCrmError):
            raise
        except CrmError as error:
            wait_s = error.retry_after_s if isinstance(error, RateLimitedError) else _AWAY_S
            self._not_before = time.monotonic() + wait_s
            self.reason = f"the CRM does not answer: {error.code}; asked again in {wait_s:.0f} s"
            return False
        self.reason = ""
        return moved


def _reason(service: Service, work: AccountWork) -> str:
    """Return why the account stands still, or an empty string."""
    pause = service.store.accounts.paused(work.name)
    if pause is not None and pause.until > utc_now():
        return f"rests until {pause.until:%H:%M:%S}Z: {pause.code}"
    if not work.client.may_hurry():
        return "rests: the rest of the day's calls is kept for live inquiries"
    return ""


class _Bars:
    """A bar for each account; where no terminal is, a line now and then."""

    def __init__(self, works: Sequence[AccountWork]) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[reason]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {
            work.name: self._progress.add_task(work.name, total=None, rate="", reason="")
            for work in works
        }
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, work: AccountWork, filler: Backfiller, reason: str) -> None:
        """Show how far the account is."""
        now = filler.progress(work)
        total = now.marked if now.is_listed else now.total
        task = self._tasks[work.name]
        speed = self._progress.tasks[task].speed
        self._progress.update(
            task,
            completed=now.done,
            total=total,
            rate=f"{speed:,.0f} a second" if speed else "",
            reason=reason,
        )
        if self._progress.disable and time.monotonic() - self._said >= _LINE_S:
            self._said = time.monotonic()
            of = f" of {total:,}" if total is not None else ""
            click.echo(f"{work.name}: {now.done:,}{of} records {reason}".rstrip(), err=True)
