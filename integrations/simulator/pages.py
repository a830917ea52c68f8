"""The page a front desk would look at: records by score, and a form for a new inquiry.

Sorting is the CRM's own: highest score first, records without one last.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response

#: Records shown at most; the CRM would page, too.
ROWS = 200
#: Characters of an inquiry shown in the table.
SHORT = 110
#: Seconds between two loads of the page by itself.
REFRESH_S = 3

_LOWEST = datetime(1, 1, 1, tzinfo=UTC)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


class FormRefusedError(ValueError):
    """The CRM does not take what the form says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record as the table shows it. Blank is "" or None."""

    record_id: str
    name: str
    score: int | None
    tier: str
    respond_by: datetime | None
    reasons: str
    inquiry: str
    trend: str
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmPage:
    """What the page shows of one CRM."""

    crm: str
    subject: str  #: Contacts or Leads.
    account: str
    now: Callable[[], datetime]
    rows: Callable[[], list[Row]]
    submit: Callable[[Mapping[str, str]], None]
    counters: Callable[[], dict[str, int]]
    inquiry_types: Sequence[str]
    insurance_statuses: Sequence[str]
    procedures: Sequence[str]


#: Column heading, sort key; blanks of every key go last.
_COLUMNS: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "name": ("Name", lambda row: row.name.lower() or None),
    "score": ("Lead score", lambda row: row.score),
    "tier": ("Tier", lambda row: row.tier or None),
    "respond_by": ("Respond by", lambda row: row.respond_by),
    "reasons": ("Reasons", lambda row: row.reasons or None),
    "inquiry": ("Inquiry", lambda row: row.inquiry.lower() or None),
    "created": ("Created", lambda row: row.created_at),
    "updated": ("Updated", lambda row: row.updated_at),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A saved view: which records, in which order. Source: docs/hubspot-view.md."""

    name: str
    filters: str  #: In words, as a person sets them up.
    shows: Callable[[Row, datetime], bool]
    by: str
    descending: bool = False


#: As in the page's address -> the view.
VIEWS: Mapping[str, View] = {
    "all": View(
        name="All", filters="", shows=lambda _row, _now: True, by="score", descending=True
    ),
    "call-now": View(
        name="Call now",
        filters="Tier is any of hot, warm · Respond by is known",
        shows=lambda row, _: row.tier in {"hot", "warm"} and row.respond_by is not None,
        by="respond_by",
    ),
    "emergencies": View(
        name="Possible emergencies",
        filters="Tier is clinical",
        shows=lambda row, _: row.tier == "clinical",
        by="respond_by",
    ),
    "overdue": View(
        name="Overdue",
        filters="Respond by is before now",
        shows=lambda row, now: row.respond_by is not None and row.respond_by < now,
        by="respond_by",
    ),
}
_TEXT_FIELDS = ("first_name", "last_name", "email", "message")
_CHOICES = ("inquiry_type", "insurance_status", "procedure")


def ordered(rows: Sequence[Row], *, by: str, descending: bool) -> list[Row]:
    """Return rows by one column, blanks last either way; newest first among equals."""
    key = _COLUMNS[by][1]
    newest = sorted(rows, key=lambda row: row.created_at or _LOWEST, reverse=True)
    known = [row for row in newest if key(row) is not None]
    blank = [row for row in newest if key(row) is None]
    known.sort(key=key, reverse=descending)  # type: ignore[arg-type]  # one column is of one type
    return known + blank


def whole(value: str | float | None) -> int | None:
    """Return a CRM number as a whole number, None if there is none.

    >>> whole("71.6"), whole(""), whole(None)
    (72, None, None)
    """
    try:
        return None if value in (None, "") else round(float(value))
    except ValueError:
        return None


def add_page(app: Flask, page: CrmPage) -> None:
    """Serve the page at `/` and take its form at `/inquiries`."""

    def show() -> str:
        chosen = request.args.get("view", "all")
        chosen = chosen if chosen in VIEWS else "all"
        view = VIEWS[chosen]
        by = request.args.get("sort", view.by)
        by = by if by in _COLUMNS else view.by
        falling = view.descending if by == view.by else by == "score"
        descending = request.args.get("order", "desc" if falling else "asc") == "desc"
        everyone = page.rows()
        now = page.now()
        rows = [row for row in everyone if view.shows(row, now)]
        # On the list of all they stand above it: nobody sorts a possible emergency away.
        clinical = [row for row in rows if row.tier == "clinical"] if chosen == "all" else []
        return render_template(
            "records.html",
            page=page,
            rows=ordered(rows, by=by, descending=descending)[:ROWS],
            clinical=ordered(clinical, by="created", descending=True),
            total=len(everyone),
            views=[
                (name, each.name, sum(each.shows(row, now) for row in everyone))
                for name, each in VIEWS.items()
            ],
            chosen=chosen,
            view=view,
            columns=[(name, heading) for name, (heading, _) in _COLUMNS.items()],
            by=by,
            descending=descending,
            refresh_s=REFRESH_S,
            counters=page.counters(),
            short=shortened,
            words=words,
            ago=lambda at: ago(at, now),
            due=lambda at: due(at, now),
            is_late=lambda at: at is not None and at < now,
        )

    def ask(form: Mapping[str, str] | None = None, problem: str = "") -> str:
        # A page of its own: the list reloads itself and would lose what is being typed.
        return render_template(
            "inquiry.html",
            page=page,
            form=form or dict.fromkeys((*_TEXT_FIELDS, *_CHOICES), ""),
            choices=[
                ("inquiry_type", "Type", page.inquiry_types),
                ("insurance_status", "Insurance", page.insurance_statuses),
                ("procedure", "Procedure", page.procedures),
            ],
            problem=problem,
            words=words,
        )

    def take() -> Response | tuple[str, int]:
        form = {name: request.form.get(name, "").strip() for name in (*_TEXT_FIELDS, *_CHOICES)}
        if not form["last_name"] or not form["message"]:
            return ask(form, "A last name and a message are needed."), 400
        try:
            page.submit(form)
        except FormRefusedError as error:
            return ask(form, str(error)), 400
        return redirect("/", code=303)

    app.add_url_rule("/", "page", show)
    app.add_url_rule("/inquiries/new", "new_inquiry", ask)
    app.add_url_rule("/inquiries", "inquiry", take, methods=["POST"])


def words(value: str) -> str:
    """Return a CRM value as people read it.

    >>> words("not_a_lead")
    'not a lead'
    """
    return value.replace("_", " ")


def shortened(text: str) -> str:
    """Return the first line's worth of a text.

    >>> shortened("two  words")
    'two words'
    """
    joined = re.sub(r"\s+", " ", text).strip()
    return joined if len(joined) <= SHORT else joined[: SHORT - 1].rstrip() + "…"


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago an instant was, in its largest unit."""
    if at is None:
        return ""
    passed = (now - at).total_seconds()
    for size, unit in _UNITS:
        if passed >= size:
            return f"{int(passed // size)} {unit} ago"
    return "just now"


def due(at: datetime | None, now: datetime) -> str:
    """Return how soon an instant is, or by how much it is past."""
    if at is None:
        return ""
    left = (at - now).total_seconds()
    for size, unit in _UNITS:
        if abs(left) >= size:
            number = int(abs(left) // size)
            return f"in {number} {unit}" if left > 0 else f"{number} {unit} late"
    return "now"
