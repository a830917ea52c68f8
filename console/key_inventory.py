"""The inventory of keys: each one's purpose, algorithm, number, age and uses; never a key (S55)."""

from datetime import datetime
from typing import Any

from config.practice import Practice
from store.keys import MasterKeys
from store.rooms import Store

_AES = "AES-256-GCM"
_HMAC = "HMAC-SHA256"


def inventory(
    store: Store, keys: MasterKeys, practice: Practice, now: datetime
) -> list[dict[str, Any]]:
    """Return one row for each key, or for each kind where every record has one of its own.

    Args:
        store: The open store.
        keys: The master keys.
        practice: Names the secrets of the CRMs.
        now: What ages are counted to.
    """
    uses = store.rotation.uses()
    rows = [
        _row(
            f"master key {number}",
            "wraps data keys",
            _AES,
            state=keys.state(number) if number in keys.numbers else "missing",
            made_on=made_on.isoformat() if (made_on := keys.made_on.get(number)) else None,
            age_days=(now.date() - made_on).days if made_on else None,
            uses=sum(uses.get(number, {}).values()),
            limit=2**32,
        )
        for number in sorted({*keys.numbers, *uses})
    ]
    rows.append(
        _row(
            "hash key",
            "audit chain, tombstones, what was written, manifests of backups",
            _HMAC,
            state=f"derived from master key {keys.numbers[0]}",
        )
    )
    for kind in store.rotation.data_keys():
        made_at = kind.oldest_at
        rows.append(
            _row(
                kind.name,
                kind.purpose,
                _AES,
                count=kind.count,
                made_on=made_at.date().isoformat() if made_at else None,
                age_days=(now - made_at).days if made_at else None,
                uses=kind.most_uses,
                limit=kind.limit,
            )
        )
    rows += [
        _row(f"{account.name}: {name}", _SECRETS[name], _SIGNING.get(name, "none"))
        for account in practice.accounts
        for name in _SECRETS
        if getattr(account, name, None) is not None
    ]
    return rows


_SIGNING = {"client_secret": _HMAC, "client_secret_next": _HMAC, "workflow_secret": "SHA-256"}
#: What practice.toml may name; their age is known to the CRM only.
_SECRETS = {
    "client_secret": "proves HubSpot's signatures, and us where an app is installed by OAuth",
    "client_secret_next": "the same, while it is changed",
    "workflow_secret": "proves what HubSpot's workflows send",
    "path_token": "unguessable part of Salesforce's address",
    "access_token": "calls HubSpot",
    "consumer_key": "names us to Salesforce",
    "consumer_secret": "calls Salesforce",
}


def _row(name: str, purpose: str, algorithm: str, **more: Any) -> dict[str, Any]:
    known = {
        "state": "in use",
        "count": 1,
        "made_on": None,
        "age_days": None,
        "uses": None,
        "limit": None,
    }
    return {"name": name, "purpose": purpose, "algorithm": algorithm, **known, **more}
