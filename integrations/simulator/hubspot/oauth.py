"""Tokens: the private app's own, and those of the OAuth endpoints.

Source: reference hubspot.md section 5; openapi `oauth.v1`, `oauth.v3`, `oauth.2026-03`;
`samples/api.oauth.*`. Errors other than the bad refresh token are illustrative.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.settings import HubSpotSettings

LIFETIME = timedelta(seconds=1800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token allows."""

    scopes: tuple[str, ...]
    expires_at: datetime | None  #: None: never.
    by_oauth: bool


class Tokens:
    """Every access token of the account. Not locked: the caller is."""

    def __init__(
        self, settings: HubSpotSettings, *, now: Callable[[], datetime], chance: random.Random
    ) -> None:
        self._settings = settings
        self._now = now
        self._chance = chance
        self._codes = {settings.authorization_code}
        self._refresh_tokens = {settings.refresh_token}
        static = Grant(scopes=settings.scopes, expires_at=None, by_oauth=False)
        self._grants = {settings.access_token: static}

    def grant(self, authorization: str) -> Grant:
        """Return what the `Authorization` header allows, or raise the 401."""
        scheme, _, token = authorization.partition(" ")
        grant = self._grants.get(token)
        if scheme.lower() != "bearer" or grant is None:
            raise errors.unauthenticated()
        if grant.expires_at is not None and self._now() >= grant.expires_at:
            raise errors.expired()
        return grant

    def revoke_refresh_tokens(self) -> None:
        """Make every refresh token bad, as an uninstall does."""
        self._refresh_tokens.clear()

    def issue(self, form: Mapping[str, str], *, dated: bool) -> dict[str, object]:
        """Answer a token request, or raise its 400."""
        settings = self._settings
        if (form.get("client_id"), form.get("client_secret")) != (
            settings.client_id,
            settings.client_secret,
        ):
            raise _refused(
                "invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret"
            )
        kind = form.get("grant_type")
        refresh_token: str | None = None
        if kind == "refresh_token":
            refresh_token = form.get("refresh_token", "")
            if refresh_token not in self._refresh_tokens:
                message = "refresh token is invalid, expired or revoked"
                raise _refused("invalid_grant", "BAD_REFRESH_TOKEN", message)
        elif kind == "authorization_code":
            code = form.get("code", "")
            if code not in self._codes or not form.get("redirect_uri"):
                message = "missing or unknown auth code"
                raise _refused("invalid_grant", "BAD_AUTH_CODE", message)
            self._codes.discard(code)
            refresh_token = settings.refresh_token
        elif kind != "client_credentials":
            message = "missing or unknown grant type"
            raise _refused("unsupported_grant_type", "BAD_GRANT_TYPE", message)
        token = f"CSimulator{self._chance.getrandbits(128):032x}"
        self._grants[token] = Grant(
            scopes=settings.scopes, expires_at=self._now() + LIFETIME, by_oauth=True
        )
        answer: dict[str, object] = {"token_type": "bearer"}
        if refresh_token is not None:
            answer["refresh_token"] = refresh_token
        answer["access_token"] = token
        answer["hub_id"] = settings.portal_id
        answer["scopes"] = list(settings.scopes)
        answer["expires_in"] = int(LIFETIME.total_seconds())
        if dated:
            answer["token_use"] = "access_token" if refresh_token else "client_credentials"
        return answer


def _refused(error: str, status: str, message: str) -> ApiError:
    body = {"error": error, "error_description": message, "status": status, "message": message}
    return ApiError(400, body)
