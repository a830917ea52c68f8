"""The org's HTTP face: which path is answered by what.

Source: reference salesforce.md sections 3 and 4. Everything lies under
`/services/data/vXX.X/`, 41.0 to 68.0: older versions are retired.
"""

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter

from integrations.simulator.faults import FaultyApplication
from integrations.simulator.pages import add_page
from integrations.simulator.salesforce.calls import Calls, Org, json_answer
from integrations.simulator.salesforce.errors import TokenError, not_found
from integrations.simulator.salesforce.page import crm_page
from integrations.simulator.salesforce.views import Views

VERSIONS = range(41, 69)


class _Version(BaseConverter):
    """An API version that is still served."""

    regex = "|".join(rf"{number}\.0" for number in VERSIONS)


def create_app(org: Org) -> Flask:
    """Return the application of one org."""
    app = Flask("integrations.simulator")
    app.url_map.converters["api"] = _Version
    calls, views = Calls(org), Views(org)

    def token() -> Response:
        org.counts.add("oauth")
        try:
            with org.lock:
                issued = org.sessions.issue(
                    request.form.to_dict(),
                    request.headers.get("Authorization", ""),
                    url=request.host_url.rstrip("/"),
                )
        except TokenError as error:
            return json_answer(400, error.body, {})
        return json_answer(200, issued, {})

    def versions() -> Response:
        listed = [
            {
                "label": f"Version {number}",
                "url": f"/services/data/v{number}.0",
                "version": f"{number}.0",
            }
            for number in VERSIONS
        ]
        return json_answer(200, listed, {})

    app.add_url_rule("/services/oauth2/token", "token", token, methods=["POST"])
    app.add_url_rule("/services/data", "versions", versions, strict_slashes=False)
    one = "sobjects/<entity>/<record_id>"
    for tail, name, methods, view in (
        ("limits", "limits", ["GET"], views.limits),
        ("sobjects", "describe", ["GET"], views.describe_all),
        ("sobjects/<entity>/describe", "describe", ["GET"], views.describe),
        ("query", "query", ["GET"], views.query),
        ("queryAll", "query", ["GET"], views.query_all),
        ("query/<cursor>", "query", ["GET"], views.query_more),
        ("queryAll/<cursor>", "query", ["GET"], views.query_more),
        ("tooling/sobjects/CustomField", "tooling", ["POST"], views.custom_field),
        ("jobs/query", "bulk", ["POST"], views.query_job),
        ("jobs/query/<job>", "bulk", ["GET"], views.query_job_state),
        ("jobs/query/<job>/results", "bulk", ["GET"], views.query_job_results),
        ("composite", "composite", ["POST"], views.composite),
        ("composite/sobjects", "collections_update", ["PATCH"], views.collections_update),
        (
            "composite/sobjects/<entity>",
            "collections_read",
            ["GET", "POST"],
            views.collections_read,
        ),
        ("sobjects/<entity>", "records", ["POST"], views.create),
        (one, "records", ["GET"], views.read),
        (one, "records", ["PATCH"], views.update),
        (one, "records", ["DELETE"], views.delete),
    ):
        rule = f"/services/data/v<api:version>/{tail}"
        endpoint = f"{rule} {methods}"
        # simple-salesforce ends many paths with a slash.
        app.add_url_rule(
            rule, endpoint, calls.view(name, view), methods=methods, strict_slashes=False
        )
        app.add_url_rule(f"{rule}/", f"{endpoint}/", app.view_functions[endpoint], methods=methods)
    add_page(app, crm_page(org))
    refused = [{"errorCode": "METHOD_NOT_ALLOWED", "message": "HTTP Method not allowed"}]
    app.register_error_handler(405, lambda _: json_answer(405, refused, {}))
    app.register_error_handler(404, lambda _: json_answer(404, not_found().body, {}))
    app.wsgi_app = FaultyApplication(app.wsgi_app, org.faults)  # type: ignore[assignment, method-assign]  # Flask's own way of wrapping
    return app
