"""Which records an event of the bus names, and what became of them: ids, and no values (S7).

Two kinds of events are read: our own package's platform event, which a Flow publishes, and those of
Change Data Capture. Source: reference salesforce.md sections 2.2 and 2.3.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.salesforce import wire

#: The header of a change event, and the fields of the platform event.
HEADER = "ChangeEventHeader"
OBJECT, RECORD_ID, CAUSE = "Object__c", "Record_Id__c", "Cause__c"

#: A change that a call of ours made.
_OWN = re.compile(rf"client={re.escape(wire.CLIENT_NAME)}/?\Z")
#: Change type -> cause. The others tell of a change that has no fields: it is read, or is gone.
_CAUSES = {"CREATE": "created", "DELETE": "deleted", "UNDELETE": "undeleted"}
#: So many records changed at once that none is named.
_OVERFLOW = "GAP_OVERFLOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an event says."""

    rows: Sequence[Mapping[str, str]] = ()  #: As in the body of a signed callout.
    has_gap: bool = False  #: It tells of records that it does not name.


def wanted_fields(namespace: str | None) -> frozenset[str]:
    """Return the fields of events that are decoded; nothing else is.

    >>> sorted(wanted_fields("clinic"))[:3]
    ['Cause__c', 'ChangeEventHeader', 'Object__c']
    """
    own = (OBJECT, RECORD_ID, CAUSE)
    packaged = [f"{namespace}__{name}" for name in own] if namespace else []
    return frozenset((HEADER, *own, *packaged))


def read_event(payload: Mapping[str, Any], *, namespace: str | None = None) -> Changes:
    """Return the changes that an event tells of; none for those that we made.

    What cannot be read becomes a row that the adapter puts aside, with its place.

    >>> read_event({"Object__c": "Lead", "Record_Id__c": "00Q8d0000001aBC", "Cause__c": "created"})
    Changes(rows=({'object': 'Lead', 'id': '00Q8d0000001aBC', 'cause': 'created'},), has_gap=False)
    """
    header = payload.get(HEADER)
    if isinstance(header, Mapping):
        return _captured(header)
    values = {
        key: payload.get(f"{namespace}__{name}") or payload.get(name)
        for key, name in (("object", OBJECT), ("id", RECORD_ID), ("cause", CAUSE))
    }
    return Changes(rows=({key: v for key, v in values.items() if isinstance(v, str)},))


def _captured(header: Mapping[str, Any]) -> Changes:
    if _OWN.search(str(header.get("changeOrigin"))):
        return Changes()
    kind = header.get("changeType")
    if kind == _OVERFLOW:
        return Changes(has_gap=True)
    ids = [str(each) for each in header.get("recordIds") or ()]
    named = [each for each in ids if "*" not in each]  # `00Q*` stands for any
    cause = _CAUSES.get(str(kind), "changed")
    rows = [{"object": str(header.get("entityName")), "id": i, "cause": cause} for i in named]
    return Changes(rows=tuple(rows), has_gap=len(named) < len(ids) or not ids)
