"""Public holidays as plain dates: what `holidays = "US-CA"` stands for.

The library `holidays` knows countries and their parts; it is loaded only where one is named (about
50 ms). What reaches the engine is dates.
"""

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Final

from config.problems import did_you_mean

#: The years whose holidays are laid out; no clock is read here.
YEARS: Final = range(2020, 2051)


def closed_dates(named: Iterable[date | str]) -> frozenset[date]:
    """Return the dates given, and the public holidays of the countries named.

    Raises:
        ValueError: There is no such country or part of one.

    >>> date(2026, 7, 3) in closed_dates(["US"])  # the 4th is a Saturday
    True
    """
    found: set[date] = set()
    for each in named:
        found.update(_holidays_of(each) if isinstance(each, str) else {each})
    return frozenset(found)


@cache
def _holidays_of(name: str) -> frozenset[date]:
    import holidays  # noqa: PLC0415  # 300 modules: only where it is asked for

    country, _, part = name.partition("-")
    parts = holidays.list_supported_countries(include_aliases=False)
    if country not in parts:
        raise ValueError(
            f"no such country, found '{name}'; write a date, or a country as in US or US-CA"
            + did_you_mean(country, parts)
        )
    if part and part not in parts[country]:
        raise ValueError(f"'{country}' has no part '{part}'" + did_you_mean(part, parts[country]))
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=YEARS))
