"""What every API call passes first: token, rate limits, scope.

Source: reference hubspot.md section 4.4; HubSpot docs "API usage guidelines". Search answers
carry no rate headers and OAuth calls no daily ones. Association reads are exempt from the
ten-second limit and have one of their own, whose error body is unverified.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from integrations.simulator.counters import Counters
from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.oauth import Tokens
from integrations.simulator.hubspot.settings import HubSpotSettings
from integrations.simulator.rate import DailyAllowance, SlidingWindow

WINDOW_S = 10.0


class Gate:
    """Lets calls through or raises their 401, 429 or 403. Not locked: the caller is."""

    def __init__(
        self,
        settings: HubSpotSettings,
        tokens: Tokens,
        *,
        now: Callable[[], datetime],
        counters: Counters,
    ) -> None:
        self._tokens = tokens
        self._now = now
        self._counters = counters
        self._calls = SlidingWindow(limit=settings.rate_per_10s, window_s=WINDOW_S)
        self._searches = SlidingWindow(limit=settings.search_per_s, window_s=1.0)
        self._associations = SlidingWindow(
            limit=settings.association_rate_per_10s, window_s=WINDOW_S
        )
        self._daily = DailyAllowance(limit=settings.daily_limit)

    def admit(
        self, authorization: str, scopes: Sequence[str], *, kind: str = "call"
    ) -> dict[str, str]:
        """Return the rate headers of the answer.

        `scopes` are alternatives, none means any token; `kind` is call, search, association or
        journal, whose calls count nowhere.
        """
        grant = self._tokens.grant(authorization)
        if kind == "journal":
            if not set(scopes) & set(grant.scopes):
                raise errors.missing_scopes(scopes)
            return {}
        headers: dict[str, str] = {}
        now = self._now()
        at = now.timestamp()
        within_day = self._daily.admit(now)
        window = {"search": self._searches, "association": self._associations}.get(
            kind, self._calls
        )
        within_window = window.admit(at)
        if kind == "call":
            self._counters.raise_to("worst_10s", self._calls.worst)
            headers = self._headers(by_oauth=grant.by_oauth)
        if not within_day:
            raise self._limited("DAILY", headers)
        if not within_window:
            policy = "SECONDLY" if kind == "search" else "TEN_SECONDLY_ROLLING"
            raise self._limited(policy, headers)
        if scopes and not set(scopes) & set(grant.scopes):
            raise errors.missing_scopes(scopes)
        return headers

    def day(self) -> tuple[int, int | None]:
        """Return how many calls the day has had, and may have; None is any number."""
        return self._daily.used, self._daily.limit

    def _limited(self, policy: str, headers: dict[str, str]) -> errors.ApiError:
        self._counters.add("rate_limited")
        refusal = errors.rate_limited(policy)
        refusal.headers = headers
        return refusal

    def _headers(self, *, by_oauth: bool) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._daily.limit is not None and not by_oauth:
            headers["X-HubSpot-RateLimit-Daily"] = str(self._daily.limit)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(self._daily.remaining)
        if self._calls.limit is not None:
            headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(WINDOW_S * 1000))
            headers["X-HubSpot-RateLimit-Max"] = str(self._calls.limit)
            headers["X-HubSpot-RateLimit-Remaining"] = str(self._calls.remaining)
        return headers
