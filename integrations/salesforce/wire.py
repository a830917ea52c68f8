"""Salesforce's paths, names and numbers, each in one place.

Source: reference salesforce.md; section numbers below are that document's.
"""

import re

#: Records in one collections update (section 3.1).
BATCH_SIZE = 200

#: Rows in one answer of a query (section 3.1).
QUERY_PAGE = 2_000

#: How many of the day's calls are spent, on each REST answer (section 3.2).
USAGE_HEADER = "Sforce-Limit-Info"
USAGE = re.compile(r"api-usage=(\d{1,9})/(\d{1,9})")

#: Source: section 1.6.
RECORD_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?\Z")

#: A name of an object or field.
API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z")

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: How our calls are named to Salesforce, so that our own changes can be told (section 3.2).
CLIENT_NAME = "leadscore"

#: Sent with every call (section 3.2). Without the first, each score we write would run the
#: practice's lead assignment rules.
CALL_HEADERS = {
    "Sforce-Auto-Assign": "FALSE",
    "Sforce-Duplicate-Rule-Header": (
        "allowSave=true; includeRecordDetails=false; runAsCurrentUser=true"
    ),
    "Sforce-Call-Options": f"client={CLIENT_NAME}",
}

#: What to do about a record's error code (section 3.4). A code in neither set is not retried.
RETRY_CODES = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "QUERY_TIMEOUT",
        "PROCESSING_HALTED",
        "SERVER_UNAVAILABLE",
        "UNKNOWN_EXCEPTION",
        "REQUEST_RUNNING_TOO_LONG",
        # Converted since it was read: the next read says into what, and its past goes on there.
        "CANNOT_UPDATE_CONVERTED_LEAD",
    }
)
GONE_CODES = frozenset(
    {
        "ENTITY_IS_DELETED",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "NOT_FOUND",
    }
)
#: The whole account stops for a while (section 3.4).
PAUSE_CODES = frozenset(
    {
        "REQUEST_LIMIT_EXCEEDED",
        "API_DISABLED_FOR_ORG",
        "API_CURRENTLY_DISABLED",
        "TOO_MANY_APEX_REQUESTS",
        "STORAGE_LIMIT_EXCEEDED",
    }
)
#: Our set-up is wrong: a field is missing or may not be read (section 3.1, 6).
SETUP_CODES = frozenset(
    {"INVALID_FIELD", "INVALID_TYPE", "INSUFFICIENT_ACCESS", "API_NOT_ENABLED"}
)

PAUSE_S = 900.0

_SUFFIX_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def full_id(record_id: str) -> str:
    """Return the 18-character form of an id of 15 or 18 characters.

    Each of the three last characters holds the case of five. Source: Salesforce help 000385585,
    "Convert 15 character ids to 18 characters".

    >>> full_id("00Q8d0000001aBC")
    '00Q8d0000001aBCEAY'
    """
    head = record_id[:15]
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(
            1 << place for place, sign in enumerate(head[start : start + 5]) if "A" <= sign <= "Z"
        )
        suffix += _SUFFIX_DIGITS[bits]
    return head + suffix
