"""The Flask application: the receiver's routes and the health pages."""

import logging
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from config.logs import fault_of
from webhooks.health import Health
from webhooks.installing import Installing
from webhooks.receiver import RETRY_AFTER_S, Receiver

log = logging.getLogger(__name__)

#: `None` when all is well, else what is wrong, by its name.
Readiness = Callable[[], dict[str, Any]]


def create_app(
    *,
    receiver: Receiver | None,
    health: Health,
    readiness: Readiness,
    measure: Callable[[], None] = lambda: None,
    installing: Installing | None = None,
) -> Flask:
    """Return the application.

    Args:
        receiver: Takes the webhooks; None where this process only works.
        health: Counters and alarms.
        readiness: Looks at store and accounts; its answer has a key `ready`.
        measure: Sets the gauges, before they are shown.
        installing: The pages where an app is connected; None where no account needs them.
    """
    app = Flask("leadscore", static_folder=None)
    if receiver is not None:
        app.register_blueprint(receiver.blueprint())
    if installing is not None:
        app.register_blueprint(installing.blueprint())

    app.register_blueprint(_pages(health, readiness, measure))

    @app.errorhandler(HTTPException)
    def _refused(error: HTTPException) -> Response:
        return Response(f"{error.code} {error.name}\n", error.code, mimetype="text/plain")

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> Response:
        # An id and no more: the cause's text may hold a value (S60).
        request_id = secrets.token_hex(8)
        kind, place = fault_of(error)
        log.error(
            "request.failed", extra={"request_id": request_id, "error": kind, "place": place}
        )
        answer = Response(f"internal error {request_id}\n", status=500, mimetype="text/plain")
        if request.blueprint == "webhooks":
            # Not stored, so not acknowledged: the CRM shall send it again (S21).
            answer.status_code = 503
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer

    return app


def _pages(health: Health, readiness: Readiness, measure: Callable[[], None]) -> Blueprint:
    """Return the health pages: nothing of them may be cached or taken for another type."""
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def _healthz() -> Response:
        return jsonify(alive=True, alarms=health.alarms())

    @pages.get("/readyz")
    def _readyz() -> Response:
        found = readiness()
        answer = jsonify(found)
        answer.status_code = 200 if found["ready"] else 503
        return answer

    @pages.get("/metrics")
    def _metrics() -> Response:
        measure()
        return Response(health.exposition(), mimetype="text/plain")

    @pages.after_request
    def _headers(answer: Response) -> Response:
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return pages
