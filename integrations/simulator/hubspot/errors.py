"""HubSpot's error answers.

Source: reference hubspot.md section 4.5 and `samples/api.error.*`; the texts of duplicate ids,
of invalid options and of too many histories as third parties logged them
(rudderlabs/rudder-transformer hubspot tests, gregorspan/csc-frodx issue 21,
activepieces/activepieces pull request 9359). Not sampled, so illustrative: the wording of
invalid JSON, of too many inputs, of a missing single record and of invalid numbers.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence


class ApiError(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = dict(body)
        self.headers = dict(headers or {})


def _error(status: int, message: str, category: str, **more: object) -> ApiError:
    body = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid.uuid4()),
        **more,
        "category": category,
    }
    if "subCategory" in body:
        body["subCategory"] = body.pop("subCategory")  # stands last
    return ApiError(status, body)


def invalid(message: str, **more: object) -> ApiError:
    """Return a 400 about the request as a whole."""
    return _error(400, message, "VALIDATION_ERROR", **more)


def invalid_json(detail: str) -> ApiError:
    """Return the 400 for a body that is not what the endpoint takes."""
    return invalid(f"Invalid input JSON on line 1, column 1: {detail}")


def invalid_values(problems: Sequence[Mapping[str, object]]) -> ApiError:
    """Return the 400 whose message holds one JSON object for each bad property value."""
    listed = json.dumps(problems, separators=(",", ":"))
    return invalid(f"Property values were not valid: {listed}")


def duplicate_ids(ids: Iterable[str]) -> ApiError:
    """Return the 400 for a batch that writes one record twice."""
    listed = list(ids)
    text = ", ".join(listed)
    return invalid(
        f"Duplicate IDs found in batch input: [{text}]. IDs must be unique",
        context={"ids": listed},
    )


def too_many_inputs(limit: int, *, with_history: bool) -> ApiError:
    """Return the 400 for a batch that is too long."""
    kind = " for property histories" if with_history else ""
    return invalid(
        f"The maximum number of inputs supported in a batch request{kind} is {limit}. "
        "Please reduce the number of items and try again"
    )


def unauthenticated() -> ApiError:
    """Return the 401 for a token that is missing or unknown."""
    return _error(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")


def expired() -> ApiError:
    """Return the 401 for an OAuth token past its half hour."""
    message = "The OAuth token used to make this call expired."
    return _error(401, message, "EXPIRED_AUTHENTICATION")


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    """Return the 403 that names the scopes of which one is needed."""
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": list(scopes)},
    }
    message = "This app hasn't been granted all required scopes to make this call."
    return _error(403, message, "MISSING_SCOPES", errors=[detail])


def not_found() -> ApiError:
    """Return the 404 for one record or property that does not exist."""
    return _error(404, "resource not found", "OBJECT_NOT_FOUND")


def contact_exists(record_id: str) -> ApiError:
    """Return the 409 for an e-mail address that is taken."""
    return _error(409, f"Contact already exists. Existing ID: {record_id}", "CONFLICT")


def property_exists(name: str) -> ApiError:
    """Return the 409 for a property name that is taken."""
    return _error(
        409,
        f"Property named '{name}' already exists.",
        "OBJECT_ALREADY_EXISTS",
        subCategory="Properties.PROPERTY_WITH_NAME_EXISTS",
    )


def group_exists(name: str) -> ApiError:
    """Return the 409 for a group name that is taken."""
    return _error(
        409,
        f"Property group named '{name}' already exists.",
        "OBJECT_ALREADY_EXISTS",
        subCategory="Properties.GROUP_WITH_NAME_EXISTS",
    )


def rate_limited(policy: str) -> ApiError:
    """Return the 429 of a policy: TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
    body: dict[str, object] = {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": str(uuid.uuid4()),
        "policyName": policy,
    }
    if policy == "DAILY":
        body["requestId"] = uuid.uuid4().hex
    return ApiError(429, body)


def absent_records(ids: Sequence[str], kind: str = "CONTACT") -> dict[str, object]:
    """Return the entry of `errors` for ids that a batch did not find."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {kind} objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": list(ids)},
    }
