"""CSV that a spreadsheet shows and never runs (S20)."""

import csv
import io
from collections.abc import Iterable

#: What a cell may begin a formula with, also full-width. Source: OWASP, "CSV Injection".
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def disarmed(value: object) -> str:
    """Return a cell's text; an apostrophe goes before what could begin a formula.

    >>> disarmed("=HYPERLINK(1)"), disarmed(7), disarmed("x=1")
    ("'=HYPERLINK(1)", '7', 'x=1')
    """
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in _FORMULA else text


def csv_line(values: Iterable[object]) -> str:
    """Return one line of CSV, every cell quoted and disarmed, without the line's end."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(map(disarmed, values))
    return out.getvalue()
