"""Contacts, activities and their associations over HTTP, in both path families."""

from collections.abc import Mapping

from flask import request

from integrations.simulator.hubspot import associations, batches, errors, search
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.batches import Answer
from integrations.simulator.hubspot.calls import json_body, require_contacts
from integrations.simulator.hubspot.values import iso

BY_API = "INTEGRATION"
#: Admin rules hold from this version on. Source: CHG "CRM API Write Validation Enforcement".
ENFORCED = "2026-09"


class ObjectViews:
    """The views of one account; `version` is v3 or a date."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._contacts = account.contacts

    def _now(self) -> str:
        return iso(self._account.now())

    def _required(self, version: str) -> tuple[str, ...]:
        enforced = version != "v3" and version >= ENFORCED
        return self._account.settings.required_on_write if enforced else ()

    def batch_read(self, version: str, kind: str) -> Answer:
        """Read contacts, or activities of one type, by id."""
        dated = version != "v3"
        if activity := associations.activity_type(kind):
            if activity == "emails" and "sales-email-read" not in self._account.settings.scopes:
                raise errors.missing_scopes(["sales-email-read"])
            self._account.counts.add("activities")
            records = self._account.activities.by_type[activity]
            defines = self._account.activities.defines
            return batches.read_activities(
                records, json_body(), activity, defines=defines, dated=dated, at=self._now()
            )
        require_contacts(kind)
        archived = request.args.get("archived") == "true"
        status, body = batches.read_contacts(
            self._contacts, json_body(), archived=archived, dated=dated, at=self._now()
        )
        self._account.counts.add("contacts_read", _size(body))
        return status, body

    def batch_update(self, version: str, kind: str) -> Answer:
        """Write properties of contacts by id."""
        require_contacts(kind)
        status, body = batches.update_contacts(
            self._contacts,
            json_body(),
            dated=version != "v3",
            at=self._now(),
            source=BY_API,
            required=self._required(version),
        )
        self._account.counts.add("contacts_written", _size(body))
        return status, body

    def batch_create(self, kind: str, **_: str) -> Answer:
        """Add contacts."""
        require_contacts(kind)
        status, body = batches.create_contacts(
            self._contacts, json_body(), at=self._now(), source=BY_API
        )
        self._account.counts.add("contacts_written", _size(body))
        return status, body

    def batch_upsert(self, kind: str, **_: str) -> Answer:
        """Add or change contacts by e-mail address."""
        require_contacts(kind)
        status, body = batches.upsert_contacts(
            self._contacts, json_body(), at=self._now(), source=BY_API
        )
        self._account.counts.add("contacts_written", _size(body))
        return status, body

    def batch_archive(self, kind: str, **_: str) -> tuple[int, object]:
        """Delete contacts; unknown ids are passed over."""
        require_contacts(kind)
        for entry in batches.inputs_of(json_body()):
            if record := self._contacts.live.get(batches.id_of(entry)):
                self._contacts.archive(record, source=BY_API)
        return 204, None

    def find(self, kind: str, **_: str) -> Answer:
        """Search for contacts."""
        require_contacts(kind)
        return search.search_contacts(self._contacts, json_body())

    def one(self, version: str, kind: str, record_id: str) -> tuple[int, object]:
        """Read, change or delete one contact."""
        require_contacts(kind)
        record = self._contacts.find(record_id, request.args.get("idProperty"))
        if record is None:
            raise errors.not_found()
        if request.method == "DELETE":
            self._contacts.archive(record, source=BY_API)
            return 204, None
        wanted: list[str] = []
        for given in request.args.getlist("properties"):
            wanted.extend(given.split(","))
        if request.method == "PATCH":
            values = self._account.catalog.kept(batches.values_of(json_body()), by_api=True)
            self._contacts.check_email(values.get("email"), owner=record.id)
            batches.check_required([(record, values)], self._required(version))
            self._contacts.update(record, values, source=BY_API)
            self._account.counts.add("contacts_written")
            wanted = list(values)
        else:
            self._account.counts.add("contacts_read")
        return 200, batches.shown(record, batches.chosen_names(self._contacts, wanted))

    def several(self, kind: str, **_: str) -> tuple[int, object]:
        """List contacts, or add one."""
        require_contacts(kind)
        if request.method == "POST":
            values = self._account.catalog.kept(batches.values_of(json_body()), by_api=True)
            record = self._contacts.create(values, source=BY_API)
            self._account.counts.add("contacts_written")
            return 201, batches.shown(record, batches.chosen_names(self._contacts, list(values)))
        return 200, self._page()

    def linked(self, version: str, kind: str, other: str) -> Answer:
        """Read which activities belong to contacts, or whom activities are with."""
        dated = version != "v3"
        ends = (associations.activity_type(kind), associations.activity_type(other))
        live, activities = self._contacts.live, self._account.activities
        if associations.is_contact(kind) and ends[1] is not None:
            linked, type_id = associations.contacts_side(live, activities, ends[1])
            name = "CONTACT"
        elif associations.is_contact(other) and ends[0] is not None:
            linked, type_id = associations.activities_side(live, activities, ends[0])
            name = ends[0][:-1].upper()
        else:
            raise errors.invalid(f"Unable to infer object type from: {other}")
        return associations.read_associations(
            json_body(), linked, type_id, dated=dated, at=self._now(), kind=name
        )

    def _page(self) -> dict[str, object]:
        """Return a page of the plain list, in order of id."""
        given = request.args
        limit = given.get("limit", 10, type=int)
        after = given.get("after", 0, type=int)
        if not 1 <= limit <= batches.LIMIT:
            raise errors.invalid(f"limit must be between 1 and {batches.LIMIT}.")
        wanted: list[str] = []
        for each in given.getlist("properties"):
            wanted.extend(each.split(","))
        names = batches.chosen_names(self._contacts, wanted)
        ids = sorted(int(each) for each in self._contacts.live if int(each) > after)
        page = [batches.shown(self._contacts.live[str(each)], names) for each in ids[:limit]]
        answer: dict[str, object] = {"results": page}
        if len(ids) > limit:
            answer["paging"] = {"next": {"after": str(ids[limit - 1])}}
        self._account.counts.add("contacts_read", len(page))
        return answer


def _size(body: Mapping[str, object]) -> int:
    results = body["results"]
    return len(results) if isinstance(results, list) else 0
