"""Which master keys must wrap nothing any more; looked at in the transaction that stores a key.

A process that slept since before a rotation still holds the old keys. What it wrapped under a key
that was retired meanwhile could never be opened again: so it is refused.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from store import schema
from store.vault import COMMITMENT_AT, NUMBER_AT


class RetiredKeyError(Exception):
    """This process wraps under a master key that is retired; it must take up the new ones."""


def number_of(column: Any) -> ColumnElement[bytes]:
    """Return the bytes of a wrapped key that hold its master key's number."""
    return _part(column, NUMBER_AT)


def commitment_of(column: Any) -> ColumnElement[bytes]:
    """Return the bytes of a wrapped key that tell which data key it holds."""
    return _part(column, COMMITMENT_AT)


def _part(column: Any, at: slice) -> ColumnElement[bytes]:
    found: ColumnElement[bytes] = func.substr(column, at.start + 1, at.stop - at.start)
    return found


def require_kept(
    connection: Connection, numbers: Collection[int], table: Table = schema.retired_key
) -> None:
    """Check, after keys were stored, that their master keys are not retired.

    After: on PostgreSQL whoever retires a key waits for all who store, and those who come later
    see it (`rotation.Rotation.retire`).

    Raises:
        RetiredKeyError: one is; the transaction must end without a commit.
    """
    found = connection.execute(
        select(table.c.number).where(table.c.number.in_(sorted(numbers))).limit(1)
    ).scalar_one_or_none()
    if found is not None:
        raise RetiredKeyError(f"master key {found} is retired")
