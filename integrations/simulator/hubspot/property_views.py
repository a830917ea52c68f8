"""Property definitions and groups over HTTP, in both path families."""

from typing import Any

from flask import request

from integrations.simulator.hubspot import errors
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.calls import json_body, require_contacts
from integrations.simulator.hubspot.definitions import Definition
from integrations.simulator.hubspot.values import iso


class PropertyViews:
    """The views of one account; both versions answer alike."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def _now(self) -> str:
        return iso(self._account.now())

    def several(self, kind: str, **_: str) -> tuple[int, object]:
        """List definitions, or add one."""
        require_contacts(kind)
        if request.method == "POST":
            return 201, self._create(json_body())
        kind = request.args.get("dataSensitivity", "non_sensitive")
        self._require(kind, "read")
        listed = self._account.catalog.listed(archived=request.args.get("archived") == "true")
        return 200, {"results": [each for each in listed if each["dataSensitivity"] == kind]}

    def batch_create(self, kind: str, **_: str) -> tuple[int, object]:
        """Add several definitions."""
        require_contacts(kind)
        inputs = json_body().get("inputs")
        if not isinstance(inputs, list):
            raise errors.invalid_json("inputs must be an array")
        began = self._now()
        made = [self._create(each) for each in inputs]
        return 200, {
            "status": "COMPLETE",
            "results": made,
            "startedAt": began,
            "completedAt": self._now(),
        }

    def _create(self, body: dict[str, Any]) -> Definition:
        self._require(str(body.get("dataSensitivity", "non_sensitive")), "write")
        return self._account.catalog.create(body, self._now())

    def _require(self, sensitivity: str, act: str) -> None:
        """Raise the refusal of Sensitive Data. Source: reference hubspot.md section 4.3."""
        if sensitivity == "non_sensitive":
            return
        if not self._account.settings.sensitive_data:
            raise errors.invalid("Sensitive Data is not switched on in this account.")
        grant = self._account.tokens.grant(request.headers.get("Authorization", ""))
        scope = f"crm.objects.contacts.{sensitivity}.{act}"
        if scope not in grant.scopes:
            raise errors.missing_scopes([scope])

    def one(self, kind: str, name: str, **_: str) -> tuple[int, object]:
        """Read, change or archive one definition."""
        require_contacts(kind)
        if request.method == "PATCH":
            return 200, self._account.catalog.change(name, json_body(), self._now())
        if request.method == "DELETE":
            self._account.catalog.archive(name, self._now())
            return 204, None
        return 200, self._account.catalog.get(
            name, archived=request.args.get("archived") == "true"
        )

    def groups(self, kind: str, **_: str) -> tuple[int, object]:
        """List groups, or add one."""
        require_contacts(kind)
        if request.method == "POST":
            return 201, self._account.catalog.create_group(json_body())
        return 200, {"results": self._account.catalog.groups()}

    def group(self, kind: str, name: str, **_: str) -> tuple[int, object]:
        """Read, change or remove one group."""
        require_contacts(kind)
        if request.method == "PATCH":
            return 200, self._account.catalog.change_group(name, json_body())
        if request.method == "DELETE":
            self._account.catalog.archive_group(name)
            return 204, None
        return 200, self._account.catalog.group(name)
