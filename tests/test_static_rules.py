"""What must not be in the code at all, looked for in its syntax trees."""

import ast
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ["config", "scoring", "integrations", "store", "webhooks", "console"]
FILES = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))

#: Source: S19 and S61.
FORBIDDEN_MODULES = {
    "pickle": "opens what it reads",
    "marshal": "opens what it reads",
    "shelve": "pickles",
    "sentry_sdk": "sends locals away",
    "rollbar": "sends locals away",
    "bugsnag": "sends locals away",
    "telnetlib": "plain text",
}
#: Generated from a checked model, never from text: docs/decisions/0010.
MAY_EXEC = {"scoring/expressions.py"}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path):
    return path.relative_to(ROOT).as_posix()


def called(node):
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def test_s019_nothing_unpickles_evaluates_or_runs_a_shell():
    found = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names]
                found += [
                    f"{name(path)}:{node.lineno} {module}"
                    for module in names
                    if module.split(".")[0] in FORBIDDEN_MODULES
                ]
            elif isinstance(node, ast.Call):
                what = called(node)
                bare = isinstance(node.func, ast.Name)
                is_run = bare and what in {"eval", "exec", "__import__"}
                if is_run and name(path) not in MAY_EXEC:
                    found.append(f"{name(path)}:{node.lineno} {what}")
                if any(k.arg == "shell" and getattr(k.value, "value", 0) for k in node.keywords):
                    found.append(f"{name(path)}:{node.lineno} shell")
                if what in {"system", "popen", "render_template_string", "Markup"}:
                    found.append(f"{name(path)}:{node.lineno} {what}")
    assert found == []


def test_s019_statements_are_never_put_together_from_text():
    """`text()` and `exec_driver_sql` get constants: no f-string, no %, no +, no format."""
    found = []
    for path in (ROOT / "store").rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and called(node) in {"text", "exec_driver_sql"}:
                found += [
                    f"{name(path)}:{node.lineno}"
                    for argument in node.args[:1]
                    if isinstance(argument, ast.BinOp | ast.Call)
                ]
    assert found == []


@pytest.mark.parametrize("canary", ["'; DROP TABLE due; --", '" OR 1=1', "%(x)s", ":x", "{0}"])
def test_s019_canaries_come_back_as_they_were(store, clock, canary):
    from store.due import DueMark  # noqa: PLC0415  only this test has a store

    mark = DueMark(
        account_id=canary[:40],
        object_type=canary[:40],
        record_id=canary[:20],
        cause="changed",
        since_at=None,
    )
    store.due.mark([mark], clock())
    of_type, [claim] = store.due.claim(canary[:40], 9, clock())

    assert (of_type, claim.record_id) == (canary[:40], canary[:20])


def test_s061_no_error_reporting_service_is_among_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = " ".join([*project["dependencies"], *chain.from_iterable(extras)])
    for reporter in ("sentry", "rollbar", "bugsnag", "honeybadger", "newrelic", "opentelemetry"):
        assert reporter not in wanted
