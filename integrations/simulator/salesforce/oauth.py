"""Tokens of the org: client credentials, JWT bearer, and sessions that run out.

Source: reference salesforce.md section 4.1; `samples/token_*.json`. Error texts other than the
sampled one are illustrative.
"""

import base64
import binascii
import hmac
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import jwt

from integrations.simulator.salesforce.errors import TokenError, invalid_session
from integrations.simulator.salesforce.settings import SalesforceSettings

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Longest life of an assertion that Salesforce takes.
ASSERTION_LIFE = timedelta(minutes=5)


class Sessions:
    """Access tokens and when they end. Not locked: the caller is."""

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        now: Callable[[], datetime],
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._now = now
        self._chance = chance
        self._ends: dict[str, datetime] = {}

    def check(self, authorization: str) -> None:
        """Raise the 401 unless the `Authorization` header holds a live token."""
        scheme, _, token = authorization.partition(" ")
        ends = self._ends.get(token)
        if scheme.lower() not in ("bearer", "oauth") or ends is None or self._now() >= ends:
            raise invalid_session()

    def expire_all(self) -> None:
        """End every session now."""
        self._ends.clear()

    def issue(self, form: Mapping[str, str], authorization: str, *, url: str) -> dict[str, object]:
        """Answer a token request; `url` is where the caller reached the org.

        Raises:
            TokenError: 400.
        """
        kind = form.get("grant_type")
        if kind == "client_credentials":
            self._check_client(form, authorization)
        elif kind == JWT_BEARER:
            self._check_assertion(form.get("assertion", ""), url)
        else:
            raise TokenError("unsupported_grant_type", "grant type not supported")
        settings = self._settings
        token = f"{settings.organization_id[:15]}!{self._chance.getrandbits(256):064x}"
        self._ends[token] = self._now() + timedelta(seconds=settings.session_timeout_s)
        issued: dict[str, object] = {
            "access_token": token,
            "scope": "api",
            "instance_url": settings.instance_url or url,
            "id": f"https://login.salesforce.com/id/{settings.organization_id}/{settings.user_id}",
            "token_type": "Bearer",
        }
        if kind == "client_credentials":
            issued["signature"] = base64.b64encode(self._chance.randbytes(32)).decode()
            issued["issued_at"] = str(int(self._now().timestamp() * 1000))
            issued["api_instance_url"] = "https://api.salesforce.com"
        return issued

    def _check_client(self, form: Mapping[str, str], authorization: str) -> None:
        key, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            try:
                plain = base64.b64decode(authorization[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise TokenError("invalid_client", "invalid client credentials") from None
            key, _, secret = plain.partition(":")
        if key != self._settings.consumer_key:
            raise TokenError("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest(secret.encode(), self._settings.consumer_secret.encode()):
            raise TokenError("invalid_client", "invalid client credentials")

    def _check_assertion(self, assertion: str, url: str) -> None:
        pem = self._settings.jwt_public_key_pem
        if pem is None:
            raise TokenError("invalid_client", "no certificate is set for this app")
        audiences = [*self._settings.login_audiences, self._settings.my_domain, url]
        try:
            # The time is checked below, against the simulator's own clock.
            claims = jwt.decode(
                assertion,
                pem,
                algorithms=["RS256"],
                audience=audiences,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidAudienceError:
            raise TokenError("invalid_grant", "audience is invalid") from None
        except jwt.InvalidTokenError:
            raise TokenError("invalid_grant", "invalid assertion") from None
        try:
            left = int(claims["exp"]) - self._now().timestamp()
        except (KeyError, TypeError, ValueError):
            raise TokenError("invalid_grant", "invalid assertion") from None
        if not 0 < left <= ASSERTION_LIFE.total_seconds():
            raise TokenError("invalid_grant", "expired authorization code")
        if claims.get("iss") != self._settings.consumer_key:
            raise TokenError("invalid_client_id", "client identifier invalid")
        if claims.get("sub") != self._settings.username:
            raise TokenError("invalid_grant", "user hasn't approved this consumer")
