"""What can go wrong between us and a CRM, and what is done about it.

IntegrationError
├── VerificationError           not proven to be the CRM's: refused, nothing stored
├── PayloadError                the CRM's, but unreadable: quarantined, acknowledged
└── CrmError                    a call of ours failed
    ├── TransientCrmError       tried again: network, 5xx, 423
    │   └── RateLimitedError    429, 477, daily limit: after the wait the CRM asks for
    └── PermanentCrmError       not tried again
        ├── PositionLostError   a feed goes on at the earliest event that is left
        ├── RefusedError        this request was refused (400): find the record at fault
        └── AccessError         token, scope or permission: the account stops until a person acts
"""

import re

#: However long the CRM asks us to wait, we look again after an hour. Source: S27.
LONGEST_RETRY_AFTER_S = 3600.0

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def plain_code(text: object) -> str:
    """Return a code from a CRM's reply when it is one plain word, else `unlisted`.

    Codes go into logs and rows, where nothing else of a reply may go.

    >>> plain_code("VALIDATION_ERROR"), plain_code("Jane <jane@example.com>")
    ('VALIDATION_ERROR', 'unlisted')
    """
    return str(text) if _PLAIN.fullmatch(str(text)) else "unlisted"


class IntegrationError(Exception):
    """The root of this tree. Its text holds codes, field names and counts, never a value."""


class VerificationError(IntegrationError):
    """A delivery that is not proven to come from the CRM.

    `reason` is a constant code for counters and logs; `status` is the HTTP answer.
    """

    def __init__(self, reason: str, *, status: int = 401) -> None:
        self.reason = reason
        self.status = status
        super().__init__(reason)


class PayloadError(IntegrationError):
    """A payload that cannot be read: place and rule, as in `body[3].objectId: missing`."""


class CrmError(IntegrationError):
    """A call to the CRM failed. `code` is a short constant for logs and dead letters."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code = plain_code(code)
        super().__init__(f"{self.code}: {message}" if message else self.code)


class TransientCrmError(CrmError):
    """Worth another try, by `integrations/http.py` at once or by the worker later."""


class RateLimitedError(TransientCrmError):
    """The CRM asks us to wait `retry_after_s` seconds."""

    def __init__(self, code: str, *, retry_after_s: float) -> None:
        self.retry_after_s = min(retry_after_s, LONGEST_RETRY_AFTER_S)
        super().__init__(code)


class PermanentCrmError(CrmError):
    """The same request would fail again."""


class PositionLostError(PermanentCrmError):
    """The CRM does not know how far we had fetched its events: some may be lost."""


class RefusedError(PermanentCrmError):
    """The CRM read the request and refused it: one record may spoil a batch."""


class AccessError(PermanentCrmError):
    """Token, scope or permission: nothing of this account works until a person acts."""
