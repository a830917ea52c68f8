"""Every call to a CRM goes through here: where to, for how long, how much, how often.

`guarded_session` bounds a `requests.Session` (S37, S38), whoever uses it: our own clients or a
vendor's SDK. `Caller` counts a call against the account's budget and tries again what may pass.
"""

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from integrations.budget import DayBudget, RateBudget
from integrations.deadline import Deadline, DeadlinePools
from integrations.errors import AccessError, CrmError, RateLimitedError, TransientCrmError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Bounds of one call. Source: SECURITY-REQUIREMENTS S37."""

    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0  #: Longest silence.
    total_timeout_s: float = 30.0
    max_reply_bytes: int = 8 * 1024 * 1024  #: After decoding.


class ReplyTooLargeError(requests.RequestException):
    """The reply went over the cap; the rest was not read."""


class ForeignHostError(requests.RequestException):
    """A request, or a redirect, to a host that is not this account's."""


class _GuardAdapter(HTTPAdapter):
    """Sends to one host only, follows no redirect, and reads a bounded reply in bounded time."""

    def __init__(self, base_url: str, limits: CallLimits) -> None:
        self._base = urlsplit(base_url)
        self._limits = limits
        self._pools = DeadlinePools()
        super().__init__(pool_connections=1, pool_maxsize=8)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """See `HTTPAdapter.init_poolmanager`."""
        super().init_poolmanager(*args, **options)
        self._pools.install(self.poolmanager)

    def send(
        self, request: requests.PreparedRequest, *_args: Any, **options: Any
    ) -> requests.Response:
        """See `HTTPAdapter.send`."""
        parts = urlsplit(request.url or "")
        if parts.netloc != self._base.netloc:
            raise ForeignHostError("the request names a host that is not the account's")
        if parts.scheme != self._base.scheme:
            # simple-salesforce makes https of everything; a simulator on loopback has http.
            request.url = parts._replace(scheme=self._base.scheme).geturl()
        options["stream"] = True
        options["timeout"] = (self._limits.connect_timeout_s, self._limits.read_timeout_s)
        with self._pools.deadline(self._limits.total_timeout_s) as deadline:
            try:
                response = self._send(request, options, deadline)
            except requests.RequestException:
                if deadline.is_over():
                    raise requests.Timeout("the reply took too long") from None
                raise
            if deadline.is_over():  # cut inside its head, it looks like one without a body
                raise requests.Timeout("the reply took too long")
            return response

    def _send(
        self, request: requests.PreparedRequest, options: Any, deadline: Deadline
    ) -> requests.Response:
        response = super().send(request, **options)
        if response.is_redirect:
            response.close()
            raise ForeignHostError("the CRM answered with a redirect")
        # requests has no public way to hand over a body that was read with a bound.
        response._content = self._read(response, deadline)  # noqa: SLF001
        setattr(response, "_content_consumed", True)  # noqa: B010
        return response

    def _read(self, response: requests.Response, deadline: Deadline) -> bytes:
        found = bytearray()
        fault: requests.RequestException | None = None
        try:
            for chunk in response.raw.stream(65_536, decode_content=True):
                found += chunk
                if len(found) > self._limits.max_reply_bytes:
                    fault = ReplyTooLargeError("the reply is too large")
                elif deadline.is_over():
                    fault = requests.Timeout("the reply took too long")
                if fault is not None:
                    break
        except urllib3.exceptions.ReadTimeoutError:
            fault = requests.Timeout("the reply stopped")
        except urllib3.exceptions.HTTPError as error:
            fault = requests.ConnectionError(type(error).__name__)
        if fault is not None:
            response.close()
            raise fault
        return bytes(found)


def guarded_session(
    base_url: str, *, limits: CallLimits | None = None, headers: Mapping[str, str] | None = None
) -> requests.Session:
    """Return a session that can reach `base_url`'s host and no other."""
    session = requests.Session()
    # No proxy, .netrc or certificate bundle from the environment: what is reached is configured.
    session.trust_env = False
    adapter = _GuardAdapter(base_url, limits or CallLimits())
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update(headers or {})
    return session


@contextlib.contextmanager
def crm_errors() -> Iterator[None]:
    """Let what `requests` raises in the block come out as a CrmError, without its text."""
    try:
        yield
    except requests.Timeout:
        raise TransientCrmError("timeout") from None
    except ForeignHostError:
        raise AccessError("foreign_host", "check base_url in practice.toml") from None
    except ReplyTooLargeError:
        raise TransientCrmError("reply_too_large") from None
    except requests.exceptions.SSLError:
        raise TransientCrmError("tls") from None
    except requests.RequestException:
        raise TransientCrmError("network") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a call is tried before the worker takes over."""

    attempts: int = 3
    within_s: float = 20.0
    first_wait_s: float = 0.5
    #: A longer wait than this is the worker's: it pauses the account and does other work.
    longest_wait_s: float = 10.0


class Caller:
    """Makes calls for one account: within its budget, retried, counted. Thread-safe."""

    def __init__(
        self,
        *,
        account: str,
        budget: RateBudget,
        day: DayBudget,
        retry: RetryPolicy,
        sleep: Callable[[float], None],
        apart: Mapping[str, RateBudget] = MappingProxyType({}),
    ) -> None:
        """Make calls of the kinds `apart` under a budget of their own, all others under `budget`."""
        self.budget = budget
        self.day = day
        self.account = account
        self._apart = apart
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_a_try),
            stop=tenacity.stop_after_attempt(retry.attempts)
            | tenacity.stop_before_delay(retry.within_s),
            wait=self._wait,
            sleep=sleep,
            before_sleep=self._log_retry,
            reraise=True,
        )
        self._policy = retry
        self._jitter = tenacity.wait_random_exponential(multiplier=retry.first_wait_s, max=8)

    def call(self, kind: str, send: Callable[[], T]) -> T:
        """Return `send()`, tried again while that may help.

        Args:
            kind: A constant name of the call, for counts and logs.
            send: Makes one request. Must be safe to repeat; raises CrmError.

        Raises:
            CrmError: the last failure.
        """

        def once() -> T:
            self._apart.get(kind, self.budget).acquire()
            with self._lock:
                self._counts[kind] += 1
            with crm_errors():
                return send()

        return self._retrying(once)

    def ready_at(
        self, calls: int, since: float, *, apart: Mapping[str, int] = MappingProxyType({})
    ) -> float:
        """See `RateBudget.ready_at`; `apart` are calls of kinds that have a budget of their own."""
        others = [self._apart[kind].ready_at(n, since) for kind, n in apart.items() if n]
        return max([self.budget.ready_at(calls, since), *others])

    def left(self) -> dict[str, int]:
        """See `CrmClient.calls_left`."""
        found = {"window": self.budget.left()}
        if self.day.left is not None:
            found["day"] = self.day.left
        return found

    def counts(self) -> dict[str, int]:
        """Return how many requests of each kind were sent, retries counted."""
        with self._lock:
            return dict(self._counts)

    def _is_worth_a_try(self, error: BaseException) -> bool:
        if isinstance(error, RateLimitedError):
            return error.retry_after_s <= self._policy.longest_wait_s
        return isinstance(error, TransientCrmError)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimitedError):
            return error.retry_after_s
        return self._jitter(state)

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning(
            "call.retry",
            extra={
                "account": self.account,
                "attempt": state.attempt_number,
                "code": error.code if isinstance(error, CrmError) else "",
                "retry_in_s": round(state.upcoming_sleep, 2),
            },
        )
