"""The org's records and every way they change.

Source: reference salesforce.md sections 3.1 to 3.4.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from integrations.simulator.salesforce.errors import RecordError
from integrations.simulator.salesforce.fields import Field, objects, stamp
from integrations.simulator.salesforce.ids import PREFIXES, numbered_id, short_id
from integrations.simulator.salesforce.settings import SalesforceSettings

Values = dict[str, object]
_NAME_PARTS = frozenset({"FirstName", "LastName"})

#: Called as `emit(object, short id, cause, names of changed fields)`; the cause is created, changed
#: or deleted.
Emit = Callable[[str, str, str, frozenset[str]], None]


class Records:
    """Records by object and 15-character id. Not locked: the caller is."""

    def __init__(
        self, settings: SalesforceSettings, *, now: Callable[[], datetime], emit: Emit
    ) -> None:
        self._settings = settings
        self._now = now
        self._emit = emit
        self.objects = objects(provisioned=settings.provisioned)
        #: Fields that the integration user may not see.
        self.hidden = set(settings.hidden_fields)
        self.tables: dict[str, dict[str, Values]] = {name: {} for name in self.objects}
        self._made = dict.fromkeys(self.objects, 0)
        short = settings.organization_id[:15]
        self.tables["Organization"][short] = {
            "Id": settings.organization_id,
            "Name": "Simulated Clinic",
            "IsSandbox": True,
            "OrganizationType": settings.edition,
        }

    def visible(self, entity: str, name: str) -> Field | None:
        """Return a field the integration user can see; names match in any case."""
        fields = self.objects[entity]
        field = fields.get(name)
        if field is None:
            folded = name.lower()
            field = next((each for each in fields.values() if each.name.lower() == folded), None)
        return None if field is None or field.name in self.hidden else field

    def find(self, entity: str, given: object) -> Values | None:
        """Return a live record by either form of its id."""
        short = short_id(given)
        record = self.tables[entity].get(short) if short else None
        return None if record is None or record.get("IsDeleted") else record

    def create(self, entity: str, given: Mapping[str, object], *, by_api: bool) -> str:
        """Add a record and return its 18-character id."""
        values = self._checked(entity, given, by_api=by_api)
        if entity == "Lead":
            values = {"Status": "Open - Not Contacted", **values}
        missing = [
            field.name
            for field in self.objects[entity].values()
            if field.required and values.get(field.name) is None
        ]
        if missing:
            names = ", ".join(missing)
            raise RecordError(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{names}]", missing
            )
        self._made[entity] += 1
        record_id = numbered_id(PREFIXES[entity], self._made[entity])
        at = stamp(self._now())
        record: Values = {
            "Id": record_id,
            "IsDeleted": False,
            "OwnerId": self._settings.user_id,
            "CreatedDate": at,
            "LastModifiedDate": at,
            "SystemModstamp": at,
        }
        if entity == "Lead":
            record["IsConverted"] = False
        if entity in ("Task", "Event"):
            record["IsArchived"] = False
        if entity == "Account":
            record["IsPersonAccount"] = True
        record.update(values)
        self._derive(entity, record)
        _name(record)
        self.tables[entity][record_id[:15]] = record
        self._emit(entity, record_id[:15], "created", frozenset())
        return record_id

    def update(
        self, entity: str, record: Values, given: Mapping[str, object], *, by_api: bool
    ) -> None:
        """Change a record; only fields whose value differs count as changed."""
        self.apply(entity, record, self.prepared(entity, record, given, by_api=by_api))

    def prepared(
        self, entity: str, record: Values, given: Mapping[str, object], *, by_api: bool
    ) -> Values:
        """Return the checked values of an update that has not happened yet."""
        values = self._checked(entity, given, by_api=by_api)
        if by_api and record.get("IsConverted"):
            raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        rule = self._settings.validation_rule
        if by_api and rule is not None and entity == "Lead":
            name, message = rule
            if not values.get(name, record.get(name)):
                raise RecordError("FIELD_CUSTOM_VALIDATION_EXCEPTION", message, [name])
        return values

    def apply(self, entity: str, record: Values, values: Values) -> None:
        """Write checked values."""
        changed = frozenset(name for name, value in values.items() if record.get(name) != value)
        record.update(values)
        self._derive(entity, record)
        record["LastModifiedDate"] = record["SystemModstamp"] = stamp(self._now())
        if changed:
            if not changed.isdisjoint(_NAME_PARTS):
                _name(record)
            self._emit(entity, str(record["Id"])[:15], "changed", changed)

    def _derive(self, entity: str, record: Values) -> None:
        """Set what Salesforce sets by itself."""
        if entity == "Task":
            was_closed = record.get("IsClosed")
            record["IsClosed"] = record.get("Status") == "Completed"
            if record["IsClosed"] and not was_closed and not record.get("CompletedDateTime"):
                record["CompletedDateTime"] = stamp(self._now())
        type_id = short_id(record.get("RecordTypeId"))
        if type_id is not None:
            kind = self.tables["RecordType"].get(type_id, {})
            record["RecordType.DeveloperName"] = kind.get("DeveloperName")

    def add_field(self, entity: str, field: Field) -> None:
        """Add a custom field; nobody may see it until a permission set grants it."""
        self.objects[entity][field.name] = field
        self.hidden.add(field.name)

    def delete(self, record: Values) -> None:
        """Move a record to the recycle bin: queryAll still shows it."""
        record["IsDeleted"] = True
        record["SystemModstamp"] = stamp(self._now())
        short = str(record["Id"])[:15]
        entity = next(name for name, table in self.tables.items() if short in table)
        self._emit(entity, short, "deleted", frozenset())

    def _checked(self, entity: str, given: Mapping[str, object], *, by_api: bool) -> Values:
        fields = self.objects[entity]
        hidden = self.hidden
        values: Values = {}
        for name, value in given.items():
            field = fields.get(name) or self.visible(entity, name)
            if field is None or (hidden and by_api and name in hidden):
                raise RecordError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {entity}", []
                )
            if by_api and field.system:
                raise RecordError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {name}. Please check the security settings "
                    "of this field and verify that it is read/write for your profile or "
                    "permission set.",
                    [name],
                )
            values[field.name] = field.checked(value)
        return values


def _name(record: Values) -> None:
    parts = (record.get("FirstName"), record.get("LastName"))
    if "LastName" in record:
        record["Name"] = " ".join(str(part) for part in parts if part)
