"""jsforce, unmodified, on the simulator: it logs in, reads our scores, queries, describes, updates."""

import json
import subprocess
from pathlib import Path
from shutil import which

import pytest

from config.fields import DEFAULT_OUTPUTS
from console.stage import stage, wait_for
from integrations.outputs import OUTPUT_KINDS, TIERS
from integrations.salesforce.checks import TYPES

FOLDER = Path(__file__).parents[2] / "node" / "salesforce"
NAMES = DEFAULT_OUTPUTS["salesforce"]


def jsforce(asked):
    if which("node") is None or not (FOLDER / "node_modules" / ".ready").exists():
        pytest.skip("needs Node 20.19 or newer, and its packages: `make node` installs them")
    done = subprocess.run(  # noqa: S603  our own script
        [which("node"), FOLDER / "jsforce.mjs"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return what the whole path scored, what jsforce saw, and what the org holds after it."""
    folder = tmp_path_factory.mktemp("jsforce")
    with stage(folder, crm="salesforce") as running:
        list(wait_for(running, running.arrive(12, seed=7), 60.0))
        scored = {each.record: each for each in running.scored()}
        first = min(scored)
        asked = {
            "loginUrl": running.urls["salesforce"].rstrip("/"),
            "clientId": running.env["SALESFORCE_CONSUMER_KEY"],
            "clientSecret": running.env["SALESFORCE_CONSUMER_SECRET"],
            "ids": sorted(scored),
            "fields": [NAMES["score"], NAMES["tier"], NAMES["reasons"], NAMES["respond_by"]],
            "update": [{"Id": each, "Status": "Working - Contacted"} for each in sorted(scored)],
        }
        told = jsforce(asked)
        wrong = jsforce({**asked, "clientSecret": "another"})
        status = running.salesforce.record("Lead", first)["Status"]
        tier = running.salesforce.record("Lead", first)[NAMES["tier"]]
    assert "error" not in told, told
    return {"scored": scored, "told": told, "wrong": wrong, "status": status, "tier": tier}


def test_jsforce_reads_the_scores_that_the_whole_path_wrote(found):
    scored, records = found["scored"], found["told"]["records"]

    assert len(scored) == 12
    assert {i: r[NAMES["tier"]] for i, r in records.items()} == {
        i: each.tier for i, each in scored.items()
    }
    assert {i: r[NAMES["score"]] for i, r in records.items()} == {
        i: each.score for i, each in scored.items()
    }
    assert any(r[NAMES["reasons"]] for r in records.values())
    assert any(r[NAMES["respond_by"]] for r in records.values())


def test_jsforce_finds_them_by_a_query(found):
    assert found["told"]["queried"] == sorted(found["scored"])
    assert found["told"]["total"] == 12


def test_jsforce_describes_our_fields_with_their_types(found):
    types = found["told"]["types"]

    for meaning, name in NAMES.items():
        assert types[name][0] in TYPES[OUTPUT_KINDS[meaning].kind], name
    assert types[NAMES["tier"]][1] == list(TIERS)


def test_jsforce_updates_by_collections_and_our_tier_stays(found):
    assert found["told"]["updated"] == [True] * 12
    assert found["status"] == "Working - Contacted"
    assert found["tier"] in TIERS


def test_jsforce_is_refused_a_tier_that_is_none(found):
    assert {json.dumps(each) for each in found["told"]["refused"]} == {
        '[false, ["INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]]'
    }


def test_jsforce_is_refused_with_another_secret(found):
    assert "invalid_client" in found["wrong"]["error"]
