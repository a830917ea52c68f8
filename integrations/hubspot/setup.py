"""Set-up of a portal through the vendor's own client: what is there, what is missing.

Rare calls, so `hubspot-api-client` serves as it is, with a time limit on each (it has none).
"""

from collections.abc import Collection, Mapping
from typing import Any

from hubspot import HubSpot
from hubspot.crm.properties import (
    ApiException,
    OptionInput,
    PropertyCreate,
    PropertyGroupCreate,
)
from urllib3.exceptions import HTTPError

from integrations.base import Finding
from integrations.errors import AccessError, CrmError, PermanentCrmError, TransientCrmError
from integrations.outputs import OUTPUT_KINDS, OutputKind

GROUP = "lead_score"
GROUP_LABEL = "Lead score"

_TIMEOUT_S = (5.0, 15.0)

#: Our kind -> HubSpot's type and field type. Source: reference hubspot.md section 4.1.
_TYPES = {
    "number": ("number", "number"),
    "choice": ("enumeration", "select"),
    "text": ("string", "textarea"),
    "datetime": ("datetime", "date"),
}


class HubSpotSetup:
    """Checks and provisions one portal."""

    def __init__(self, *, base_url: str, access_token: str) -> None:
        self._api = HubSpot(access_token=access_token, host=base_url).crm.properties
        # Each access to a property of the client builds a new connection pool: keep them.
        self._core = self._api.core_api
        self._groups = self._api.groups_api

    def check(self, read: Collection[str], written: Mapping[str, str]) -> list[Finding]:
        """Return what is right and wrong with the portal's contact properties.

        Args:
            read: Properties of the field map.
            written: Meaning -> property that we write.

        Raises:
            CrmError: the portal does not answer, or refuses the token.
        """
        there = self._properties()
        findings = [Finding("connection and token", ok=True, detail=f"{len(there)} properties")]
        for name in read:
            known = name in there
            findings.append(
                Finding(
                    f"reads {name}",
                    ok=known,
                    detail="" if known else "no such contact property; correct the field map",
                )
            )
        for meaning, name in written.items():
            fault = _fault(there.get(name), OUTPUT_KINDS[meaning])
            findings.append(Finding(f"writes {name}", ok=not fault, detail=fault))
        return findings

    def missing(self, written: Mapping[str, str]) -> list[str]:
        """Return the properties that `provision` would make."""
        there = self._properties()
        return [name for name in written.values() if name not in there]

    def provision(self, written: Mapping[str, str]) -> list[str]:
        """Make the group and the properties that are missing; return their names.

        Safe to repeat: what is there stays as it is.

        Raises:
            CrmError: the portal does not answer, or refuses.
        """
        missing = set(self.missing(written))
        if missing:
            self._make_group()
        made = []
        for meaning, name in written.items():
            if name in missing:
                _asked(self._core.create, "contacts", property_create=_definition(name, meaning))
                made.append(name)
        return made

    def _properties(self) -> dict[str, Any]:
        found = _asked(self._core.get_all, "contacts")
        return {item.name: item for item in found.results}

    def _make_group(self) -> None:
        found = _asked(self._groups.get_all, "contacts")
        if GROUP not in {item.name for item in found.results}:
            _asked(
                self._groups.create,
                "contacts",
                property_group_create=PropertyGroupCreate(name=GROUP, label=GROUP_LABEL),
            )


def _definition(name: str, meaning: str) -> PropertyCreate:
    kind = OUTPUT_KINDS[meaning]
    of_type, field_type = _TYPES[kind.kind]
    return PropertyCreate(
        group_name=GROUP,
        name=name,
        label=kind.label,
        type=of_type,
        field_type=field_type,
        description="Written by leadscore.",
        options=[
            OptionInput(
                label=option.replace("_", " ").capitalize(),
                value=option,
                display_order=place,
                hidden=False,
            )
            for place, option in enumerate(kind.options)
        ],
    )


def _fault(found: Any, kind: OutputKind) -> str:
    if found is None:
        return "missing; run `leadscore provision`"
    wanted = _TYPES[kind.kind][0]
    if found.type != wanted:
        return f"its type is {found.type}, must be {wanted}; choose another name in `outputs`"
    lacking = sorted(set(kind.options) - {option.value for option in found.options or []})
    return f"its options lack: {', '.join(lacking)}" if lacking else ""


def _asked(call: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the vendor call's answer, bounded in time; its errors become ours."""
    try:
        return call(*args, **kwargs, _request_timeout=_TIMEOUT_S)
    except ApiException as error:
        # The exception's text holds the reply; only its status leaves this place.
        raise _error(int(error.status or 0)) from None
    except HTTPError as error:
        raise TransientCrmError("network", type(error).__name__) from None


def _error(status: int) -> CrmError:
    if status in {401, 403}:
        return AccessError(str(status), "check the access token and its scopes")
    if status >= 500 or status in {0, 423, 429}:
        return TransientCrmError(str(status))
    return PermanentCrmError(str(status))
