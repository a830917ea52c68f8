"""Salesforce's error answers.

Source: reference salesforce.md section 3.4 and `samples/error_*.json`. Codes are real; texts not
in a sample are illustrative.
"""

from collections.abc import Sequence


class ApiError(Exception):
    """An answer other than success to a whole call: a list with one error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.body: list[dict[str, object]] = [{"message": message, "errorCode": code}]


class TokenError(Exception):
    """A 400 of the token endpoint."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.body = {"error": error, "error_description": description}


class RecordError(Exception):
    """Why one record can't be written."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = list(fields)

    def entry(self) -> dict[str, object]:
        """Return the error as a collections result holds it."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


def invalid_session() -> ApiError:
    """Return the 401 for a session that is unknown or expired."""
    return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def limit_exceeded() -> ApiError:
    """Return the 403 once the calls of a day are used up."""
    return ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def not_found() -> ApiError:
    """Return the 404 for a path or record that doesn't exist."""
    return ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def malformed_query(message: str) -> ApiError:
    """Return the 400 for SOQL that can't be read."""
    return ApiError(400, "MALFORMED_QUERY", message)


def no_such_column(name: str, entity: str) -> ApiError:
    """Return the 400 for a field that doesn't exist or isn't visible."""
    message = (
        f"\nERROR at Row:1:Column:1\nNo such column '{name}' on entity '{entity}'. If you are "
        "attempting to use a custom field, be sure to append the '__c' after the custom field "
        "name. Please reference your WSDL or the describe call for the appropriate names."
    )
    return ApiError(400, "INVALID_FIELD", message)


def unparsable(message: str) -> ApiError:
    """Return the 400 for JSON that isn't what the call takes."""
    return ApiError(400, "JSON_PARSER_ERROR", message)
