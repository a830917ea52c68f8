"""One model file over another: the shared base, and the differences written down.

What a file says wins. Tables (`caps`, `tiers`, `groups`, `hours`, `words`, `service_lines`) merge
key by key. A rule with the id of a base rule replaces the keys it gives; `remove` leaves rules out;
other rules, exclusions and resets are added. `pack`, `cases` and `benchmarks` are never inherited.
"""

from typing import Any, Final, NamedTuple

_TABLES: Final = ("caps", "tiers", "groups", "hours", "words", "service_lines")
_ADDED: Final = ("exclusions", "resets")
_OWN: Final = ("pack", "cases", "benchmarks", "extends", "remove")


class Extended(NamedTuple):
    """The merged content of a file, and where its rules stand."""

    values: dict[str, Any]
    #: For each list, the place of its items in the file itself; None for those of the base.
    places: dict[str, list[int | None]]


def alone(values: dict[str, Any]) -> Extended:
    """Return a file that extends nothing."""
    lists = {key: value for key, value in values.items() if isinstance(value, list)}
    return Extended(values, {key: list(range(len(value))) for key, value in lists.items()})


def extended(base: dict[str, Any], values: dict[str, Any]) -> Extended:
    """Return `values` over `base`, both as read from their files.

    >>> base = {"rules": [{"id": "a", "points": 1}, {"id": "b", "points": 2}]}
    >>> found = extended(base, {"remove": ["a"], "rules": [{"id": "b", "points": 3}, {"id": "c"}]})
    >>> found.values["rules"], found.places["rules"]
    ([{'id': 'b', 'points': 3}, {'id': 'c'}], [0, 1])
    """
    merged = {key: value for key, value in base.items() if key not in _OWN} | values
    places = alone(values).places
    for key in _TABLES:
        if isinstance(base.get(key), dict) and isinstance(values.get(key, {}), dict):
            merged[key] = _over(base[key], values.get(key, {}), deep=key == "service_lines")
    for key in _ADDED:
        if isinstance(values.get(key, []), list):
            own = values.get(key, [])
            merged[key] = [*base.get(key, []), *own]
            places[key] = [*([None] * len(base.get(key, []))), *range(len(own))]
    if isinstance(values.get("rules", []), list):
        merged["rules"], places["rules"] = _rules(base, values)
        _drop_empty_groups(merged, values)
    return Extended(merged, places)


def unknown_removals(base: dict[str, Any], values: dict[str, Any]) -> list[tuple[int, str]]:
    """Return place and id of every rule to remove that `base` does not have."""
    remove = values.get("remove", [])
    known = rule_ids(base)
    if not isinstance(remove, list):
        return []
    return [(place, str(name)) for place, name in enumerate(remove) if name not in known]


def rule_ids(values: dict[str, Any]) -> list[str]:
    """Return the ids of the rules in a file."""
    return [rule["id"] for rule in values.get("rules", []) if isinstance(rule.get("id"), str)]


def _over(base: dict[str, Any], own: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    merged = base | own
    if deep:
        for name in base.keys() & own.keys():
            if isinstance(base[name], dict) and isinstance(own[name], dict):
                merged[name] = base[name] | own[name]
    return merged


def _rules(base: dict[str, Any], values: dict[str, Any]) -> tuple[list[Any], list[int | None]]:
    remove = values.get("remove", [])
    removed = (
        {name for name in remove if isinstance(name, str)} if isinstance(remove, list) else set()
    )
    own = values.get("rules", [])
    by_id: dict[object, int] = {}
    for place, rule in enumerate(own):
        if isinstance(rule, dict) and isinstance(rule.get("id"), str):
            by_id.setdefault(rule["id"], place)
    rules: list[Any] = []
    places: list[int | None] = []
    used: set[int] = set()
    for rule in base.get("rules", []):
        name = rule.get("id")
        if name in removed:
            continue
        at = by_id.get(name)
        if at is not None:
            used.add(at)
        rules.append(rule if at is None else rule | own[at])
        places.append(at)
    for place, rule in enumerate(own):
        if place not in used:
            rules.append(rule)
            places.append(place)
    return rules, places


def _drop_empty_groups(merged: dict[str, Any], values: dict[str, Any]) -> None:
    """Leave out the base's groups of which no rule is left."""
    groups = merged.get("groups")
    if not isinstance(groups, dict):
        return
    used = {rule.get("group") for rule in merged["rules"] if isinstance(rule, dict)}
    own = values.get("groups", {})
    merged["groups"] = {name: cap for name, cap in groups.items() if name in used or name in own}
