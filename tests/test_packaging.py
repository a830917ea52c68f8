"""The packages have common names: nothing may hide them, and they may hide nothing."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("config", "scoring", "integrations", "store", "webhooks", "console")


def modules() -> list[Path]:
    return [path for name in OURS for path in (ROOT / name).rglob("*.py")]


def test_no_dependency_installs_one_of_our_names():
    owners = packages_distributions()

    others = {name: owners.get(name, ["leadscore"]) for name in OURS}
    assert {name for name, found in others.items() if found != ["leadscore"]} == set()


def test_no_package_under_tests_hides_ours():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_two_test_files_have_one_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]

    assert sorted(names) == sorted(set(names))


def test_no_module_takes_a_standard_library_name():
    taken = [path for path in modules() if path.stem in sys.stdlib_module_names]

    # `integrations/http.py` is always imported by its full name.
    assert {path.name for path in taken} <= {"__main__.py", "http.py"}


def test_every_module_says_its_role_in_its_first_line():
    silent = [
        path
        for path in modules()
        if not (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()
    ]

    assert silent == []


def test_a_receiver_loads_nothing_that_only_a_worker_or_a_set_up_needs():
    code = (
        "import sys; import webhooks.wiring;"
        "heavy = {'requests', 'hubspot', 'simple_salesforce', 'alembic', 'rich', 'tenacity', 'grpc', 'google.protobuf',"
        "'fastavro'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert found.stdout.strip() == "[]"


def test_only_an_account_that_fetches_events_loads_grpc():
    code = (
        "import sys; import webhooks.working, console.stage, console.simulate, console.doctor;"
        "import integrations.simulator.salesforce, integrations.salesforce.client;"
        "print(sorted({'grpc', 'google.protobuf', 'fastavro'} & set(sys.modules)))"
    )
    found = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert found.stdout.strip() == "[]"


def test_the_lock_has_a_hash_for_each_package_and_names_no_registry():
    lock = (ROOT / "constraints.txt").read_text("utf-8")
    pins = re.findall(r"^[A-Za-z0-9._-]+==\S+.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)

    assert len(pins) > 40
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert "index-url" not in lock
    assert "://" not in lock


def test_the_lock_holds_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=!~;]", text)[0].lower().replace("_", "-") for text in wanted}
    locked = set(
        re.findall(
            r"^([a-z0-9._-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE
        )
    )

    assert names - locked == set()


def test_every_migration_is_in_the_package():
    for part in ("inbox", "ledger"):
        folder = ROOT / "store" / "migrations" / part
        assert (folder / "env.py").exists()
        assert list((folder / "versions").glob("0001_*.py"))


def test_what_is_installed_in_a_crm_is_in_the_package(tmp_path):
    from hatchling.builders.wheel import WheelBuilder  # noqa: PLC0415  only this test builds

    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())

    for folder, least in (("hubspot/app", 8), ("salesforce/package", 60)):
        there = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "integrations" / folder).rglob("*")
            if path.is_file()
        }
        assert len(there) > least
        assert there <= names
    assert not [name for name in names if "node_modules" in name or name.startswith("tests/")]
    assert not [name for name in names if "__tests__" in name or name.endswith(".test.js")]
