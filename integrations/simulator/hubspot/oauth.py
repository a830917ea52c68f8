"""Tokens: the private app's own, and those of the OAuth endpoints.

Source: reference hubspot.md section 5; openapi `oauth.v1`, `oauth.v3`, `oauth.2026-03`;
`samples/api.oauth.*`. Errors other than the bad refresh token are illustrative.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.settings import HubSpotSettings

LIFETIME = timedelta(seconds=1800)
#: Who installs.
USER_ID = 9_100_001


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token allows."""

    scopes: tuple[str, ...]
    expires_at: datetime | None  #: None: never.
    by_oauth: bool
    portal_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Consent:
    """What a person agreed to; a code stands for it."""

    redirect_url: str
    challenge: str
    scopes: tuple[str, ...]
    portal_id: int


class AuthorizeRefusedError(Exception):
    """What is wrong with the address of the authorise page."""


class Tokens:
    """Every access token of the account. Not locked: the caller is."""

    def __init__(
        self, settings: HubSpotSettings, *, now: Callable[[], datetime], chance: random.Random
    ) -> None:
        self._settings = settings
        self._now = now
        self._chance = chance
        self._codes: dict[str, _Consent] = {}
        if settings.redirect_urls:
            self._codes[settings.authorization_code] = _Consent(
                redirect_url=settings.redirect_urls[0],
                challenge="",
                scopes=settings.scopes,
                portal_id=settings.portal_id,
            )
        #: Refresh token -> what it stands for.
        self._refresh_tokens = {settings.refresh_token: self._grant(settings.scopes)}
        static = Grant(
            scopes=settings.scopes,
            expires_at=None,
            by_oauth=False,
            portal_id=settings.portal_id,
        )
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
        """Make every refresh token bad, and their access tokens, as an uninstall does."""
        self._refresh_tokens.clear()
        self.revoke_access_tokens()

    def revoke_access_tokens(self) -> None:
        """Make every access token of OAuth bad before its time."""
        self._grants = {token: g for token, g in self._grants.items() if not g.by_oauth}

    def agree(self, asked: Mapping[str, str], *, portal_id: int) -> str:
        """Return the code for what the authorise page was asked.

        Raises:
            AuthorizeRefusedError: the address is none that the app registered, and so on.
        """
        settings = self._settings
        self.check(asked)
        if portal_id not in (settings.portals_to_choose or (settings.portal_id,)):
            raise AuthorizeRefusedError("the user has no such portal")
        wanted = [*asked["scope"].split(), *asked.get("optional_scope", "").split()]
        code = f"{self._chance.getrandbits(128):032x}"
        self._codes[code] = _Consent(
            redirect_url=asked["redirect_uri"],
            challenge=asked.get("code_challenge", ""),
            scopes=tuple(scope for scope in settings.scopes if scope in wanted),
            portal_id=portal_id,
        )
        return code

    def check(self, asked: Mapping[str, str]) -> None:
        """Look at the address of the authorise page. Raises: AuthorizeRefusedError."""
        settings = self._settings
        if asked.get("client_id") != settings.client_id:
            raise AuthorizeRefusedError("no app has this client id")
        if asked.get("redirect_uri") not in settings.redirect_urls:
            raise AuthorizeRefusedError("redirect_uri is none that the app has registered")
        if asked.get("code_challenge_method", "S256") != "S256":
            raise AuthorizeRefusedError("code_challenge_method must be S256")
        missing = set(asked.get("scope", "").split()) - set(settings.scopes)
        if missing or not asked.get("scope"):
            raise AuthorizeRefusedError("scopes do not match those of the app")

    def issue(self, form: Mapping[str, str], *, dated: bool) -> dict[str, object]:
        """Answer a token request, or raise its 400."""
        self._check_client(form)
        kind = form.get("grant_type")
        refresh_token: str | None = None
        if kind == "refresh_token":
            refresh_token = form.get("refresh_token", "")
            if refresh_token not in self._refresh_tokens:
                message = "refresh token is invalid, expired or revoked"
                raise _refused("invalid_grant", "BAD_REFRESH_TOKEN", message)
            grant = self._refresh_tokens[refresh_token]
        elif kind == "authorization_code":
            grant = self._spend(form)
            refresh_token = self._refresh_token(grant)
        elif kind == "client_credentials":
            grant = self._grant(tuple(form.get("scope", "").split()) or self._settings.scopes)
        else:
            message = "missing or unknown grant type"
            raise _refused("unsupported_grant_type", "BAD_GRANT_TYPE", message)
        token = f"CSimulator{self._chance.getrandbits(128):032x}"
        self._grants[token] = Grant(
            scopes=grant.scopes,
            expires_at=self._now() + LIFETIME,
            by_oauth=True,
            portal_id=grant.portal_id,
        )
        answer: dict[str, object] = {"token_type": "bearer"}
        if refresh_token is not None:
            answer["refresh_token"] = refresh_token
        answer["access_token"] = token
        answer["hub_id"] = grant.portal_id
        answer["scopes"] = list(grant.scopes)
        answer["expires_in"] = int(LIFETIME.total_seconds())
        if dated:
            answer["token_use"] = "access_token" if refresh_token else "client_credentials"
        return answer

    def introspect(self, form: Mapping[str, str]) -> dict[str, object]:
        """Say what a token is. Source: openapi `oauth.2026-03`, TokenInfoResponseBaseIF."""
        self._check_client(form)
        token = form.get("token", "")
        is_refresh = token in self._refresh_tokens
        grant = self._refresh_tokens.get(token) or self._grants.get(token)
        now = self._now()
        ends = grant.expires_at if grant else None
        left_s = int((ends - now).total_seconds()) if ends else 0
        about: dict[str, object] = {
            "token": token,
            "token_type": "bearer",
            "token_use": "refresh_token" if is_refresh else "access_token",
            "active": is_refresh or (grant is not None and left_s > 0),
            "client_id": self._settings.client_id,
            "app_id": self._settings.app_id,
            "hub_id": grant.portal_id if grant else 0,
            "user_id": USER_ID,
            "scopes": list(grant.scopes) if grant else [],
        }
        if is_refresh:
            return about
        signed = _signed_token(about, ends or now)
        return {
            **about,
            "expires_in": max(0, left_s),
            "is_private_distribution": True,
            "signed_access_token": signed,
        }

    def revoke(self, form: Mapping[str, str]) -> None:
        """Make a token bad; with a refresh token, the account's access tokens, too."""
        self._check_client(form)
        token = form.get("token", "")
        if self._refresh_tokens.pop(token, None) is not None:
            self.revoke_access_tokens()
        elif token in self._grants and self._grants[token].by_oauth:
            del self._grants[token]

    def _check_client(self, form: Mapping[str, str]) -> None:
        settings = self._settings
        if (form.get("client_id"), form.get("client_secret")) != (
            settings.client_id,
            settings.client_secret,
        ):
            raise _refused(
                "invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret"
            )

    def _spend(self, form: Mapping[str, str]) -> Grant:
        consent = self._codes.get(form.get("code", ""))
        if consent is None:
            message = "missing or unknown auth code"
            raise _refused("invalid_grant", "BAD_AUTH_CODE", message)
        if form.get("redirect_uri") != consent.redirect_url:
            message = "redirect URI does not match initial auth code URI"
            raise _refused("invalid_grant", "MISMATCH_REDIRECT_URI_AUTH_CODE", message)
        if consent.challenge and _challenge(form.get("code_verifier", "")) != consent.challenge:
            message = "code verifier does not match the challenge"
            raise _refused("invalid_grant", "BAD_CODE_VERIFIER", message)
        del self._codes[form["code"]]
        return self._grant(consent.scopes, portal_id=consent.portal_id)

    def _refresh_token(self, grant: Grant) -> str:
        """Return the refresh token of a new grant: one app has one for each portal."""
        for token, old in self._refresh_tokens.items():
            if old.portal_id == grant.portal_id:
                self._refresh_tokens[token] = grant
                return token
        token = f"na1-{self._chance.getrandbits(128):032x}"
        self._refresh_tokens[token] = grant
        return token

    def _grant(self, scopes: Sequence[str], *, portal_id: int | None = None) -> Grant:
        return Grant(
            scopes=tuple(scopes),
            expires_at=None,
            by_oauth=True,
            portal_id=self._settings.portal_id if portal_id is None else portal_id,
        )


def _challenge(verifier: str) -> str:
    """Return the S256 challenge. Source: RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _signed_token(about: Mapping[str, object], ends: datetime) -> dict[str, object]:
    """Return the part of an introspection that nobody here reads; its values are invented."""
    return {
        "appId": about["app_id"],
        "appInstallId": "1",
        "audience": "simulator",
        "expiresAt": int(ends.timestamp() * 1000),
        "hubId": about["hub_id"],
        "hublet": "na1",
        "installingUserId": USER_ID,
        "isPrivateDistribution": True,
        "isServiceAccount": False,
        "isUserLevel": False,
        "newSignature": "",
        "scopeToScopeGroupPks": "",
        "scopes": "",
        "signature": "",
        "trialScopeToScopeGroupPks": "",
        "trialScopes": "",
        "userId": USER_ID,
    }


def _refused(error: str, status: str, message: str) -> ApiError:
    body = {"error": error, "error_description": message, "status": status, "message": message}
    return ApiError(400, body)
