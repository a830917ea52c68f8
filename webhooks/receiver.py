"""POST /webhooks/<crm>: verify, seal, append, acknowledge; nothing else.

No CRM is called, no field is read, no contact's row is touched: an event is a doorbell. Success is
sent only after the commit; a delivery that cannot be stored is answered 503, so that the CRM sends
it again (S21).
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from flask import Blueprint, Request, Response, request

from integrations.base import Adapter, Delivery
from integrations.errors import VerificationError
from integrations.registry import SALESFORCE_EVENT, WORKFLOW
from store.inbox import Inbox, InboxError
from webhooks.bell import Bell
from webhooks.health import Health
from webhooks.peers import Peers

log = logging.getLogger(__name__)

RETRY_AFTER_S = 10

#: Where a TLS-ending proxy puts the sender's certificate: nginx's $ssl_client_escaped_cert.
CERTIFICATE_HEADER = "X-Client-Certificate"


class Receiver:
    """Takes deliveries of all CRMs."""

    def __init__(
        self,
        *,
        adapters: Mapping[str, Adapter],
        inbox: Inbox,
        health: Health,
        peers: Peers,
        bell: Bell,
        clock: Callable[[], datetime],
    ) -> None:
        self._adapters = adapters
        self._inbox = inbox
        self._health = health
        self._peers = peers
        self._bell = bell
        self._clock = clock

    def blueprint(self) -> Blueprint:
        """Return the routes; one for each kind of delivery that an account may get."""
        routes = Blueprint("webhooks", __name__)
        if "hubspot" in self._adapters:
            routes.post("/webhooks/hubspot")(self._hubspot)
        if WORKFLOW in self._adapters:
            routes.post("/webhooks/hubspot/workflow")(self._workflow)
        if "salesforce" in self._adapters:
            routes.post("/webhooks/salesforce/<token>")(self._salesforce)
        if SALESFORCE_EVENT in self._adapters:
            routes.post("/webhooks/salesforce-event/<token>")(self._salesforce_event)
        return routes

    def _hubspot(self) -> Response:
        return self._receive("hubspot")

    def _workflow(self) -> Response:
        return self._receive(WORKFLOW)

    def _salesforce(self, token: str) -> Response:
        return self._receive("salesforce", token)

    def _salesforce_event(self, token: str) -> Response:
        return self._receive(SALESFORCE_EVENT, token)

    def _receive(self, crm: str, token: str = "") -> Response:
        began = time.perf_counter()
        adapter = self._adapters[crm]
        # One look-up: each use of Flask's `request` finds the context again.
        sent: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        body = sent.get_data(cache=False)
        headers = sent.headers
        socket_address = sent.remote_addr or ""
        certificate = ""
        if self._peers.is_trusted(socket_address):
            certificate = headers.get(CERTIFICATE_HEADER, "")
        delivery = Delivery(
            method="POST",
            headers=headers,
            body=body,
            peer=self._peers.sender(socket_address, headers.get("X-Forwarded-For", "")),
            path_token=token,
            certificate=certificate,
        )
        now = self._clock()
        try:
            account = adapter.verify(delivery, now=now)
        except VerificationError as error:
            self._health.reject(crm, error.reason)
            log.warning(
                "delivery.rejected",
                extra={
                    "crm": crm,
                    "reason": error.reason,
                    "status": error.status,
                    "bytes": len(body),
                    "address": delivery.peer,
                },
            )
            return Response(error.reason + "\n", status=error.status, mimetype="text/plain")
        try:
            delivery_id = self._inbox.append(account_id=account, kind=crm, body=body, at=now)
        except InboxError as error:
            self._health.alarm("deliveries cannot be stored")
            log.error(  # noqa: TRY400  the cause's text may hold a value
                "delivery.not_stored", extra={"crm": crm, "account": account, "error": str(error)}
            )
            return Response(
                "try again\n",
                status=503,
                headers={"Retry-After": str(RETRY_AFTER_S)},
                mimetype="text/plain",
            )
        self._bell.ring()
        self._health.accepted.labels(crm).inc()
        log.info(
            "delivery.accepted",
            extra={
                "crm": crm,
                "account": account,
                "delivery": delivery_id,
                "bytes": len(body),
                "duration_ms": round((time.perf_counter() - began) * 1000, 1),
            },
        )
        answer = adapter.acknowledgement
        return Response(answer.body, status=200, content_type=answer.content_type)
