"""The org's REST calls.

Source: reference salesforce.md sections 3.1 and 3.2.
"""

from flask import request

from integrations.simulator.salesforce import composite, tooling
from integrations.simulator.salesforce.calls import Csv, Org, json_body
from integrations.simulator.salesforce.errors import (
    ApiError,
    RecordError,
    malformed_query,
    not_found,
    unparsable,
)
from integrations.simulator.salesforce.ids import PREFIXES
from integrations.simulator.salesforce.query import read_by_ids, shown
from integrations.simulator.salesforce.records import Values
from integrations.simulator.salesforce.writes import to_update, update_collection

READ_LIMIT = 2_000
#: Ids in the URL before it grows too long.
URL_IDS = 800

Answer = tuple[int, object]


class Views:
    """The views of one org; `version` is like 63.0."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def limits(self, **_: str) -> Answer:
        """Return how many calls are left."""
        usage = self._org.usage
        left = {"Max": usage.limit, "Remaining": max(0, usage.limit - usage.used)}
        return 200, {"DailyApiRequests": left}

    def describe_all(self, **_: str) -> Answer:
        """List the objects."""
        names = self._org.records.objects
        listed = [{"name": name, "label": name, "queryable": True} for name in names]
        return 200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed}

    def describe(self, entity: str, **_: str) -> Answer:
        """Describe an object's fields; those the user may not see are left out."""
        self._need(entity)
        records = self._org.records
        fields = [
            field
            for name, field in records.objects[entity].items()
            if records.visible(entity, name)
        ]
        return 200, {
            "name": entity,
            "label": entity,
            "keyPrefix": PREFIXES[entity],
            "createable": True,
            "updateable": True,
            "queryable": True,
            "fields": [
                field.describe(is_encrypted=field.name in self._org.settings.encrypted_fields)
                for field in fields
            ],
        }

    def query(self, version: str, **_: str) -> Answer:
        """Run a statement, without records in the recycle bin."""
        return self._query(version, deleted=False)

    def query_all(self, version: str, **_: str) -> Answer:
        """Run a statement over archived and deleted records, too."""
        return self._query(version, deleted=True)

    def _query(self, version: str, *, deleted: bool) -> Answer:
        statement = request.args.get("q")
        if not statement:
            raise malformed_query("A query string has to be specified")
        found = self._org.queries.first(statement, version=version, deleted=deleted)
        return 200, found

    def query_more(self, cursor: str, **_: str) -> Answer:
        """Return a further page."""
        return 200, self._org.queries.next(cursor)

    def collections_read(self, version: str, entity: str) -> Answer:
        """Read records by id: POST with a body, or GET with `ids` and `fields`."""
        if request.method == "POST":
            body = json_body()
            ids, names = body.get("ids"), body.get("fields")
            if not isinstance(ids, list) or not isinstance(names, list) or not names:
                raise unparsable("ids and fields must be arrays")
            limit = READ_LIMIT
        else:
            ids = request.args.get("ids", "").split(",")
            names = request.args.get("fields", "").split(",")
            limit = URL_IDS
        if len(ids) > limit:
            raise ApiError(400, "EXCEEDED_ID_LIMIT", f"at most {limit} ids")
        found = read_by_ids(self._org.records, entity, ids, names, version=version)
        self._org.counts.add("records_read", sum(each is not None for each in found))
        return 200, found

    def collections_update(self, **_: str) -> Answer:
        """Write up to 200 records."""
        results = update_collection(self._org.records, json_body(), assign=self._assign)
        self._org.counts.add("records_written", sum(bool(each["success"]) for each in results))
        return 200, results

    def query_job(self, version: str, **_: str) -> Answer:
        """Make a query job."""
        return 200, self._org.jobs.create(json_body(), version)

    def query_job_state(self, job: str, **_: str) -> Answer:
        """Say how far a query job is."""
        return 200, self._org.jobs.state(job)

    def query_job_results(self, job: str, **_: str) -> Answer:
        """Return a part of a query job's results as CSV."""
        most = request.args.get("maxRecords", "50000")
        if not most.isdecimal():
            raise ApiError(400, "INVALIDJOB", "maxRecords must be a number")
        text, headers = self._org.jobs.results(job, int(most), request.args.get("locator", ""))
        return 200, Csv(text, headers)

    def composite(self, version: str, **_: str) -> Answer:
        """Answer several calls in one."""
        return composite.run(self._org, json_body(), version)

    def custom_field(self, **_: str) -> Answer:
        """Make a custom field by the Tooling API."""
        self._need_customizing()
        body = json_body()
        name = str(body.get("FullName"))
        entity, field = name.partition(".")[::2]
        self._need(entity)
        if field in self._org.records.objects[entity]:
            message = f"There is already a field named {field.removesuffix('__c')} on {entity}."
            raise ApiError(400, "DUPLICATE_DEVELOPER_NAME", message)
        self._org.records.add_field(entity, tooling.field_of(field, body.get("Metadata")))
        return 201, {"id": "00N8d000000FldAAAW", "success": True, "errors": []}

    def _need_customizing(self) -> None:
        if not self._org.settings.may_customize:
            raise ApiError(403, "INSUFFICIENT_ACCESS", "insufficient access rights on entity")

    def create(self, entity: str, **_: str) -> Answer:
        """Add one record."""
        self._need(entity)
        if entity in tooling.OF_PERMISSIONS:
            self._need_customizing()
        try:
            made = self._org.records.create(entity, json_body(), by_api=True)
        except RecordError as error:
            raise _single(error) from None
        if entity in tooling.OF_PERMISSIONS:
            tooling.grant(self._org.records, self._org.settings.user_id)
        self._org.counts.add("records_written")
        return 201, {"id": made, "success": True, "errors": []}

    def read(self, version: str, entity: str, record_id: str) -> Answer:
        """Read one record: all its visible fields, or those of `fields`."""
        self._need(entity)
        records = self._org.records
        record = records.find(entity, record_id)
        if record is None:
            raise not_found()
        wanted = request.args.get("fields")
        names = wanted.split(",") if wanted else list(records.objects[entity])
        visible = [field.name for name in names if (field := records.visible(entity, name))]
        if wanted and len(visible) < len(names):
            raise ApiError(400, "INVALID_FIELD", f"No such column on sobject of type {entity}")
        self._org.counts.add("records_read")
        return 200, shown(entity, record, visible, version)

    def update(self, entity: str, record_id: str, **_: str) -> Answer:
        """Write one record; no body comes back."""
        self._need(entity)
        records = self._org.records
        try:
            record = to_update(records, entity, record_id)
            records.update(entity, record, json_body(), by_api=True)
        except RecordError as error:
            raise _single(error) from None
        if entity == "Lead":
            self._assign(record)
        self._org.counts.add("records_written")
        return 204, None

    def delete(self, entity: str, record_id: str, **_: str) -> Answer:
        """Move one record to the recycle bin."""
        self._need(entity)
        record = self._org.records.find(entity, record_id)
        if record is None:
            raise not_found()
        self._org.records.delete(record)
        return 204, None

    def _need(self, entity: str) -> None:
        if entity not in PREFIXES or entity not in self._org.records.objects:
            raise not_found()

    def _assign(self, record: Values) -> None:
        """Run the lead assignment rules, unless the call says not to.

        Source: REST guide, Assignment Rule Header: the default is TRUE, on updates, too.
        """
        if _says_no(request.headers.get("Sforce-Auto-Assign", "TRUE")):
            return
        record["OwnerId"] = self._org.settings.assigned_owner_id
        self._org.counts.add("auto_assigned")


def _says_no(header: str) -> bool:
    return header.strip().upper() == "FALSE"


def _single(error: RecordError) -> ApiError:
    """Return a record's error as the answer to a call about that record alone."""
    status = 404 if error.code in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY") else 400
    refusal = ApiError(status, error.code, error.message)
    refusal.body = [{**refusal.body[0], "fields": error.fields}]
    return refusal
