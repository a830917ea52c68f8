"""A scoring model as Python functions, made once for each model.

The code is generated from the checked model only. Whatever comes from the model is bound as an
object; see `scoring/expressions.py`, and `scoring/accounting.py` for what the code does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from scoring.accounting import Writer, load_activities
from scoring.expressions import Function, Scope, function, holds
from scoring.labels import SCORED_TIERS
from scoring.lay_words import LayWords
from scoring.lead import Activity, FieldValue
from scoring.model import ScoringModel
from scoring.result import Reason

#: Points in all, by factor, lines, and how long all of that stays as it is.
Account: TypeAlias = tuple[int, dict[str, int], list[Reason], timedelta]
Fields: TypeAlias = Mapping[str, FieldValue]
Activities: TypeAlias = tuple[Activity, ...]
#: The signals as a plain tuple, in the order of `result.Signals`.
Said: TypeAlias = tuple[str, str, str, tuple[str, ...], int]
#: Of the first four signals, whether the text alone supports them.
FromText: TypeAlias = tuple[bool, bool, bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What differs by service line."""

    text_cap: int  #: Most points of free text: always less than the hot tier needs.
    #: By score from 0 to 100: tier, opening time to respond within.
    bands: tuple[tuple[str, timedelta], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A model, ready to be used."""

    #: For a lead without text.
    account: Callable[[Fields, Activities, Said, datetime], Account]
    #: For a lead with text, whose points are capped.
    account_text: Callable[[Fields, Activities, Said, datetime, FromText, int], Account]
    #: The number of the first exclusion that holds, or None.
    excluded: Callable[[Fields, Activities, Said], int | None] | None
    plan: Plan
    plans: Mapping[object, Plan]  #: By service line, where one differs.
    lay_words: LayWords | None
    source: str  #: The generated code, for people who want to see it.


def compiled(model: ScoringModel) -> Compiled:
    """Return `model` ready to be used; the same object each time."""
    found: Compiled | None = model.kept
    if found is None:
        found = compile_model(model)
        object.__setattr__(model, "kept", found)
    return found


def compile_model(model: ScoringModel) -> Compiled:
    """Return a new compilation of `model`."""
    account = Writer(model, of_text=False).account()
    account_text = Writer(model, of_text=True).account()
    excluded = _excluded(model) if model.exclusions else None
    sources = [made.source for made in (account, account_text, excluded) if made is not None]
    return Compiled(
        account=account.run,
        account_text=account_text.run,
        excluded=excluded.run if excluded else None,
        plan=_plan(model, model.cut_offs(None)),
        plans={line: _plan(model, model.cut_offs(line)) for line in model.service_lines},
        lay_words=LayWords(model.words) if model.words else None,
        source="\n".join(sources),
    )


def _plan(model: ScoringModel, cut_offs: Mapping[str, int]) -> Plan:
    tiers = [
        next(name for name in SCORED_TIERS if points >= cut_offs[name]) for points in range(101)
    ]
    return Plan(
        text_cap=min(model.text_cap, cut_offs["hot"] - 1),
        bands=tuple(
            (name, timedelta(minutes=model.tiers[name].respond_within_minutes)) for name in tiers
        ),
    )


def _excluded(model: ScoringModel) -> Function:
    scope = Scope()
    body = []
    for index, exclusion in enumerate(model.exclusions):
        body += [f"if {holds(exclusion.when, scope)}:", f"    return {scope.bind(index)}"]
    loading = ["get = fields.get", *scope.loading(), *load_activities(scope, resets=False)]
    return function("excluded", "fields, activities, signals", [*loading, *body], scope)
