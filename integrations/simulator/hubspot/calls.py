"""Wraps a view: counted, let through by the gate, answered as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response, request

from integrations.simulator.hubspot import associations, errors
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.errors import ApiError

View = Callable[..., tuple[int, object]]


class Calls:
    """Makes views that the account guards."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def view(
        self, name: str, scopes: Sequence[str], view: View, *, kind: str = "call"
    ) -> Callable[..., Response]:
        """Return the Flask view of `view`, counted as `name`; see `Gate.admit` for the rest."""
        account = self._account

        def answer(**path: str) -> Response:
            account.counts.add(name)
            authorization = request.headers.get("Authorization", "")
            headers: dict[str, str] = {}
            try:
                with account.lock:
                    headers = account.gate.admit(authorization, scopes, kind=kind)
                    status, body = view(**path)
            except ApiError as error:
                return json_answer(error.status, error.body, {**headers, **error.headers})
            return json_answer(status, body, headers)

        return answer


def json_answer(status: int, body: object, headers: Mapping[str, str]) -> Response:
    """Return an answer; a body of None is empty."""
    text = "" if body is None else json.dumps(body, separators=(",", ":"))
    return Response(text, status, dict(headers), mimetype="application/json")


def json_body() -> dict[str, Any]:
    """Return the request's JSON object, or raise the 400."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise errors.invalid_json("Unexpected character") from None
    if not isinstance(body, dict):
        raise errors.invalid_json("Cannot deserialize value")
    return body


def require_contacts(kind: str) -> None:
    """Raise the 400 when the object type in the path isn't contacts."""
    if not associations.is_contact(kind):
        raise errors.invalid(f"Unable to infer object type from: {kind}")
