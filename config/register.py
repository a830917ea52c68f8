"""The input register: everything that scoring may read, where it comes from, and who reads it."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from config.fields import FieldMap
from config.practice import Practice
from config.traits import PROXY_FIELDS, proxied_by, trait_in
from scoring.conditions import leaves
from scoring.model import ScoringModel


class Input(NamedTuple):
    """One line of the input register: something that scoring may read."""

    field: str
    crm: str  #: hubspot, salesforce, or empty for what the engine makes itself.
    property: str  #: Where it comes from.
    rules: tuple[str, ...]  #: The ids of the rules that read it.
    status: str  #: protected, proxy or ok.
    about: str  #: The trait that it is or tells about.
    override_reason: str  #: Why a protected trait is read all the same.


def register(practice: Practice, model: ScoringModel) -> list[Input]:
    """Return every input of `model` in `practice`, with the rules that read it."""
    readers = readers_of(model)
    found = [
        _mapped(crm, field, fields, readers)
        for crm, fields in practice.fields.items()
        for field in fields
    ]
    made = (name for name in readers if name.startswith(("signal.", "activity.")))
    for name in sorted(made):
        origin = "the inquiry's words" if name.startswith("signal.") else "activities of the CRM"
        about = PROXY_FIELDS.get(name, "")
        found.append(Input(name, "", origin, readers[name], "proxy" if about else "ok", about, ""))
    return found


def readers_of(model: ScoringModel) -> dict[str, tuple[str, ...]]:
    """Return, by field, the ids of the rules of `model` that read it, and other readers."""
    found: dict[str, list[str]] = {}
    for name, reader in _readings(model):
        found.setdefault(name, []).append(reader)
    return {name: tuple(dict.fromkeys(each)) for name, each in found.items()}


def activity_kinds(model: ScoringModel) -> frozenset[str]:
    """Return the kinds of activities that a rule of `model` reads: no others need be fetched."""
    names = (name.partition(".") for name in readers_of(model))
    return frozenset(kind for head, _, kind in names if head == "activity")


def _readings(model: ScoringModel) -> Iterator[tuple[str, str]]:
    for line, other in model.lines.items():
        yield from ((name, f"{line}: {reader}") for name, reader in _readings(other))
    for rule in model.rules:
        for name in (*rule.reads, *([rule.since] if rule.since else [])):
            yield name, rule.id
    for index, exclusion in enumerate(model.exclusions):
        for leaf in leaves(exclusion.when):
            yield leaf.field, f"exclusions[{index}]"
    for index, reset in enumerate(model.resets):
        yield reset.since, f"resets[{index}]"


#: Field -> the signal that it feeds: rules read it under that name too.
_SIGNAL_OF: Final = {
    "urgency": "signal.urgency",
    "inquiry_type": "signal.inquiry_type",
    "insurance_status": "signal.insurance",
    "procedures": "signal.procedures",
}


def _mapped(
    crm: str, field: str, fields: FieldMap, readers: Mapping[str, tuple[str, ...]]
) -> Input:
    source = fields[field]
    rules = readers.get(field, ()) + readers.get(_SIGNAL_OF.get(field, ""), ())
    if field == "message":  # rules read it as the signals that its words give
        signals = [names for name, names in readers.items() if name.startswith("signal.")]
        rules = tuple(dict.fromkeys(name for names in signals for name in names))
    trait = trait_in(source.property)
    about = trait or PROXY_FIELDS.get(field) or proxied_by(source.property) or ""
    status = "protected" if trait else "proxy" if about else "ok"
    reason = source.override_reason or ""
    return Input(field, crm, source.property, rules, status, about, reason)
