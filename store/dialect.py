"""What SQLite and PostgreSQL each bring: the common words of `sqlite.py` and `postgres.py`."""

from collections.abc import Sequence
from typing import Protocol


class StoreError(Exception):
    """The database cannot be used as it is; the text says why and what to do."""


class Appender(Protocol):
    """Appends rows to one table, durably, on a connection of its own: the receiver's hot path.

    One multi-row INSERT is its own transaction and goes straight to the driver: half the CPU of
    SQLAlchemy's way, and a busy process gives its interpreter lock away once a commit
    (docs/decisions/0002). Values must be as the driver wants them.
    """

    def __call__(self, rows: Sequence[tuple[object, ...]], timeout_s: float) -> None:
        """Commit all rows or none, waiting at most `timeout_s` for the database.

        Not for two threads at once. A failure of any kind ends the connection; the next group
        begins on a new one.
        """

    def close(self) -> None:
        """Give the connection up, and with it whatever was not committed."""
