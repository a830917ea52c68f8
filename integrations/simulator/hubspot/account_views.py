"""The account over HTTP: its details, its tokens, and the page where an app is connected.

Source: reference hubspot.md section 5; openapi `oauth.*`, `account-info.2026-09`.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from html import escape
from urllib.parse import urlencode

from flask import Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.calls import json_answer
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.oauth import AuthorizeRefusedError
from integrations.simulator.hubspot.values import iso


class AccountViews:
    """The views of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def token(self, version: str) -> Response:
        """Answer a token request."""
        tokens = self._account.tokens
        # Version 1 also took query parameters. Source: openapi oauth.v1.
        more = request.args.to_dict() if version == "v1" else {}
        return self._answer(
            lambda form: tokens.issue({**more, **form}, dated=version.startswith("2"))
        )

    def introspect(self, version: str) -> Response:  # noqa: ARG002 - all versions alike
        """Say what a token is."""
        return self._answer(self._account.tokens.introspect)

    def revoke(self, version: str) -> Response:  # noqa: ARG002 - all versions alike
        """Make a token bad."""
        return self._answer(self._account.tokens.revoke)

    def _answer(self, act: Callable[[Mapping[str, str]], object]) -> Response:
        self._account.counts.add("oauth")
        try:
            with self._account.lock:
                body = act(request.form.to_dict())
        except ApiError as error:
            return json_answer(error.status, error.body, {})
        return json_answer(200, body, {})

    def details(self, version: str) -> tuple[int, object]:  # noqa: ARG002 - all versions alike
        """Describe the account."""
        return 200, {
            "portalId": self._account.settings.portal_id,
            "accountType": "DEVELOPER_TEST",
            "timeZone": "UTC",
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }

    def usage(self, version: str) -> tuple[int, object]:  # noqa: ARG002 - all versions alike
        """Say how many of the day's calls are used up."""
        used, limit = self._account.gate.day()
        now = self._account.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        row = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": limit if limit is not None else 2**31 - 1,
            "currentUsage": used,
            "collectedAt": iso(now),
            "resetsAt": iso(midnight),
            "fetchStatus": "SUCCESS",
        }
        return 200, {"results": [row]}

    def authorize(self) -> AnyResponse:
        """Show what the app asks for; the button sends the code to the registered address."""
        account = self._account
        asked = (request.form if request.method == "POST" else request.args).to_dict()
        try:
            with account.lock:
                if request.method == "GET":
                    account.tokens.check(asked)
                    return _page(account, asked)
                portal_id = int(asked.pop("portal"))
                code = account.tokens.agree(asked, portal_id=portal_id)
        except AuthorizeRefusedError as error:
            return Response(f"{error}\n", 400, mimetype="text/plain")
        back = {"code": code}
        if "state" in asked:
            back["state"] = asked["state"]
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}", 302)


def _page(account: Account, asked: Mapping[str, str]) -> Response:
    settings = account.settings
    portals = settings.portals_to_choose or (settings.portal_id,)
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in asked.items()
    )
    choices = "".join(f'<option value="{portal}">portal {portal}</option>' for portal in portals)
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in asked["scope"].split())
    return Response(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Connect an app</title>'
        f"<h1>Connect an app</h1><p>App {settings.app_id} asks for:</p><ul>{scopes}</ul>"
        f'<form method="post">{fields}<select name="portal">{choices}</select> '
        "<button>Connect app</button></form></html>",
        mimetype="text/html",
    )
