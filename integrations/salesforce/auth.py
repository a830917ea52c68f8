"""One login for all threads: a locked token store over client credentials or a JWT bearer.

`simple-salesforce` logs in once per thread, without a lock, and again and again on a lasting 401
(reference salesforce.md section 4.2); here a token is renewed once by whoever sees it refused first.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

import jwt
import requests

from integrations.errors import AccessError, CrmError, TransientCrmError
from integrations.salesforce.wire import RECORD_ID

#: A 401 twice within this time, with a login between them, is no matter of an old token.
FRESH_S = 30.0

#: Three minutes are what Salesforce takes at most. Source: reference salesforce.md section 4.1.
ASSERTION_LIFE_S = 120
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  a path


#: Returns the form of a login.
Grant = Callable[[], Mapping[str, str]]


def client_credentials(consumer_key: str, consumer_secret: str) -> Grant:
    """Return the grant of an app that runs as the user of its policy."""
    form = {
        "grant_type": "client_credentials",
        "client_id": consumer_key,
        "client_secret": consumer_secret,
    }
    return lambda: form


def jwt_bearer(
    consumer_key: str,
    private_key: str,
    *,
    username: str,
    audience: str,
    now: Callable[[], datetime],
) -> Grant:
    """Return the grant of an app that has the certificate of `private_key`; no secret is sent.

    Source: reference salesforce.md section 4.1; RFC 7523 sections 2.1 and 3.

    Args:
        consumer_key: The app's.
        private_key: PEM.
        username: The user that we act for.
        audience: The login address that the assertion is meant for.
        now: The clock on the wall.
    """

    def form() -> Mapping[str, str]:
        claims = {
            "iss": consumer_key,
            "sub": username,
            "aud": audience,
            "exp": int(now().timestamp()) + ASSERTION_LIFE_S,
        }
        try:
            assertion = jwt.encode(claims, private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # The cause's text may tell of the key.
            raise AccessError("private_key", "private_key must be a PEM of RSA") from None
        return {"grant_type": JWT_GRANT, "assertion": assertion}

    return form


class TokenStore:
    """The access token of one org."""

    def __init__(
        self,
        *,
        session: requests.Session,
        base_url: str,
        grant: Grant,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._url = base_url.rstrip("/") + TOKEN_PATH
        self._grant = grant
        self._clock = clock  #: Monotonic seconds.
        self._lock = threading.Lock()
        self._token = ""
        self.user_id = ""  #: Whom we act as; empty before the first login.
        self._since = 0.0

    def token(self) -> str:
        """Return the present token; log in when there is none. Raises: CrmError."""
        with self._lock:
            return self._token or self._login()

    def renew(self, refused: str) -> str:
        """Return another token than the `refused` one; one login serves all threads (S39).

        Raises:
            AccessError: the refused token is fresh: the org refuses us, not the token.
            CrmError: the login failed.
        """
        with self._lock:
            if self._token != refused:
                return self._token or self._login()
            if self._clock() - self._since < FRESH_S:
                raise AccessError("session_refused", "a fresh token is refused: check permissions")
            self._token = ""
            return self._login()

    def _login(self) -> str:
        response = self._session.post(self._url, data=self._grant())
        try:
            body = response.json()
        except ValueError:
            body = None
        token = body.get("access_token") if isinstance(body, dict) else None
        if response.status_code == 200 and isinstance(token, str) and token:
            self._token, self._since = token, self._clock()
            who = str(body.get("id") or "").rpartition("/")[2]
            self.user_id = who if RECORD_ID.match(who) else ""
            return token
        raise _refusal(response.status_code, body)


def _refusal(status: int, body: object) -> CrmError:
    if status >= 500 or status == 429:
        return TransientCrmError(f"login_{status}")
    code = str(body.get("error", ""))[:40] if isinstance(body, dict) else ""
    return AccessError(
        f"login_{code or status}", "check consumer key, secret or key, and base_url"
    )
