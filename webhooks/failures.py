"""What becomes of a record that failed: another try later, or the dead letters (S27)."""

import random
from datetime import datetime, timedelta

from store.due import Claim, Retry

#: A record's data may be mended meanwhile: tries before a person must look. Source: S27.
DATA_TRIES = 5
#: Passing faults of a single record are tried for so long. Source: S27.
RETRY_WINDOW = timedelta(hours=72)
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 6 * 3600.0


def retry_delay(attempt: int, jitter: float) -> timedelta:
    """Return how long to wait after failed try number `attempt` (from 0).

    Doubles from 5 s to 6 h, give or take 20 %.

    Args:
        attempt: Failed tries before this one.
        jitter: A random number from 0 to 1.

    >>> retry_delay(0, 0.5).total_seconds(), retry_delay(3, 0.0).total_seconds()
    (5.0, 32.0)
    """
    wait = min(FIRST_RETRY_S * 2 ** min(attempt, 20), LONGEST_RETRY_S)
    return timedelta(seconds=wait * (0.8 + 0.4 * jitter))


class Failures:
    """The failed records of one batch."""

    def __init__(self, now: datetime, rng: random.Random) -> None:
        self._now = now
        self._rng = rng
        self.retries: list[Retry] = []
        self.dead: list[tuple[Claim, str]] = []  #: With the error code.

    def add(self, claim: Claim, code: str, *, tries: int | None = None) -> None:
        """Put a claim among those to try again, or among the dead.

        Args:
            claim: What failed.
            code: Why; a constant.
            tries: How often at most; None for as long as `RETRY_WINDOW`.
        """
        first = claim.first_failed_at or self._now
        is_over = (
            self._now - first > RETRY_WINDOW if tries is None else claim.attempts + 1 >= tries
        )
        code = code[:60].lower()
        if is_over:
            self.dead.append((claim, code))
            return
        self.retries.append(
            Retry(
                claim=claim,
                due_at=self._now + retry_delay(claim.attempts, self._rng.random()),
                error_code=code,
                first_failed_at=first,
            )
        )
