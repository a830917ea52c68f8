"""Ours against a hand-written function and five rule engines: forty rules over thirty fields.

All must give the same score and tier for every lead before anything is measured. What each does:

- by hand: score, tier, five factors, reasons, respond-by. No valid-until.
- ours: all of that, and signals and valid-until: `scoring.engine.score`, nothing left out.
- the engines: only whether each condition holds; points, decay and caps are added by a shared plain
  function. They get a flat dict made beforehand. `datalogic-py` answers all forty at once.
- scikit-learn: a pipeline with logistic regression, one row at a time; it gives a likelihood.
"""

import json
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import datalogic_py
import json_logic
import rule_engine
from business_rules.engine import check_conditions_recursively
from business_rules.variables import (
    BaseVariables,
    boolean_rule_variable,
    numeric_rule_variable,
    select_multiple_rule_variable,
    string_rule_variable,
)
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bench.by_hand import score_by_hand
from bench.forty import MODEL, NOW, RULES, leads, row_of
from bench.rates import Way, rates
from scoring.conditions import READABLE, All, AtLeast, Condition, Contains, In, Is, Known, Not
from scoring.engine import score
from scoring.labels import FACTORS
from scoring.runtime import aging

#: engine -> what ours must be at least, as a multiple of it.
TARGETS = {
    "by hand": 0.7,
    "datalogic-py": 2,
    "json-logic-qubit": 50,
    "business-rules": 50,
    "rule-engine": 50,
    "scikit-learn, row by row": 500,
}
Row = dict[str, Any]


def key_of(field: str) -> str:
    """Return the row's key for `field`."""
    return field.replace(".", "_") if field.startswith("signal.") else field


# JsonLogic, for two engines


def as_json_logic(condition: Condition) -> Any:  # noqa: C901, PLR0911  # one answer a kind of condition
    match condition:
        case All():
            return {"and": [as_json_logic(part) for part in condition.conditions]}
        case Not():
            return {"!": [as_json_logic(condition.condition)]}
    value = {"var": key_of(condition.field)}
    match condition:
        case Is(value=bool()):
            return {"var": f"{condition.field}_is_{str(condition.value).lower()}"}
        case Is():
            return {"==": [value, condition.value]}
        case In():
            return {"in": [value, list(condition.values)]}
        case AtLeast():
            return {">=": [value, condition.value]}
        case Contains():
            parts = [{"in": [part, value]} for part in condition.values]
            return parts[0] if len(parts) == 1 else {"or": parts}
        case Known(field="signal.procedures"):
            return {"!": [{"in": ["none", value]}]}
        case Known() if READABLE[condition.field].name == "instant":
            return {"<": [{"var": f"{condition.field}_age"}, 1e8]}
        case Known():
            return {"!=": [value, ""]}
        case _:
            return {"<": [{"var": f"{condition.field}_age"}, condition.days]}


# rule-engine: text


def as_text(condition: Condition) -> str:  # noqa: C901, PLR0911  # one answer a kind of condition
    match condition:
        case All():
            return "(" + " and ".join(as_text(part) for part in condition.conditions) + ")"
        case Not():
            return f"(not {as_text(condition.condition)})"
    key = key_of(condition.field)
    match condition:
        case Is(value=bool()):
            return f"{key}_is_{str(condition.value).lower()}"
        case Is():
            return f'{key} == "{condition.value}"'
        case In():
            return f"{key} in {json.dumps(list(condition.values))}"
        case AtLeast():
            return f"{key} >= {condition.value}"
        case Contains():
            return "(" + " or ".join(f'"{part}" in {key}' for part in condition.values) + ")"
        case Known(field="signal.procedures"):
            return f'(not "none" in {key})'
        case Known() if READABLE[condition.field].name == "instant":
            return f"{key}_age < 100000000"
        case Known():
            return f'{key} != ""'
        case _:
            return f"{key}_age < {condition.days}"


# business-rules: a class of variables, and conditions as dicts. It has no `not`.


def as_business_rule(condition: Condition) -> Any:  # noqa: C901, PLR0911, PLR0912  # one answer a kind of condition
    match condition:
        case All():
            return {"all": [as_business_rule(part) for part in condition.conditions]}
        case Not(condition=Known()):
            return _asks(condition.condition.field, "equal_to", "")
        case Not():
            return _asks("signal_procedures", "shares_no_elements_with", ["other"])
    key = key_of(condition.field)
    match condition:
        case Is(value=bool()):
            return _asks(f"{key}_is_{str(condition.value).lower()}", "is_true", True)  # noqa: FBT003
        case Is():
            return _asks(key, "equal_to", condition.value)
        case In():
            return {"any": [_asks(key, "equal_to", value) for value in condition.values]}
        case AtLeast():
            return _asks(key, "greater_than_or_equal_to", condition.value)
        case Contains(field="source"):
            return _asks(key, "contains", condition.values[0])
        case Contains():
            return _asks(key, "shares_at_least_one_element_with", list(condition.values))
        case Known(field="signal.procedures"):
            return _asks(key, "shares_no_elements_with", ["none"])
        case Known() if READABLE[condition.field].name == "instant":
            return _asks(f"{key}_age", "less_than", 100_000_000)
        case Known():
            return _asks(key, "non_empty", True)  # noqa: FBT003
        case _:
            return _asks(f"{key}_age", "less_than", condition.days)


def _asks(name: str, operator: str, value: object) -> dict[str, object]:
    return {"name": name, "operator": operator, "value": value}


def variables_for(row: Row) -> type[BaseVariables]:
    """Return the class of variables that business-rules wants, for rows like `row`."""
    kinds = {
        bool: boolean_rule_variable, str: string_rule_variable, list: select_multiple_rule_variable,
        int: numeric_rule_variable, float: numeric_rule_variable,
    }  # fmt: skip
    body: dict[str, Any] = {"__init__": lambda self, row: setattr(self, "row", row)}
    for name, value in row.items():
        decorate = kinds[type(value)]
        decorate = decorate(options=[]) if type(value) is list else decorate()

        def read(self: Any, name: str = name) -> Any:
            return self.row[name]

        read.__name__ = name
        body[name] = decorate(read)
    return type("RowVariables", (BaseVariables,), body)


# What all of them share


def finish(held: Iterable[bool], row: Row) -> tuple[int, str]:
    """Return score and tier from which rules hold: decay, caps and cut-offs, in plain Python."""
    sums = dict.fromkeys(FACTORS, 0)
    for holds, (factor, points, age_of, edges, rows) in zip(held, PLAN, strict=True):
        if not holds:
            continue
        if age_of is None:
            sums[factor] += points
            continue
        found = rows[bisect_right(edges, row[age_of])]
        if found is not None:
            sums[factor] += found[0]
    total = sum(
        max(-MODEL.caps[name], min(points, MODEL.caps[name])) for name, points in sums.items()
    )
    total = max(0, min(total, 100))
    return (
        total,
        "hot" if total >= 70 else "warm" if total >= 45 else "nurture" if total >= 20 else "low",
    )


def _plan() -> list[tuple[Any, ...]]:
    plan: list[tuple[Any, ...]] = []
    for rule in RULES:
        if rule.since is None:
            plan.append((rule.factor, rule.points, None, (), ()))
        else:
            edges, rows = aging(rule)
            days = tuple(edge / timedelta(days=1) for edge in edges)
            plan.append((rule.factor, rule.points, f"{rule.since}_age", days, rows))
    return plan


PLAN = _plan()


def learned(rows: list[Row], scores: list[int]) -> Callable[[Row], Any]:
    """Return a function that gives one row's likelihood by a fitted scikit-learn pipeline."""
    numbers = [name for name, value in rows[0].items() if isinstance(value, bool | int | float)]
    words = [name for name, value in rows[0].items() if isinstance(value, str)]
    names = numbers + words
    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(), StandardScaler()),
                list(range(len(numbers))),
            ),
            (
                "words",
                OneHotEncoder(handle_unknown="ignore"),
                list(range(len(numbers), len(names))),
            ),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=500))

    import numpy as np  # noqa: PLC0415  # comes with scikit-learn

    def matrix(some: list[Row]) -> Any:
        return np.array([[row[name] for name in names] for row in some], dtype=object)

    pipeline.fit(matrix(rows), [points >= 60 for points in scores])
    return lambda row: pipeline.predict_proba(matrix([row]))


def main() -> None:
    """Check that all agree, measure, print."""
    warnings.simplefilter("ignore")
    some = leads(4_000)
    ours = [score(lead, MODEL, NOW) for lead in some]
    rows = [row_of(lead, found.signals._asdict()) for lead, found in zip(some, ours, strict=True)]
    texts = [json.dumps(row) for row in rows]

    logic = [as_json_logic(rule.when) for rule in RULES if rule.when is not None]
    compiled_logic = datalogic_py.Engine().compile(json.dumps(logic))
    matchers = [rule_engine.Rule(as_text(rule.when)) for rule in RULES if rule.when is not None]
    business = [as_business_rule(rule.when) for rule in RULES if rule.when is not None]
    variables = variables_for(rows[0])

    def by_datalogic(pair: tuple[Row, str]) -> tuple[int, str]:
        row, text = pair
        return finish(json.loads(compiled_logic.evaluate_str(text)), row)

    def by_json_logic(row: Row) -> tuple[int, str]:
        return finish([json_logic.jsonLogic(each, row) for each in logic], row)

    def by_rule_engine(row: Row) -> tuple[int, str]:
        return finish([each.matches(row) for each in matchers], row)

    def by_business_rules(row: Row) -> tuple[int, str]:
        known = variables(row)
        return finish([check_conditions_recursively(each, known) for each in business], row)

    for place, (lead, found) in enumerate(zip(some, ours, strict=True)):
        hand = score_by_hand(lead, NOW)
        lines = [line[:3] for line in found.reasons]
        mine = (found.score, found.tier, found.factors, lines, found.respond_by)
        assert hand == mine, place  # noqa: S101
        expected = (found.score, found.tier)
        assert by_datalogic((rows[place], texts[place])) == expected, place  # noqa: S101
        if place < 500:
            for other in (by_json_logic, by_rule_engine, by_business_rules):
                assert other(rows[place]) == expected, (place, other)  # noqa: S101
    predict = learned(rows[:1000], [found.score or 0 for found in ours[:1000]])
    print(f"{len(RULES)} rules; all agree on {len(some):,} leads (three engines on 500)\n")

    ways = {
        "ours": Way(lambda lead: score(lead, MODEL, NOW), some),
        "by hand": Way(lambda lead: score_by_hand(lead, NOW), some),
        "datalogic-py": Way(by_datalogic, list(zip(rows, texts, strict=True))[:2000]),
        "json-logic-qubit": Way(by_json_logic, rows[:200]),
        "business-rules": Way(by_business_rules, rows[:200]),
        "rule-engine": Way(by_rule_engine, rows[:200]),
        "scikit-learn, row by row": Way(predict, rows[:40]),
    }
    measured = rates(ways)
    print(f"{'':<26}{'leads/s':>10}{'ours is x':>12}{'target':>9}")
    for name, found_rate in measured.items():
        ratio = measured["ours"] / found_rate
        target = TARGETS.get(name)
        verdict = (
            "" if target is None else f"{target:>9g}  {'ok' if ratio >= target else 'MISSED'}"
        )
        print(f"{name:<26}{found_rate:>10,.0f}{ratio:>12.2f}{verdict}")


if __name__ == "__main__":
    main()
