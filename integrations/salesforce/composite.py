"""Several calls as one: Salesforce counts a composite request as a single call.

Source: reference salesforce.md section 3.1, "Composite"; REST guide, "Send Multiple Requests Using
Composite": at most 25 subrequests, five of them queries or collections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from integrations.errors import TransientCrmError

PATH = "composite"
MOST_QUERIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call of several."""

    name: str  #: Letters only; the answer is found by it.
    path: str  #: Below the version, as `query/?q=…`.
    body: Mapping[str, Any] | None = None  #: None makes it a GET.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one part."""

    status: int
    body: Any


def query(name: str, soql: str) -> Part:
    """Return a query as a part."""
    return Part(name=name, path=f"query/?{urlencode({'q': soql})}")


def request(parts: Sequence[Part], api_version: str) -> dict[str, Any]:
    """Return the body of a composite request; one part that fails does not fail the others."""
    made = []
    for part in parts:
        each: dict[str, Any] = {
            "method": "GET" if part.body is None else "POST",
            "url": f"/services/data/v{api_version}/{part.path}",
            "referenceId": part.name,
        }
        if part.body is not None:
            each["body"] = part.body
        made.append(each)
    return {"allOrNone": False, "compositeRequest": made}


def answers(reply: object, parts: Sequence[Part]) -> dict[str, Answer]:
    """Return each part's answer by its name. Raises: TransientCrmError when one is missing."""
    rows = reply.get("compositeResponse") if isinstance(reply, dict) else None
    found: dict[str, Answer] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("httpStatusCode"), int):
            found[str(row.get("referenceId"))] = Answer(
                status=row["httpStatusCode"], body=row.get("body")
            )
    if not all(part.name in found for part in parts):
        raise TransientCrmError("bad_reply", "composite: not one answer for each part")
    return found
