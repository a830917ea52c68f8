"""Reads and writes records of one org by sObject collections, their activities in the same call."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from integrations.base import Change, Found, Happening, Outcome, Page, RecordRef
from integrations.errors import (
    AccessError,
    CrmError,
    PermanentCrmError,
    TransientCrmError,
)
from integrations.refusals import Refusals
from integrations.salesforce import around, bulk, composite, listing, wire
from integrations.salesforce.bulk import BulkListing, is_bulk
from integrations.salesforce.calls import OrgCalls, error_of
from integrations.salesforce.fields import Fields
from integrations.salesforce.names import ACCOUNT, PREFIXES, all_on_object
from integrations.salesforce.results import outcome_of

log = logging.getLogger(__name__)

#: Records that were locked are tried once more at once, in groups so small.
#: Source: reference salesforce.md section 3.4: "other batch order".
LOCKED_GROUP = 50
_RECORDS = "records"
#: Of a converted lead: what it became. Source: Object Reference, "Lead".
_CONVERSION = ("IsConverted", "ConvertedContactId", "ConvertedAccountId")
_CONTACT = ("Contact", "ConvertedContactId")
#: What else is read of an object: whether a lead went on as another record, and whether an account
#: is a person. A business account has no score fields.
_BESIDE = {"Lead": _CONVERSION, ACCOUNT: ("IsPersonAccount",)}
_RECORD_TYPE = "RecordTypeId"
#: More rows than an answer holds, or more than can be counted in time: asked for by halves.
_TOO_MANY = frozenset({"exceeded_id_limit", "query_timeout"})
#: An object, or a field of it, is missing, or our user may not read it.
_HIDDEN = frozenset({"invalid_field", "invalid_type", "insufficient_access"})


class _Aside(threading.local):
    """What the thread's last read brought besides the records. No slots: they would be shared."""

    ids: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    found: Mapping[str, Sequence[Happening]] | None = None


class SalesforceClient:
    """See `CrmClient` and `ActivityClient`. One org, one login, one connection pool."""

    batch_size = wire.BATCH_SIZE

    def __init__(
        self,
        calls: OrgCalls,
        *,
        sleep: Callable[[float], None],
        related: Mapping[str, str] | None = None,
        only_record_types: Collection[str] = (),
        objects: Collection[str] = (),
        bulk_from: int = bulk.FROM,
    ) -> None:
        """Make a client.

        Args:
            calls: The org's calls.
            sleep: Waits for a query job.
            related: Other objects whose events count -> the field that names the record.
            only_record_types: Developer names; records of other types are none of ours.
            objects: What is scored: it says what a converted lead went on as.
            bulk_from: All records are listed by a query job from so many on.
        """
        self._calls = calls
        self._caller = calls.caller
        self._bulk = BulkListing(calls=calls, sleep=sleep)
        self._bulk_from = bulk_from
        self._related = dict(related or {})
        self.activity_types: Collection[str] = frozenset((*around.TYPES, *self._related))
        self._fields = Fields(self.describe)
        self._only = tuple(only_record_types)
        # A person account's contact has no score fields of its own to write to.
        is_person = ACCOUNT in objects and "Contact" not in objects
        self._heir = (ACCOUNT, "ConvertedAccountId") if is_person else _CONTACT
        self._type_ids: frozenset[str] | None = None
        self._wanted: frozenset[str] = frozenset()  #: Activities that were asked for before.
        self._refused = Refusals()  #: Activities that our user may not read.
        self._aside = _Aside()

    def read(self, object_type: str, ids: Sequence[str], properties: Sequence[str]) -> Found:
        """See `CrmClient.read`. A row of null is gone or hidden.

        A field that our user may not see counts as empty: it must not fail the batch.
        """
        _scored(object_type)
        around.listed(ids)
        names = all_on_object(object_type, properties)
        rows = self._rows(object_type, ids, list(names.values()))
        type_ids = self._types_read()
        records: dict[str, Mapping[str, Any]] = {}
        moved: dict[str, RecordRef] = {}
        for record_id, row in zip(ids, rows, strict=True):
            if not isinstance(row, dict) or row.get("IsDeleted"):
                continue
            if row.get("IsConverted"):
                into = row.get(self._heir[1])
                if isinstance(into, str) and wire.RECORD_ID.match(into):
                    moved[record_id] = RecordRef(self._heir[0], wire.full_id(into))
                continue
            if object_type == ACCOUNT and row.get("IsPersonAccount") is False:
                continue
            if type_ids is not None and row.get(_RECORD_TYPE) not in type_ids:
                continue
            records[record_id] = {name: row.get(there) for name, there in names.items()}
        return Found(records=records, moved=moved)

    def _rows(self, object_type: str, ids: Sequence[str], names: Sequence[str]) -> list[Any]:
        """Return a row for each id. Fields found hidden are left out the second time."""
        extra = [*_BESIDE.get(object_type, ())]
        extra += [_RECORD_TYPE] if self._only else []
        fields = ("Id", *names, *extra)
        try:
            rows = self._ask(object_type, ids, self._fields.readable(object_type, fields))
        except AccessError as error:
            hidden = frozenset[str]()
            if error.code == "invalid_field":
                hidden = self._fields.learn(object_type, fields)
            if not hidden:
                raise
            log.error(  # noqa: TRY400  field names say it all
                "fields.hidden",
                extra={
                    "account": self._caller.account,
                    "object_type": object_type,
                    "reason": ",".join(sorted(hidden))[:200],
                },
            )
            rows = self._ask(object_type, ids, self._fields.readable(object_type, fields))
        if not isinstance(rows, list) or len(rows) != len(ids):
            raise TransientCrmError("bad_reply", "collections read: not one row for each id")
        return rows

    def _ask(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> object:
        """Make one call for the records, and for their activities where these are read, too."""
        path = f"composite/sobjects/{object_type}"
        body = {"ids": list(ids), "fields": list(fields)}
        self._aside.found = None
        types = self._refused.without(self._wanted)
        questions = _questions(types, object_type, ids)
        if not questions:
            return self._calls.call("collections_read", path, method="POST", json=body)
        parts = [composite.Part(name=_RECORDS, path=path, body=body)]
        parts += [composite.query(each, soql) for each, soql in questions.items()]
        answers = self._composite(parts)
        first = answers.pop(_RECORDS)
        if first.status != 200:
            raise error_of(first.status, first.body)
        self._aside.found = self._read_around(object_type, ids, answers)
        self._aside.ids, self._aside.types = frozenset(ids), types
        return first.body

    def write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        """See `CrmClient.write`. `allOrNone` is false: one bad record does not undo the others.

        Records that others hold locked are written once more at once, in smaller groups.
        """
        _scored(object_type)
        around.listed([change.record_id for change in changes])
        outcome = self._write(object_type, changes)
        locked = {one for one, code in outcome.retry.items() if code == "unable_to_lock_row"}
        again = [change for change in changes if change.record_id in locked]
        if not again or len(changes) <= LOCKED_GROUP:
            return outcome
        written, gone = set(outcome.written), set(outcome.gone)
        refused = dict(outcome.refused)
        retry = {one: code for one, code in outcome.retry.items() if one not in locked}
        for start in range(0, len(again), LOCKED_GROUP):
            part = self._write(object_type, again[start : start + LOCKED_GROUP])
            written |= part.written
            gone |= part.gone
            refused.update(part.refused)
            retry.update(part.retry)
        return Outcome(
            written=frozenset(written), gone=frozenset(gone), refused=refused, retry=retry
        )

    def _write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        names = all_on_object(object_type, [n for each in changes for n in each.properties])
        rows = self._calls.call(
            "collections_update",
            "composite/sobjects",
            method="PATCH",
            json={
                "allOrNone": False,
                "records": [
                    {
                        "attributes": {"type": object_type},
                        "id": change.record_id,
                        **{names[name]: value for name, value in change.properties.items()},
                    }
                    for change in changes
                ],
            },
        )
        if not isinstance(rows, list) or len(rows) != len(changes):
            raise TransientCrmError("bad_reply", "collections update: not one result for each")
        return outcome_of(rows, [change.record_id for change in changes])

    def describe(self, object_type: str) -> dict[str, Any]:
        """Return an object's description; `fields` has name, type and updateable of each."""
        if not wire.API_NAME.match(object_type):
            raise PermanentCrmError("object_type", "not the name of an object")
        found = self._calls.call("describe", f"sobjects/{object_type}/describe", method="GET")
        if not isinstance(found, dict):
            raise TransientCrmError("bad_reply", "describe: not an object")
        return found

    def list_ids(self, object_type: str, *, since: datetime | None, cursor: str = "") -> Page:
        """See `CrmClient.list_ids`: by SOQL, 2,000 a call; of very many, by a query job."""
        _scored(object_type)
        if is_bulk(cursor):
            return self._bulk.page(cursor)
        only = listing.Only(object_type, self._only)
        total = None
        if since is None and not cursor:
            total = self._query(listing.counting(only)).get("totalSize")
            if isinstance(total, int) and total >= self._bulk_from:
                try:
                    return self._bulk.begin(listing.all_of(only), total)
                except PermanentCrmError as error:  # not in every edition
                    log.warning(
                        "bulk.failed", extra={"account": self._caller.account, "code": error.code}
                    )
        rows = self._query(listing.question(only, since, cursor)).get("records")
        if not isinstance(rows, list):
            raise TransientCrmError("bad_reply", "query: no records")
        return listing.page(
            rows, by_change=since is not None, total=total if isinstance(total, int) else None
        )

    def people(self, activity_type: str, ids: Sequence[str]) -> Mapping[str, Sequence[RecordRef]]:
        """See `ActivityClient.people`."""
        links = around.LINKS.get(activity_type) or (self._related[activity_type],)
        columns = ", ".join(("Id", *links))
        soql = f"SELECT {columns} FROM {activity_type} WHERE Id IN ({around.listed(ids)})"  # noqa: S608  # names of ours and of the configuration, ids of a checked form
        try:
            rows = self._query(soql).get("records")
        except AccessError as error:
            if error.code not in _HIDDEN:
                raise
            # One object that our user may not read must not stop those that are scored.
            self._leave_out(activity_type, error)
            return {}
        found: dict[str, list[RecordRef]] = {}
        for row in rows if isinstance(rows, list) else []:
            people = [ref for link in links if (ref := _person(row.get(link))) is not None]
            if people and isinstance(row.get("Id"), str):
                found[wire.full_id(row["Id"])] = people
        return found

    def activities(
        self, object_type: str, ids: Sequence[str], types: Collection[str]
    ) -> Mapping[str, Sequence[Happening]]:
        """See `ActivityClient.activities`. From the second batch on they come with the read."""
        _scored(object_type)
        self._wanted = frozenset(types)
        aside = self._aside
        wanted = self._refused.without(self._wanted)
        if aside.found is not None and aside.ids.issuperset(ids) and wanted <= aside.types:
            return {one: aside.found[one] for one in ids if one in aside.found}
        questions = _questions(wanted, object_type, ids)
        if not questions:
            return {}
        parts = [composite.query(each, soql) for each, soql in questions.items()]
        return self._read_around(object_type, ids, self._composite(parts))

    def _read_around(
        self, object_type: str, ids: Sequence[str], answers: Mapping[str, composite.Answer]
    ) -> dict[str, list[Happening]]:
        found: dict[str, list[Happening]] = {}
        for activity_type, answer in answers.items():
            if answer.status == 200:
                told = around.happenings(activity_type, _records_of(answer.body))
            else:
                told = self._without(activity_type, object_type, ids, answer)
            for record_id, each in told.items():
                found.setdefault(record_id, []).extend(each)
        return found

    def _without(
        self,
        activity_type: str,
        object_type: str,
        ids: Sequence[str],
        answer: composite.Answer,
    ) -> dict[str, list[Happening]]:
        """Return the activities that came to more rows than an answer holds, by halves.

        Those that our user may not read are left out for an hour; of a single record that has too
        many, only its own are. Raises: CrmError.
        """
        error = error_of(answer.status, answer.body)
        if error.code in _TOO_MANY and len(ids) > 1:
            half = len(ids) // 2
            told: dict[str, list[Happening]] = {}
            for part in (ids[:half], ids[half:]):
                questions = _questions({activity_type}, object_type, part)
                parts = [composite.query(each, soql) for each, soql in questions.items()]
                told.update(self._read_around(object_type, part, self._composite(parts)))
            return told
        if not isinstance(error, AccessError) and error.code not in _TOO_MANY:
            raise error
        if isinstance(error, AccessError):
            self._refused.add(activity_type)
        self._leave_out(activity_type, error)
        return {}

    def _leave_out(self, activity_type: str, error: CrmError) -> None:
        log.error(
            "activities.refused",
            extra={
                "account": self._caller.account,
                "object_type": activity_type,
                "code": error.code,
            },
        )

    def _composite(self, parts: Sequence[composite.Part]) -> dict[str, composite.Answer]:
        body = composite.request(parts, self._calls.api_version)
        reply = self._calls.call("composite", composite.PATH, method="POST", json=body)
        return composite.answers(reply, parts)

    def _types_read(self) -> frozenset[str] | None:
        """Return the ids of the record types that are scored; None when all are."""
        if not self._only:
            return None
        if self._type_ids is None:
            names = ", ".join(f"'{name}'" for name in self._only)
            soql = f"SELECT Id FROM RecordType WHERE DeveloperName IN ({names})"  # noqa: S608  # names whose form was checked
            rows = _records_of(self._query(soql))
            if not rows:  # else every record would seem to be gone, and be forgotten
                raise AccessError(
                    "record_type_missing", "none of only_record_types is there; run doctor"
                )
            self._type_ids = frozenset(str(row.get("Id")) for row in rows)
        return self._type_ids

    def _query(self, soql: str) -> dict[str, Any]:
        found = self._calls.call("query", f"query/?{urlencode({'q': soql})}", method="GET")
        if not isinstance(found, dict):
            raise TransientCrmError("bad_reply", "query: not an object")
        return found

    @property
    def org(self) -> OrgCalls:
        """The org's calls, for its set-up."""
        return self._calls

    def query(self, soql: str) -> list[Mapping[str, Any]]:
        """Return the first rows of a query whose parts were checked. Raises: CrmError."""
        return _records_of(self._query(soql))

    def calls(self) -> Mapping[str, int]:
        """See `CrmClient.calls`."""
        return self._caller.counts()

    def calls_left(self) -> Mapping[str, int]:
        """See `CrmClient.calls_left`."""
        return self._caller.left()

    def may_hurry(self) -> bool:
        """See `CrmClient.may_hurry`."""
        return self._caller.day.may_hurry()

    def ready_at(self, since: float) -> float:
        """See `CrmClient.ready_at`: a batch is a read and a write."""
        return self._caller.ready_at(2, since)

    def close(self) -> None:
        """See `CrmClient.close`."""
        self._calls.close()


def _questions(types: Collection[str], object_type: str, ids: Sequence[str]) -> dict[str, str]:
    found = {
        each: around.question(each, object_type, ids) for each in around.TYPES if each in types
    }
    return {each: soql for each, soql in found.items() if soql is not None}


def _records_of(body: object) -> list[Mapping[str, Any]]:
    rows = body.get("records") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TransientCrmError("bad_reply", "query: no records")
    return rows


def _person(value: object) -> RecordRef | None:
    """Return the record that an id names, if it is one that can be scored."""
    if not isinstance(value, str) or not wire.RECORD_ID.match(value):
        return None
    object_type = PREFIXES.get(value[:3])
    return None if object_type is None else RecordRef(object_type, wire.full_id(value))


def _scored(object_type: str) -> None:
    # The name becomes a part of the address.
    if object_type not in {"Lead", "Contact", ACCOUNT}:
        raise PermanentCrmError("object_type", "only leads, contacts and accounts are scored")
