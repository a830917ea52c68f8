"""What a dead letter's code means in words, and what to do about it."""

from typing import Final

#: Beginning of a code -> what happened, what to do. The longest that fits counts.
_WORDS: Final = {
    "unreadable": (
        "an event of a delivery could not be read",
        "replay it after an upgrade; if it stays, report the delivery's id and the place",
    ),
    "not_scored": (
        "the engine failed on this record",
        "see `record.not_scored` in the log; replay it after an upgrade",
    ),
    "key_missing": (
        "the record is sealed under a master key that is not here",
        "put the key back into the key file as decrypt-only, restart, then replay",
    ),
    "refused_": (
        "the CRM refused to read or write this record five times",
        "look at the record in the CRM: a validation rule or a required field; then replay",
    ),
    "changed": (
        "the stored delivery is not what was sealed: the disk or somebody changed it",
        "do not replay; check the disk, and the audit trail with `leadscore audit verify`",
    ),
    "reader failed": (
        "a delivery could not be read because of a fault of ours",
        "replay it after an upgrade",
    ),
    "no account": (
        "no account of this CRM is configured",
        "add the account to practice.toml, restart, then replay",
    ),
    "body": ("a delivery is proven to be the CRM's but cannot be read", "replay after an upgrade"),
}
_UNKNOWN: Final = ("the CRM or a record was at fault for 72 hours", "mend the cause, then replay")


def in_words(code: str) -> tuple[str, str]:
    """Return what `code` means and what to do.

    >>> in_words("refused_validation_error")[0]
    'the CRM refused to read or write this record five times'
    """
    fits = [start for start in _WORDS if code.startswith(start)]
    return _WORDS[max(fits, key=len)] if fits else _UNKNOWN
