"""Signed callouts: what the Apex of our package sends, and how often it tries.

Source: reference salesforce.md sections 2 and 2.1. The form of the message is the product's own:
`docs/salesforce.md`, "Signed callouts". Apex has no queue that retries by itself: a Queueable puts
itself into the queue again, later each time: at most ten minutes.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import requests

from integrations.simulator.salesforce.settings import SalesforceSettings

#: Records in one transaction of a trigger.
CALLOUT_BATCH = 200
GAPS_S = (60.0, 120.0, 240.0, 480.0)

Row = Mapping[str, str]  #: `object`, `id` and `cause`.


def callout_gap_s(attempt: int, *, speedup: float) -> float | None:
    """Return the seconds after failed attempt `attempt` (0 first), None after the last.

    >>> [callout_gap_s(attempt, speedup=1.0) for attempt in (0, 3, 4)]
    [60.0, 480.0, None]
    """
    return GAPS_S[attempt] / speedup if attempt < len(GAPS_S) else None


class CalloutPoster:
    """Sends rows as one message, signed when it is sent.

    Args:
        target: Returns the registered URL.
    """

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        now: Callable[[], datetime],
        target: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._now = now
        self._target = target

    def post(self, session: requests.Session, rows: Sequence[Row], _: int) -> bool:
        """Send; any 200 counts."""
        url = self._target()
        if url is None:
            return False
        document = {"organizationId": self._settings.organization_id, "events": list(rows)}
        body = json.dumps(document)
        sent = str(round(self._now().timestamp() * 1000))
        key = self._settings.callout_secret.encode()
        answer = session.post(
            url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "X-Leadscore-Timestamp": sent,
                "X-Leadscore-Signature": hmac.new(
                    key, f"{sent}.{body}".encode(), hashlib.sha256
                ).hexdigest(),
            },
            timeout=self._settings.timeout_s,
            allow_redirects=False,
        )
        return answer.status_code == 200
