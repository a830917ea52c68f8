"""The tests that Node runs: each is a test here, too. Without Node they are skipped, and CI fails.

A folder beside this file with a package.json is one run: its script `report` prints the JSON
that `vitest` and `jest` both can. Packages come from `make node`.
"""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from shutil import which

import pytest

HERE = Path(__file__).parent
#: A test's name stands after `test(` or `it(`, or after the table of a `test.each`.
NAMED = re.compile(r"^ *(?:test|it|\]\))\(\s*['\"]([^'\"]+)['\"]", re.MULTILINE)


def suites():
    return sorted(path.parent for path in HERE.glob("*/package.json"))


def written(folder):
    """Return file and name of every test that stands in the folder's test files."""
    return sorted(
        (file.name, name)
        for file in folder.glob("*.test.[jt]s*")
        for name in NAMED.findall(file.read_text("utf-8"))
    )


CASES = [(folder, *case) for folder in suites() for case in written(folder)]


@cache
def report(folder):
    """Return (file, test) -> the states of its cases, as Node tells them."""
    if which("node") is None or not (folder / "node_modules" / ".ready").exists():
        pytest.skip("needs Node 20.19 or newer, and its packages: `make node` installs them")
    done = subprocess.run(  # noqa: S603  our own tests
        [which("npm"), "run", "--silent", "report"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.lstrip().startswith("{"), done.stderr[-2000:]
    found = {}
    for file in json.loads(done.stdout)["testResults"]:
        assert file["assertionResults"], file["message"]
        for case in file["assertionResults"]:
            key = Path(file["name"]).name, case["title"]
            found[key] = case["status"], "\n".join(case["failureMessages"])
    return found


def is_named(title, name):
    """Tell whether Node's `title` is of the test `name`; in a table, `%s` stands for its row."""
    pattern = ".+".join(re.escape(part) for part in name.split("%s"))
    return re.fullmatch(pattern, title) is not None


@pytest.mark.parametrize(
    ("folder", "file", "name"), CASES, ids=lambda part: getattr(part, "name", part)
)
def test_in_node(folder, file, name):
    found = [
        state
        for (at, title), state in report(folder).items()
        if at == file and is_named(title, name)
    ]

    assert found, "Node did not run it"
    assert [message for state, message in found if state != "passed"] == []


@pytest.mark.parametrize("folder", suites(), ids=lambda folder: folder.name)
def test_every_test_that_node_ran_is_told_here(folder):
    ran = report(folder)
    named = [(file, name) for at, file, name in CASES if at == folder]
    untold = [
        (at, title)
        for at, title in ran
        if not any(at == file and is_named(title, name) for file, name in named)
    ]

    assert untold == []


@pytest.mark.parametrize("folder", suites(), ids=lambda folder: folder.name)
def test_a_lock_has_a_hash_for_each_package_and_names_no_registry(folder):
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}

    assert len(packages) > 10
    # What lies within another's archive is covered by that one's hash.
    alone = {name: each for name, each in packages.items() if not each.get("inBundle")}
    assert [n for n, each in alone.items() if "integrity" not in each] == []
    assert [n for n, each in packages.items() if "resolved" in each] == []
    assert "://registry" not in (folder / "package-lock.json").read_text("utf-8")
