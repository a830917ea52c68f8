"""GET /oauth/hubspot/start and /callback: a portal's admin connects the app.

`leadscore install` makes an invitation; whoever opens it is sent to HubSpot's page, with a state in
the address and a random value in a cookie. The state is good once, for ten minutes, and only in the
browser that holds the cookie; the cookie is the code verifier of RFC 7636, too. A portal that is no
account of practice.toml is refused, and its token revoked.

The vendor's client is loaded when the first code arrives: a receiver stays small.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from config.practice import HubSpotAccount
from integrations.errors import CrmError
from integrations.hubspot.consent import (
    NEEDED_SCOPES,
    OPTIONAL_SCOPES,
    SENSITIVE_SCOPES,
    authorize_address,
    challenge_of,
)
from integrations.registry import Secrets, oauth_app
from store.installs import STATE_FOR, Installs
from store.wakeups import Wakeups

if TYPE_CHECKING:
    from integrations.hubspot.oauth import OAuthApp, Token

log = logging.getLogger(__name__)

#: Bound to this host and to https by its name (RFC 6265bis, section 4.1.3.2).
COOKIE = "__Host-leadscore-install"
#: Longer than any code, state or invitation.
_LONGEST = 1_000
_BEGIN_AGAIN = "Begin again with the link you were given, or ask for a new one."


class Installing:
    """The two pages."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, HubSpotAccount],
        app_secrets: Secrets,
        installs: Installs,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._secrets = app_secrets
        self._installs = installs
        self._wakeups = wakeups
        self._clock = clock

    def blueprint(self) -> Blueprint:
        """Return the routes. No answer is cached, framed, or named to the page after it."""
        routes = Blueprint("installing", __name__)
        routes.get("/oauth/hubspot/start")(self._start)
        routes.get("/oauth/hubspot/callback")(self._callback)

        @routes.after_request
        def _headers(answer: Response) -> Response:
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["Referrer-Policy"] = "no-referrer"
            answer.headers["X-Content-Type-Options"] = "nosniff"
            answer.headers["Content-Security-Policy"] = (
                "default-src 'none'; frame-ancestors 'none'"
            )
            return answer

        return routes

    def _start(self) -> Response:
        verifier = secrets.token_urlsafe(32)
        challenge = challenge_of(verifier)
        begun = self._installs.begin(_given("invitation"), challenge, self._clock())
        account = self._accounts.get(begun[0]) if begun else None
        if begun is None or account is None:
            return _refused("", "invitation", 403, "This link is not valid, or not any more.")
        is_sensitive = bool(account.sensitive_outputs)
        address = authorize_address(
            account.authorize_address,
            client_id=account.client_id or "",
            redirect_url=account.redirect_address,
            scopes=NEEDED_SCOPES + (SENSITIVE_SCOPES if is_sensitive else ()),
            optional_scopes=OPTIONAL_SCOPES,
            state=begun[1],
            challenge=challenge,
        )
        log.info("install.started", extra={"account": account.name})
        answer = Response("", 303, {"Location": address})
        # Lax: the browser comes back from HubSpot's site, and must bring it along.
        answer.set_cookie(
            COOKIE,
            verifier,
            max_age=STATE_FOR,
            path="/",
            secure=True,
            httponly=True,
            samesite="Lax",
        )
        return answer

    def _callback(self) -> Response:
        if request.method != "GET":  # a HEAD must use up nothing
            return Response("", 405)
        verifier = request.cookies.get(COOKIE, "")[:_LONGEST]
        name = self._installs.redeem(_given("state"), challenge_of(verifier), self._clock())
        account = self._accounts.get(name) if name else None
        if account is None:
            return _refused("", "state", 403, f"This answer was not expected. {_BEGIN_AGAIN}")
        answer = self._install(account, _given("code"), verifier)
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    def _install(self, account: HubSpotAccount, code: str, verifier: str) -> Response:
        if not code:
            return _refused(account.name, "denied", 400, f"Nothing was granted. {_BEGIN_AGAIN}")
        now = self._clock()
        app = oauth_app(account, self._secrets[account.name])
        try:
            token = app.exchange(
                code, redirect_url=account.redirect_address, code_verifier=verifier, now=now
            )
            if token.portal_id != account.portal_id:
                return self._other_portal(account, app, token)
        except CrmError as error:
            return _refused(
                account.name, error.code, 502, f"HubSpot gave no token. {_BEGIN_AGAIN}"
            )
        finally:
            app.close()
        self._installs.keep(
            account.name,
            access_token=token.access_token,
            refresh_token=token.refresh_token,
            expires_at=token.expires_at,
            actor="service",
            now=now,
        )
        self._wakeups.ring(account.name)
        log.info("install.done", extra={"account": account.name})
        return _page(200, "The app is installed. You can close this window.")

    def _other_portal(self, account: HubSpotAccount, app: "OAuthApp", token: "Token") -> Response:
        """Refuse another portal than the account's; let go of one that is no account at all.

        A portal of another account keeps its grant: HubSpot has one for each app and portal, and
        that account may live by it.
        """
        text = f"This is another portal than {account.portal_id}. Nothing was installed."
        if token.portal_id not in {each.portal_id for each in self._accounts.values()}:
            try:
                app.revoke(token.refresh_token)
            except CrmError as error:
                log.error(  # noqa: TRY400  the cause says no more
                    "install.not_revoked", extra={"account": account.name, "code": error.code}
                )
        return _refused(account.name, "other_portal", 403, f"{text} {_BEGIN_AGAIN}")


def _given(name: str) -> str:
    """Return a parameter of the address, or nothing where it is none of ours."""
    found = request.args.get(name, "")
    return found if len(found) <= _LONGEST and found.isascii() and found.isprintable() else ""


def _refused(account: str, code: str, status: int, text: str) -> Response:
    log.warning("install.refused", extra={"account": account, "code": code, "status": status})
    return _page(status, text)


def _page(status: int, text: str) -> Response:
    return Response(text + "\n", status, mimetype="text/plain")
