"""What became of the records of a collections update, by place and code."""

from collections.abc import Sequence

from integrations.base import Outcome
from integrations.errors import plain_code
from integrations.salesforce import wire
from integrations.salesforce.calls import setup_error


def outcome_of(rows: Sequence[object], ids: Sequence[str]) -> Outcome:
    """Sort results by what became of them; a failed row may lack its id: place decides."""
    written: set[str] = set()
    gone: set[str] = set()
    refused: dict[str, str] = {}
    retry: dict[str, str] = {}
    for record_id, row in zip(ids, rows, strict=True):
        if isinstance(row, dict) and row.get("success") is True:
            written.add(record_id)
            continue
        code, message = _row_error(row)
        if code in wire.SETUP_CODES:
            # The same for every record: no use to try, or to bury, each of them.
            raise setup_error(code)
        if code in wire.GONE_CODES:
            gone.add(record_id)
        elif code in wire.RETRY_CODES or "UNABLE_TO_LOCK_ROW" in message:
            retry[record_id] = code.lower()
        else:
            refused[record_id] = code.lower()
    return Outcome(written=frozenset(written), gone=frozenset(gone), refused=refused, retry=retry)


def _row_error(row: object) -> tuple[str, str]:
    errors = row.get("errors") if isinstance(row, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        return plain_code(first.get("statusCode") or "UNKNOWN"), str(first.get("message") or "")
    return "UNKNOWN", ""
