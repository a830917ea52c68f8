"""HubSpot's token endpoints, through the vendor's client, against the pretend HubSpot."""

from datetime import timedelta

import pytest
import requests

from integrations.errors import AccessError, PermanentCrmError, TransientCrmError
from integrations.hubspot.consent import authorize_address, challenge_of
from integrations.hubspot.oauth import (
    AHEAD,
    ClientCredentials,
    OAuthApp,
    UninstalledError,
    client_credentials_token,
)

CALLBACK = "https://scores.example.com/oauth/hubspot/callback"
VERIFIER = "invented-verifier-of-forty-three-characters-"
JOURNAL = ("developer.webhooks_journal.read",)


@pytest.fixture
def portal(serve):
    simulator, _ = serve(redirect_urls=(CALLBACK,), portals_to_choose=(4_000_001, 4_000_002))
    return simulator


@pytest.fixture
def app(portal):
    app = OAuthApp(portal.url, portal.settings.client_id, portal.settings.client_secret)
    yield app
    app.close()


def code_of(portal, *, redirect_url=CALLBACK, scopes=("oauth",), portal_id="4000001"):
    """Return the code that a person gets by a click on «Connect app»."""
    address = authorize_address(
        f"{portal.url}/oauth/authorize",
        client_id=portal.settings.client_id,
        redirect_url=redirect_url,
        scopes=scopes,
        optional_scopes=("sales-email-read",),
        state="portal.invented",
        challenge=challenge_of(VERIFIER),
    )
    page = requests.get(address, timeout=5)
    page.raise_for_status()
    assert "Connect app" in page.text
    asked = dict(pair.split("=") for pair in address.partition("?")[2].split("&"))
    form = {key: requests.utils.unquote(value) for key, value in asked.items()}
    answer = requests.post(
        address, data={**form, "portal": portal_id}, allow_redirects=False, timeout=5
    )
    back = answer.headers["Location"]
    assert back.startswith(CALLBACK + "?")
    assert "state=portal.invented" in back
    return back.partition("code=")[2].partition("&")[0]


def exchange(app, code, now, **changes):
    given = {"redirect_url": CALLBACK, "code_verifier": VERIFIER, **changes}
    return app.exchange(code, now=now, **given)


def test_code_becomes_tokens_that_work_and_can_be_refreshed(portal, app, wall):
    first = exchange(app, code_of(portal), wall())
    second = app.refresh(first.refresh_token, now=wall())

    assert first.portal_id == "4000001"
    assert first.scopes == ("oauth", "sales-email-read")
    assert timedelta(minutes=29) < first.expires_at - wall() <= timedelta(minutes=30)
    assert second.access_token != first.access_token
    assert second.refresh_token == first.refresh_token
    facts = app.introspect(second.access_token)
    assert (facts.is_active, facts.portal_id, facts.app_id) == (True, "4000001", "7100001")
    assert facts.scopes == ("oauth", "sales-email-read")


def test_code_is_refused_used_twice_elsewhere_or_without_its_verifier(portal, app, wall):
    code = code_of(portal)

    for change in ({"redirect_url": CALLBACK + "/other"}, {"code_verifier": "guess"}):
        with pytest.raises(PermanentCrmError):
            exchange(app, code, wall(), **change)
    exchange(app, code, wall())
    with pytest.raises(PermanentCrmError, match="BAD_AUTH_CODE"):
        exchange(app, code, wall())


def test_authorise_page_refuses_an_address_that_is_not_registered(portal):
    with pytest.raises(requests.HTTPError):
        code_of(portal, redirect_url="https://elsewhere.example.com/callback")
    with pytest.raises(requests.HTTPError):
        code_of(portal, scopes=("crm.objects.deals.read",))


def test_wrong_client_secret_says_what_to_check(portal, wall):
    other = OAuthApp(portal.url, portal.settings.client_id, "guess")

    with pytest.raises(AccessError, match="check client_id and client_secret"):
        other.refresh(portal.settings.refresh_token, now=wall())
    other.close()


def test_uninstalled_portal_is_told_from_other_refusals(portal, app, wall):
    portal.revoke_refresh_tokens()

    with pytest.raises(UninstalledError, match="leadscore install"):
        app.refresh(portal.settings.refresh_token, now=wall())


def test_revoked_token_is_neither_active_nor_refreshed(portal, app, wall):
    token = exchange(app, code_of(portal), wall())
    app.revoke(token.refresh_token)
    app.revoke(token.refresh_token)

    assert not app.introspect(token.access_token).is_active
    with pytest.raises(UninstalledError):
        app.refresh(token.refresh_token, now=wall())


def test_client_credentials_bring_a_token_without_a_portal_grant(portal, wall):
    settings = portal.settings

    token = client_credentials_token(
        portal.url, settings.client_id, settings.client_secret, JOURNAL, now=wall()
    )

    assert token.refresh_token == ""
    assert token.scopes == JOURNAL


def test_client_credentials_are_kept_until_shortly_before_their_end(portal, app, wall):
    at = [wall()]
    kept = ClientCredentials(app, JOURNAL, now=lambda: at[0])

    first = kept.token()
    at[0] = first.expires_at - AHEAD - timedelta(seconds=1)
    assert kept.token() is first
    at[0] += timedelta(seconds=1)
    second = kept.token()
    kept.forget(first)
    assert kept.token() is second
    kept.forget(second)
    assert kept.token() is not second


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((200, b"<html>"), TransientCrmError),
        ((200, b'{"access_token": "x"}'), TransientCrmError),
        ((200, b'{"access_token": "x", "expires_in": true}'), TransientCrmError),
        ((503, b""), TransientCrmError),
        ((401, b"{}"), AccessError),
    ],
)
def test_broken_answers_become_our_errors(answering, answer, fault, wall):
    app = OAuthApp(answering(*answer), "client", "secret")

    with pytest.raises(fault):
        app.refresh("invented", now=wall())
    app.close()


def test_redirect_is_not_followed_with_the_secret(answering, wall):
    elsewhere = answering(200, b"{}")
    app = OAuthApp(answering(307, b"", Location=elsewhere + "/token"), "client", "secret")

    with pytest.raises(AccessError, match="foreign_host"):
        app.refresh("invented", now=wall())
    app.close()


def test_tokens_show_in_no_repr(portal, app, wall):
    token = exchange(app, code_of(portal), wall())

    shown = repr(token)
    assert token.access_token not in shown
    assert token.refresh_token not in shown
