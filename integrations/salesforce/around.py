"""What happened around records: counts and times by aggregate queries, no activity one by one.

Rows are grouped by record, kind and hour, so that a busy record brings a few rows and not hundreds.
Within an hour, the first is told apart; the others stand at the hour's last. Only kinds and times are
asked for, never a subject or a text. Source: reference salesforce.md section 3.1, "Activities";
SOQL reference, "GROUP BY", "Date Functions"; Object Reference, Task, Event, CampaignMember.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.base import Happening
from integrations.errors import PermanentCrmError, TransientCrmError
from integrations.mapping import instant
from integrations.salesforce import wire

#: The objects that tell of activities.
TASK, EVENT, MEMBER = "Task", "Event", "CampaignMember"
TYPES = (TASK, EVENT, MEMBER)
#: Our kinds of activity -> the object that they come from.
SOURCES: Mapping[str, str] = {"call": TASK, "meeting": EVENT, "form_submission": MEMBER}
#: The objects that a first response may come from.
ANSWERS: Mapping[str, str] = {"call": TASK, "email": TASK, "meeting": EVENT}

#: Of one hour's activities of a kind, at most so many count.
MOST_AN_HOUR = 50

#: Which field of an activity names the record. A person account's activities are its contact's,
#: and name the account beside it.
_WHO = {
    (TASK, "Lead"): "WhoId",
    (TASK, "Contact"): "WhoId",
    (TASK, "Account"): "AccountId",
    (EVENT, "Lead"): "WhoId",
    (EVENT, "Contact"): "WhoId",
    (EVENT, "Account"): "AccountId",
    (MEMBER, "Lead"): "LeadId",
    (MEMBER, "Contact"): "ContactId",
}
#: The fields of an activity that may name a record.
LINKS: Mapping[str, Sequence[str]] = {
    TASK: ("WhoId", "AccountId"),
    EVENT: ("WhoId", "AccountId"),
    MEMBER: ("LeadId", "ContactId"),
}


def listed(ids: Sequence[str]) -> str:
    """Return ids for `IN`. Raises: PermanentCrmError for what is no id."""
    if not all(wire.RECORD_ID.match(one) for one in ids):
        raise PermanentCrmError("malformed_id", "an id becomes a part of a query")
    return ", ".join(f"'{one}'" for one in ids)


def question(activity_type: str, object_type: str, ids: Sequence[str]) -> str | None:
    """Return the SOQL for activities around records, or None when there can be none.

    >>> question("CampaignMember", "Account", ["0018d0000001aBCAAY"]) is None
    True
    """
    who = _WHO.get((activity_type, object_type))
    if who is None:
        return None
    among = f"{who} IN ({listed(ids)})"
    if activity_type == TASK:  # logged or done: a task that is still to do is nobody's answer
        at = "CompletedDateTime"
        columns, groups = "TaskSubtype kind, CallType direction, ", "TaskSubtype, CallType, "
        among += " AND IsClosed = TRUE AND TaskSubtype IN ('Call', 'Email', 'ListEmail')"
        more = ""
    elif activity_type == EVENT:
        at = "StartDateTime"
        columns = groups = ""
        more = ", MIN(CreatedDate) made"
    else:
        at = "FirstRespondedDate"
        among += " AND HasResponded = TRUE"
        # A date already: no function is needed, nor allowed.
        times = f"MIN({at}) earliest, MAX({at}) latest"
        source = f"FROM {MEMBER} WHERE {among} GROUP BY {who}, {at}"
        return f"SELECT {who} who, COUNT(Id) n, {times} {source}"
    # Our own names, and ids whose form was checked.
    times = f"MIN({at}) earliest, MAX({at}) latest{more}"
    source = f"FROM {activity_type} WHERE {among} GROUP BY {who}, {groups}DAY_ONLY({at}), HOUR_IN_DAY({at})"
    return f"SELECT {who} who, {columns}COUNT(Id) n, {times} {source}"


def happenings(
    activity_type: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[Happening]]:
    """Return what rows of `question` tell: record id -> happenings.

    Raises:
        TransientCrmError: A row has no record.
    """
    found: dict[str, list[Happening]] = {}
    for row in rows:
        who = row.get("who")
        if not isinstance(who, str) or not wire.RECORD_ID.match(who):
            raise TransientCrmError("bad_reply", "an activity without a record")
        earliest, latest = instant(row.get("earliest")), instant(row.get("latest"))
        if earliest is None or latest is None:
            continue
        count = row.get("n")
        several = min(count, MOST_AN_HOUR) if isinstance(count, int) else 1
        times = [earliest, *[latest] * (several - 1)]
        told = found.setdefault(wire.full_id(who), [])
        for at in times:
            told += _told(activity_type, row, at)
    return found


def _told(activity_type: str, row: Mapping[str, Any], at: datetime) -> Iterator[Happening]:
    if activity_type == MEMBER:
        yield Happening(medium="message", kind="form_submission", at=at)
    elif activity_type == EVENT:
        # It answers when it is agreed on, and not when it takes place.
        made = instant(row.get("made")) or at
        yield Happening(medium="meeting", kind="meeting", at=at, answered_at=min(made, at))
    elif row.get("kind") != "Call":
        yield Happening(medium="email", kind=None, at=at, answered_at=at)
    elif row.get("direction") == "Inbound":
        yield Happening(medium="call", kind="call", at=at)
    elif row.get("direction") != "Internal":
        # Salesforce does not say in one way for all whether somebody answered.
        yield Happening(medium="call", kind=None, at=at, answered_at=at)


def kinds_read(kinds: Collection[str], answered_by: Collection[str]) -> frozenset[str]:
    """Return the objects to read for a model that reads `kinds` of activities."""
    wanted = {SOURCES[kind] for kind in kinds if kind in SOURCES}
    return frozenset(wanted | {ANSWERS[medium] for medium in answered_by})
