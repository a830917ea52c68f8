"""Where a client of one portal has its access token from.

A private app's token stands in the configuration and never ends. That of an app installed by OAuth
lasts half an hour: one thread of one process fetches the next, ahead of time, and all others take
over what it brings (S39). A 401 alone is no proof that a token is old: it is refreshed once, and
one as young as `YOUNG` not at all (reference hubspot.md section 5).
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from integrations.errors import AccessError, PermanentCrmError, TransientCrmError
from integrations.hubspot.oauth import AHEAD, OAuthApp, Token, UninstalledError

log = logging.getLogger(__name__)

#: A token that is refused so soon after it was fetched is refused for another reason than its age.
YOUNG = timedelta(minutes=10)
#: How long a token surely lasts, less what a call may take.
_LASTS = timedelta(minutes=30)
#: How often, and how long, it is looked for what another process fetches.
LOOK_S = 0.25
WAIT_S = 45.0
#: After a refresh that failed, one that still lasts is used for so long before the next try.
AGAIN = timedelta(seconds=30)


class HeldTokens(Protocol):
    """Tokens as the store keeps them."""

    @property
    def access_token(self) -> str:
        """The token of the calls."""

    @property
    def refresh_token(self) -> str:
        """What the next access token is had for."""

    @property
    def expires_at(self) -> datetime:
        """When the access token ends."""

    @property
    def version(self) -> int:
        """Rises each time they change."""


class Shelf(Protocol):
    """One account's tokens, shared by all processes."""

    def read(self) -> HeldTokens | None:
        """Return the tokens; None: the app is not installed."""

    def is_uninstalled(self) -> bool:
        """Tell whether the app was installed once, and taken away."""

    def claim(self, version: int, now: datetime) -> bool:
        """Take the right to refresh these tokens; False: another has it."""

    def give_back(self, version: int) -> None:
        """End a claim that brought nothing."""

    def replace(
        self, version: int, *, access_token: str, refresh_token: str, expires_at: datetime
    ) -> bool:
        """Store refreshed tokens in place of `version`; False: others came meanwhile."""

    def forget(self, now: datetime, version: int | None = None) -> bool:
        """Delete the tokens, if they are still those of `version`."""


class OAuthTokens:
    """The tokens of an app that is installed by OAuth. Thread-safe. See `TokenSource`."""

    def __init__(
        self,
        *,
        account: str,
        app: OAuthApp,
        shelf: Shelf,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._account = account
        self._app = app
        self._shelf = shelf
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._held: HeldTokens | None = None
        self._failed_at: datetime | None = None  #: When a refresh failed last.

    def token(self) -> str:
        """Return an access token that is not about to end.

        Raises:
            AccessError: The app is not installed: code `not_installed` or `uninstalled`.
            CrmError: No token could be fetched.
        """
        with self._lock:
            held, now = self._held, self._now()
            if held is not None and now < held.expires_at and self._has_just_failed(now):
                return held.access_token
            if held is None or held.expires_at - now <= AHEAD:
                held = self._held = self._fresh(AHEAD)
            return held.access_token

    def _has_just_failed(self, now: datetime) -> bool:
        return self._failed_at is not None and timedelta() <= now - self._failed_at < AGAIN

    def refused(self, token: str) -> bool:
        """Hear that HubSpot refused `token`; return whether `token()` has another one now.

        Raises:
            CrmError: As `token` does.
        """
        with self._lock:
            self._held = held = self._shelf.read() or self._none()
            if held.access_token != token:
                return True
            if held.expires_at - self._now() > _LASTS - YOUNG:
                log.warning("token.refused_young", extra={"account": self._account})
                return False
            self._held = self._fresh(timedelta(days=1), but=held.version)
            return self._held.access_token != token

    def _fresh(self, ahead: timedelta, *, but: int = 0) -> HeldTokens:
        """Return tokens that last longer than `ahead`, or others than version `but`."""
        waited_s = 0.0
        while True:
            now = self._now()
            held = self._shelf.read() or self._none()
            if held.expires_at - now > ahead or (but and held.version != but):
                return held
            if self._shelf.claim(held.version, now):
                return self._refresh(held, now, is_refused=bool(but))
            if not but and held.expires_at > now + timedelta(minutes=1):
                return held  # another fetches the next; this one still lasts
            if waited_s >= WAIT_S:
                raise TransientCrmError("token_wait", "another process fetches a token")
            self._sleep(LOOK_S)
            waited_s += LOOK_S

    def _refresh(self, held: HeldTokens, now: datetime, *, is_refused: bool) -> HeldTokens:
        try:
            new = self._app.refresh(held.refresh_token, now=now)
        except UninstalledError:
            if self._shelf.forget(now, held.version):
                log.error("app.uninstalled", extra={"account": self._account})  # noqa: TRY400
                raise
            return self._shelf.read() or self._none()  # it was installed again meanwhile
        except TransientCrmError as error:
            self._shelf.give_back(held.version)
            if not is_refused and held.expires_at > self._now():
                self._failed_at = self._now()
                extra = {"account": self._account, "code": error.code}
                log.warning("token.not_refreshed", extra=extra)
                return held
            raise
        except PermanentCrmError as error:
            self._shelf.give_back(held.version)
            if isinstance(error, AccessError):
                raise
            # It is about the account: as a refused request it would be laid to its records.
            remedy = f"HubSpot refuses the grant; run: leadscore install hubspot {self._account}"
            raise AccessError(error.code, remedy) from None
        except BaseException:
            self._shelf.give_back(held.version)
            raise
        self._store(held.version, new)
        log.info("token.refreshed", extra={"account": self._account})
        return self._shelf.read() or self._none()

    def _store(self, version: int, new: Token) -> None:
        self._shelf.replace(
            version,
            access_token=new.access_token,
            refresh_token=new.refresh_token,
            expires_at=new.expires_at,
        )

    def _none(self) -> HeldTokens:
        """Say that there are no tokens."""
        remedy = f"run: leadscore install hubspot {self._account}"
        if self._shelf.is_uninstalled():
            raise AccessError("uninstalled", f"the portal took the app away; {remedy}")
        raise AccessError("not_installed", remedy)
