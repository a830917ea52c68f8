"""Several calls in one, which counts as one call.

Source: reference salesforce.md section 3.1, "Composite"; REST guide, "Send Multiple Requests Using
Composite". Only what a reader needs: queries, and collections reads.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.simulator.salesforce.calls import Org
from integrations.simulator.salesforce.errors import (
    ApiError,
    malformed_query,
    not_found,
    unparsable,
)
from integrations.simulator.salesforce.query import read_by_ids

MOST_PARTS = 25
MOST_QUERIES = 5

Answer = tuple[int, object]


def run(org: Org, body: Mapping[str, Any], version: str) -> Answer:
    """Answer all parts, each with a status of its own. Raises: ApiError for the whole."""
    given = body.get("compositeRequest")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise unparsable("compositeRequest must be an array")
    if len(given) > MOST_PARTS:
        raise ApiError(400, "INVALID_OPERATION", f"at most {MOST_PARTS} subrequests")
    names = [each.get("referenceId") for each in given]
    if len(set(map(str, names))) != len(names) or not all(names):
        raise ApiError(400, "INVALID_OPERATION", "each referenceId must be given, and once")
    if sum(_is_counted(each) for each in given) > MOST_QUERIES:
        message = f"at most {MOST_QUERIES} subrequests can be queries or sObject collections"
        raise ApiError(400, "INVALID_OPERATION", message)
    return 200, {"compositeResponse": [_one(org, each, version) for each in given]}


def _is_counted(part: Mapping[str, Any]) -> bool:
    url = str(part.get("url"))
    return "/query" in url or "/composite/sobjects" in url


def _one(org: Org, part: Mapping[str, Any], version: str) -> dict[str, Any]:
    try:
        status, body = 200, _answer(org, part, version)
    except ApiError as error:
        status, body = error.status, error.body
    return {
        "body": body,
        "httpHeaders": {},
        "httpStatusCode": status,
        "referenceId": part["referenceId"],
    }


def _answer(org: Org, part: Mapping[str, Any], version: str) -> Any:
    url = urlsplit(str(part.get("url")))
    head = f"/services/data/v{version}/"
    if not url.path.startswith(head):
        raise not_found()
    tail = url.path.removeprefix(head).strip("/")
    method = part.get("method")
    if method == "GET" and tail in ("query", "queryAll"):
        statement = parse_qs(url.query).get("q", [""])[0]
        if not statement:
            raise malformed_query("A query string has to be specified")
        return org.queries.first(statement, version=version, deleted=tail == "queryAll")
    entity = tail.removeprefix("composite/sobjects/")
    body = part.get("body")
    if method != "POST" or entity == tail or not isinstance(body, dict):
        raise not_found()
    found = read_by_ids(
        org.records, entity, body.get("ids", []), body.get("fields", []), version=version
    )
    org.counts.add("records_read", sum(each is not None for each in found))
    return found
