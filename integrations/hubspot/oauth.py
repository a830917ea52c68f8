"""HubSpot's OAuth endpoints: a code or a refresh token becomes an access token; and back.

All go through `hubspot-api-client`, bounded by `vendor`. Tokens and codes travel in the body of a
POST, never in an address. Source: reference hubspot.md section 5; openapi `oauth.2026-03`.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from integrations.errors import (
    AccessError,
    CrmError,
    PermanentCrmError,
    TransientCrmError,
    plain_code,
)
from integrations.hubspot import wire
from integrations.hubspot.client import error_of
from integrations.hubspot.vendor import VendorClient

#: A token is fetched anew when it ends so soon.
AHEAD = timedelta(minutes=5)


class UninstalledError(AccessError):
    """The refresh token is bad: the app was uninstalled from the portal, or the grant revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token as HubSpot gave it."""

    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(default="", repr=False)  #: Empty for client credentials.
    portal_id: str = ""  #: Empty where HubSpot did not say.
    scopes: tuple[str, ...] = ()

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the token lasts longer than `AHEAD`."""
        return self.expires_at - now > AHEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What HubSpot says of an access token."""

    is_active: bool
    portal_id: str
    app_id: str
    scopes: tuple[str, ...]


class OAuthApp:
    """One app's client id and secret, and what they can be used for. Thread-safe."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        self._client = VendorClient(base_url, fails=_failure)
        self._own = {"client_id": client_id, "client_secret": client_secret}

    def exchange(
        self, code: str, *, redirect_url: str, code_verifier: str, now: datetime
    ) -> Token:
        """Return the tokens for the code of a callback. Good once.

        Raises:
            CrmError: HubSpot does not answer, or refuses code, address or secret.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_url,
            "code_verifier": code_verifier,
        }
        return self._token(form, now)

    def refresh(self, refresh_token: str, *, now: datetime) -> Token:
        """Return a new access token. Safe to repeat: the refresh token stays good.

        Raises:
            UninstalledError: The portal's admin took the app away.
            CrmError: HubSpot does not answer, or refuses the app's own secret.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._token(form, now, refresh_token=refresh_token)

    def client_credentials(self, scopes: Collection[str], *, now: datetime) -> Token:
        """Return a token of the app itself, bound to no portal. Raises: CrmError."""
        form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
        return self._token(form, now)

    def introspect(self, access_token: str) -> TokenFacts:
        """Return what HubSpot says of an access token. Raises: CrmError."""
        form = {**self._own, "token": access_token, "token_type_hint": "access_token"}
        body = self._client.call("POST", wire.INTROSPECT, form=form).body
        return TokenFacts(
            is_active=body.get("active") is True,
            portal_id=str(body.get("hub_id") or ""),
            app_id=str(body.get("app_id") or ""),
            scopes=_scopes(body),
        )

    def revoke(self, refresh_token: str) -> None:
        """Make a refresh token bad, and with it all access tokens. Safe to repeat.

        Raises:
            CrmError: HubSpot does not answer, or refuses.
        """
        form = {**self._own, "token": refresh_token, "token_type_hint": "refresh_token"}
        self._client.call("POST", wire.REVOKE, form=form)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _token(self, form: Mapping[str, str], now: datetime, *, refresh_token: str = "") -> Token:
        body = self._client.call("POST", wire.TOKEN, form={**self._own, **form}).body
        access_token, expires_in = body.get("access_token"), body.get("expires_in")
        if not isinstance(access_token, str) or not access_token.isascii():
            raise TransientCrmError("bad_reply", "no access token")
        if isinstance(expires_in, bool) or not isinstance(expires_in, int) or expires_in <= 0:
            raise TransientCrmError("bad_reply", "no lifetime")
        given = body.get("refresh_token")
        return Token(
            access_token=access_token,
            # From before the call: never later than HubSpot's own end.
            expires_at=now + timedelta(seconds=min(expires_in, 86_400)),
            refresh_token=given if isinstance(given, str) and given else refresh_token,
            portal_id=str(body.get("hub_id") or ""),
            scopes=_scopes(body),
        )


class ClientCredentials:
    """A token of the app itself, kept until shortly before its end. Thread-safe."""

    def __init__(
        self, app: OAuthApp, scopes: Collection[str], *, now: Callable[[], datetime]
    ) -> None:
        self._app = app
        self._scopes = tuple(scopes)
        self._now = now
        self._lock = threading.Lock()
        self._held: Token | None = None

    def token(self) -> Token:
        """Return a token that lasts longer than `AHEAD`. Raises: CrmError."""
        with self._lock:
            held, now = self._held, self._now()
            if held is None or not held.is_fresh(now):
                held = self._held = self._app.client_credentials(self._scopes, now=now)
            return held

    def forget(self, token: Token) -> None:
        """Fetch another than `token`, which was refused, at the next call."""
        with self._lock:
            if self._held is token:
                self._held = None


def client_credentials_token(
    base_url: str, client_id: str, client_secret: str, scopes: Collection[str], *, now: datetime
) -> Token:
    """Return a token of the app itself, as for the webhooks journal. Raises: CrmError.

    One call each time; `ClientCredentials` keeps the token while it lasts.
    Source: reference hubspot.md section 2.7.
    """
    app = OAuthApp(base_url, client_id, client_secret)
    try:
        return app.client_credentials(scopes, now=now)
    finally:
        app.close()


def _scopes(body: Mapping[str, Any]) -> tuple[str, ...]:
    found = body.get("scopes")
    if not isinstance(found, list):
        return ()
    return tuple(scope for scope in found if isinstance(scope, str))


def _failure(response: requests.Response, body: dict[str, Any]) -> CrmError:
    """Return our error of a token endpoint's refusal."""
    code = plain_code(body.get("status") or body.get("error") or response.status_code)
    if response.status_code == 400:
        if code == "BAD_REFRESH_TOKEN":
            return UninstalledError("uninstalled", "install the app again: leadscore install")
        if "invalid_client" in str(body.get("error")) or "SECRET" in code or "CLIENT" in code:
            return AccessError(code, "check client_id and client_secret")
        return PermanentCrmError(code, "HubSpot refuses the grant")
    return error_of(response, body)
