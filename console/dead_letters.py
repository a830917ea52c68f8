"""`leadscore dead-letters`: list, show, replay and purge what a person must look at."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.acting import Acting, acting
from console.cli import FINDINGS
from console.remedies import in_words
from store.audit import Act
from store.dead_letters import DeadLetter, Filter
from store.inbox import QuarantinedDelivery
from store.rooms import Store

#: A delivery in quarantine is named by this and its id.
_DELIVERY = "delivery:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter of any kind, as it is shown."""

    id: str  #: `account/id`, the name to replay or purge it by.
    what: str
    code: str
    attempts: int
    first_at: datetime
    last_at: datetime
    source: DeadLetter | QuarantinedDelivery = dataclasses.field(repr=False)

    def to_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        meaning, remedy = in_words(self.code)
        return {
            "id": self.id,
            "what": self.what,
            "code": self.code,
            "meaning": meaning,
            "remedy": remedy,
            "attempts": self.attempts,
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
        }


def run_list(*, account: str, code: str, limit: int, as_json: bool) -> int:
    """Show the newest dead letters; return 1 when there are any."""
    with acting() as at:
        letters = _find(at.store, account=account, code=code, limit=limit)
        if as_json:
            click.echo(json.dumps([letter.to_json() for letter in letters], indent=2))
        elif letters:
            _show(letters)
        else:
            click.echo("no dead letters")
        return FINDINGS if letters else 0


def run_show(*, name: str, as_json: bool) -> int:
    """Show one dead letter with what to do about it; return 1 when there is none."""
    with acting() as at:
        letter = _one(at.store, name)
        if letter is None:
            return _missing(name)
        if as_json:
            click.echo(json.dumps(letter.to_json(), indent=2))
        else:
            for key, value in letter.to_json().items():
                click.echo(f"{key:<9} {value}")
        return 0


def run_replay(*, names: Sequence[str], account: str, code: str, everything: bool) -> int:
    """Let dead letters be tried again; return the exit code."""
    with acting() as at:
        chosen = _chosen(at, names=names, account=account, code=code, everything=everything)
        if chosen is None:
            return FINDINGS
        for letter in chosen:
            _replay(at, letter)
        at.finish()
        click.echo(f"replayed {len(chosen)}; a running worker takes them up within a second")
        return 0


def run_purge(
    *, names: Sequence[str], account: str, code: str, everything: bool, yes: bool
) -> int:
    """Forget dead letters for good; return the exit code."""
    with acting() as at:
        chosen = _chosen(at, names=names, account=account, code=code, everything=everything)
        if chosen is None:
            return FINDINGS
        if not yes:
            click.confirm(f"forget {len(chosen)} dead letters for good?", abort=True)
        for letter in chosen:
            _purge(at, letter)
        at.finish()
        click.echo(f"purged {len(chosen)}")
        return 0


def _find(store: Store, *, account: str, code: str, limit: int) -> list[Letter]:
    wanted = Filter(account_id=account, error_code=code)
    found = [_of_letter(letter) for letter in store.dead_letters.find(wanted, limit)]
    found += [
        _of_delivery(item)
        for item in store.inbox.quarantined(limit)
        if account in {"", item.account_id} and code in {"", item.error_code}
    ]
    return sorted(found, key=lambda letter: letter.last_at, reverse=True)[:limit]


def _one(store: Store, name: str) -> Letter | None:
    account, _, own = name.partition("/")
    if own.startswith(_DELIVERY):
        return next(
            (x for x in map(_of_delivery, store.inbox.quarantined(100_000)) if x.id == name), None
        )
    found = store.dead_letters.find(Filter(account_id=account, id=own), 1) if own else []
    return _of_letter(found[0]) if found else None


def _chosen(
    at: Acting, *, names: Sequence[str], account: str, code: str, everything: bool
) -> list[Letter] | None:
    """Return the letters that are meant, or None after saying what is wrong."""
    if not (names or account or code or everything):
        raise click.UsageError("name dead letters, or give --account, --code or --all")
    if not names:
        return _find(at.store, account=account, code=code, limit=1_000_000)
    chosen = []
    for name in names:
        letter = _one(at.store, name)
        if letter is None:
            _missing(name)
            return None
        chosen.append(letter)
    return chosen


def _replay(at: Acting, letter: Letter) -> None:
    source = letter.source
    if isinstance(source, QuarantinedDelivery):
        at.store.audit.record(_act(at, source, "delivery.replayed"), at.now)
        at.store.inbox.wait_again(source.account_id, source.id)
        return
    if source.delivery_id and not at.store.inbox.wait_again(source.account_id, source.delivery_id):
        click.echo(f"{letter.id}: its delivery is not kept any longer", err=True)
    at.store.dead_letters.replay([source], at.actor, at.now)


def _purge(at: Acting, letter: Letter) -> None:
    source = letter.source
    if isinstance(source, QuarantinedDelivery):
        at.store.audit.record(_act(at, source, "delivery.purged"), at.now)
        at.store.inbox.drop(source.account_id, source.id)
        return
    at.store.dead_letters.purge([source], at.actor, at.now)


def _act(at: Acting, item: QuarantinedDelivery, act: str) -> Act:
    return Act(
        account_id=item.account_id,
        actor=at.actor,
        act=act,
        object_type="delivery",
        fields=item.id,
    )


def _of_letter(letter: DeadLetter) -> Letter:
    what = f"{letter.object_type} {letter.record_id}"
    if not letter.record_id:
        what = f"event {letter.place} of delivery {letter.delivery_id}"
    return Letter(
        id=f"{letter.account_id}/{letter.id}",
        what=what,
        code=letter.error_code,
        attempts=letter.attempts,
        first_at=letter.first_at,
        last_at=letter.last_at,
        source=letter,
    )


def _of_delivery(item: QuarantinedDelivery) -> Letter:
    return Letter(
        id=f"{item.account_id}/{_DELIVERY}{item.id}",
        what=f"{item.kind} delivery",
        code=item.error_code,
        attempts=1,
        first_at=item.received_at,
        last_at=item.received_at,
        source=item,
    )


def _missing(name: str) -> int:
    click.echo(f"{name}: no such dead letter; `leadscore dead-letters list` names them", err=True)
    return FINDINGS


def _show(letters: Sequence[Letter]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Id", "Since", "Tries", "Reason", "What to do"):
        table.add_column(name, overflow="fold", justify="right" if name == "Tries" else "left")
    for letter in letters:
        meaning, remedy = in_words(letter.code)
        since = f"{letter.first_at:%Y-%m-%d %H:%M}Z"
        cells = (letter.id, since, str(letter.attempts), f"{meaning} ({letter.code})", remedy)
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table)
    console.print(f"{len(letters)} dead letters", highlight=False)
