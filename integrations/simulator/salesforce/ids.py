"""Record ids: 15 characters where case counts, 18 with a suffix that repeats the case.

Source: reference salesforce.md section 1.1; `samples/ids.json` holds checked examples.
"""

import re
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[a-zA-Z0-9]{15}([A-Z0-5]{3})?")

#: Object to key prefix.
PREFIXES = {
    "Lead": "00Q",
    "Contact": "003",
    "Task": "00T",
    "Event": "00U",
    "Account": "001",
    "CampaignMember": "00v",
    "RecordType": "012",
    "PermissionSet": "0PS",
    "FieldPermissions": "01k",
    "PermissionSetAssignment": "0Pa",
    "CustomField": "00N",
    "ClinicalServiceRequest": "0cq",
    "Organization": "00D",
}
NOTIFICATION = "04l"
LOCATOR = "01g"


@lru_cache(maxsize=100_000)  # every call names records by id
def full_id(short: str) -> str:
    """Return the 18-character form of a 15-character id.

    >>> full_id("00D8d000000HLs1")
    '00D8d000000HLs1EAG'
    """
    suffix = ""
    for start in (0, 5, 10):
        chunk = short[start : start + 5]
        suffix += _SUFFIX[sum(1 << place for place, sign in enumerate(chunk) if sign.isupper())]
    return short + suffix


def short_id(given: object) -> str | None:
    """Return the 15-character form, None for what is not an id: a wrong suffix included."""
    if not isinstance(given, str) or not _ID.fullmatch(given):
        return None
    short = given[:15]
    return None if len(given) == 18 and full_id(short) != given else short


def numbered_id(prefix: str, number: int) -> str:
    """Return the 18-character id number `number` of a prefix."""
    digits = ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return full_id(f"{prefix}8d00{digits.rjust(8, '0')}")
