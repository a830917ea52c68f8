"""An activity that is due -> the records it is with are due.

An event of a call or an e-mail does not say whose it is, and may come before the CRM has linked it
to anybody: then the worker looks once more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.base import ActivityClient
from store.due import Claim, DueMark, Retry
from store.leads import Batch

#: How long an activity that is with nobody yet waits for its second look.
LOOK_AGAIN = timedelta(seconds=30)
#: The cause of a record that an activity is with, and the code of an activity with nobody.
ACTIVITY = "activity"
NOT_LINKED = "not_linked_yet"


def followed(
    client: ActivityClient,
    *,
    account: str,
    scored_types: Sequence[str],
    activity_type: str,
    claims: Sequence[Claim],
    now: datetime,
) -> Batch:
    """Return what becomes of `claims` of one type of activity.

    Raises:
        CrmError: The call failed; the claims stay due.
    """
    people = client.people(activity_type, [claim.record_id for claim in claims])
    marks: list[DueMark] = []
    passed: list[Claim] = []
    retries: list[Retry] = []
    for claim in claims:
        found = people.get(claim.record_id, ())
        marks += [
            DueMark(
                account_id=account,
                object_type=record.object_type,
                record_id=record.record_id,
                cause=ACTIVITY,
                since_at=claim.since_at,
                lane=claim.lane,
            )
            for record in found
            if record.object_type in scored_types
        ]
        if found or claim.attempts:
            passed.append(claim)
        else:
            retries.append(
                Retry(
                    claim=claim,
                    due_at=now + LOOK_AGAIN,
                    error_code=NOT_LINKED,
                    first_failed_at=now,
                )
            )
    return Batch(object_type=activity_type, passed=passed, retries=retries, marks=marks)
