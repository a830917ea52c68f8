"""Property definitions and groups over HTTP, in both path families."""

from flask import request

from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.calls import json_body, require_contacts
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
            return 201, self._account.catalog.create(json_body(), self._now())
        return 200, {
            "results": self._account.catalog.listed(
                archived=request.args.get("archived") == "true"
            )
        }

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
