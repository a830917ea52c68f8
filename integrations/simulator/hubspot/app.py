"""The account's HTTP face: which path is answered by what.

Source: reference hubspot.md sections 1 and 4; openapi `contacts.v3`, `contacts.2026-09`,
`properties.*`, `associations.*`, `oauth.*`, `account-info.2026-09`. Both path families answer:
`/crm/v3/objects/contacts` and `/crm/objects/2026-09/contacts`, with `0-1` for `contacts`.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from integrations.simulator.faults import FaultyApplication
from integrations.simulator.hubspot import errors, journal
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.account_views import AccountViews
from integrations.simulator.hubspot.calls import Calls, json_answer, json_body
from integrations.simulator.hubspot.object_views import ObjectViews
from integrations.simulator.hubspot.page import crm_page
from integrations.simulator.hubspot.property_views import PropertyViews
from integrations.simulator.pages import add_page

READ = ("crm.objects.contacts.read",)
WRITE = ("crm.objects.contacts.write",)
SCHEMA_READ = ("crm.schemas.contacts.read", "crm.objects.contacts.read")
SCHEMA_WRITE = ("crm.schemas.contacts.write",)

_DATED = "<any('2026-03','2026-09'):version>"


def create_app(account: Account) -> Flask:
    """Return the application of one account."""
    app = Flask("integrations.simulator")
    calls = Calls(account)
    _add_objects(app, ObjectViews(account), calls)
    _add_properties(app, PropertyViews(account), calls)
    _add_account(app, AccountViews(account), calls)
    _add_journal(app, account, calls)
    add_page(app, crm_page(account))
    for status in (404, 405):
        body = errors.not_found().body
        app.register_error_handler(
            status, lambda _, status=status, body=body: json_answer(status, body, {})
        )
    app.wsgi_app = FaultyApplication(app.wsgi_app, account.faults)  # type: ignore[assignment, method-assign]  # Flask's own way of wrapping
    return app


def _add_objects(app: Flask, views: ObjectViews, calls: Calls) -> None:
    _route(app, "batch/read", ["POST"], calls.view("batch_read", READ, views.batch_read))
    _route(app, "batch/update", ["POST"], calls.view("batch_update", WRITE, views.batch_update))
    _route(app, "batch/create", ["POST"], calls.view("batch_create", WRITE, views.batch_create))
    _route(app, "batch/upsert", ["POST"], calls.view("batch_upsert", WRITE, views.batch_upsert))
    _route(app, "batch/archive", ["POST"], calls.view("batch_archive", WRITE, views.batch_archive))
    _route(app, "search", ["POST"], calls.view("search", READ, views.find, kind="search"))
    _route(app, "<record_id>", ["GET"], calls.view("contacts", READ, views.one))
    _route(app, "<record_id>", ["PATCH", "DELETE"], calls.view("contacts", WRITE, views.one))
    _route(app, "", ["GET"], calls.view("contacts", READ, views.several))
    _route(app, "", ["POST"], calls.view("contacts", WRITE, views.several))
    read_links = calls.view("associations", READ, views.linked, kind="association")
    for prefix, defaults in (
        ("/crm/v4/associations", {"version": "v3"}),
        (f"/crm/associations/{_DATED}", None),
    ):
        rule = f"{prefix}/<kind>/<other>/batch/read"
        app.add_url_rule(rule, rule, read_links, methods=["POST"], defaults=defaults)


def _route(app: Flask, tail: str, methods: list[str], view: Callable[..., Response]) -> None:
    """Add a rule for objects in both path families."""
    for prefix, defaults in (
        ("/crm/v3/objects", {"version": "v3"}),
        (f"/crm/objects/{_DATED}", None),
    ):
        rule = f"{prefix}/<kind>/{tail}".rstrip("/")
        endpoint = f"{rule} {methods}"
        app.add_url_rule(rule, endpoint, view, methods=methods, defaults=defaults)


def _add_properties(app: Flask, views: PropertyViews, calls: Calls) -> None:
    several = calls.view("properties", SCHEMA_WRITE, views.batch_create)
    for prefix, defaults in (
        ("/crm/v3/properties", {"version": "v3"}),
        (f"/crm/properties/{_DATED}", None),
    ):
        rule = f"{prefix}/<kind>/batch/create"
        app.add_url_rule(rule, rule, several, methods=["POST"], defaults=defaults)
    for tail, view, writes in (
        ("", views.several, ["POST"]),
        ("/groups", views.groups, ["POST"]),
        ("/groups/<name>", views.group, ["PATCH", "DELETE"]),
        ("/<name>", views.one, ["PATCH", "DELETE"]),
    ):
        for prefix, defaults in (
            ("/crm/v3/properties", {"version": "v3"}),
            (f"/crm/properties/{_DATED}", None),
        ):
            rule = f"{prefix}/<kind>{tail}"
            for methods, scopes in ((["GET"], SCHEMA_READ), (writes, SCHEMA_WRITE)):
                answer = calls.view("properties", scopes, view)
                endpoint = f"{rule} {methods}"
                app.add_url_rule(rule, endpoint, answer, methods=methods, defaults=defaults)


def _add_journal(app: Flask, account: Account, calls: Calls) -> None:
    kept = account.journal

    def found(place: dict[str, Any] | None) -> tuple[int, object]:
        if place is None:
            return 204, None
        return 200, {**place, "url": request.host_url.rstrip("/") + place["url"]}

    def subscriptions() -> tuple[int, object]:
        if request.method == "POST":
            return 200, kept.subscribe(json_body())
        return 200, kept.subscriptions()

    def file(key: str) -> Response:
        with account.lock:
            content = kept.content(key)
        return json_answer(403 if content is None else 200, content, {})

    prefix = "/webhooks-journal/<any('journal','journal-local'):kind>/2026-03"
    for tail, view in (
        ("earliest", lambda **_: found(kept.earliest())),
        ("offset/<offset>/next", lambda offset, **_: found(kept.after(offset))),
    ):
        answer = calls.view("journal", journal.READ, view, kind="journal")
        app.add_url_rule(f"{prefix}/{tail}", tail, answer)
    rule = "/webhooks-journal/subscriptions/2026-03"
    for method, scopes in (
        ("GET", journal.SUBSCRIPTIONS_READ),
        ("POST", journal.SUBSCRIPTIONS_WRITE),
    ):
        answer = calls.view("journal", scopes, subscriptions, kind="journal")
        app.add_url_rule(rule, f"{rule} {method}", answer, methods=[method])
    app.add_url_rule("/journal-files/<key>", "journal file", file)


def _add_account(app: Flask, views: AccountViews, calls: Calls) -> None:
    for tail, view in (
        ("token", views.token),
        ("token/introspect", views.introspect),
        ("token/revoke", views.revoke),
    ):
        rule = f"/oauth/<any('v1','v3','2026-03','2026-09'):version>/{tail}"
        app.add_url_rule(rule, rule, view, methods=["POST"])
    app.add_url_rule("/oauth/authorize", "authorize", views.authorize, methods=["GET", "POST"])
    for tail, answer in (
        ("details", views.details),
        ("api-usage/daily/private-apps", views.usage),
    ):
        rule = f"/account-info/<any('v3','2026-03','2026-09'):version>/{tail}"
        app.add_url_rule(rule, rule, calls.view("account_info", ("oauth",), answer))
