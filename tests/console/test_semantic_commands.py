"""`LEADSCORE_SEMANTIC` from the environment to a flag, with the real model."""

import json
import logging
import os
import subprocess
import sys

import pytest

from config.settings import Settings
from webhooks.wiring import Service

#: Invented; neither rules nor weights flag it.
ONLY_BY_MEANING = "I ate a few too many of the sleepers and I feel far away"
TEXTS = [ONLY_BY_MEANING, "How much is teeth whitening?", "Crushing chest pain and sweating"]
LINES = "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(TEXTS))
ON = {"LEADSCORE_SEMANTIC": "on"}


@pytest.fixture
def leadscore(tmp_path, practice_text, environment):
    (tmp_path / "practice.toml").write_text(practice_text, encoding="utf-8")
    (tmp_path / "no-model").mkdir()

    def run(*arguments, given="", **changes):
        return subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "console", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment, **changes},  # noqa: TID251
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def tiers(done):
    return [json.loads(line)["tier"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_score_flags_by_meaning_where_it_is_on(leadscore, jobs):
    without = tiers(leadscore("score", "--jobs", jobs, given=LINES))
    with_it = tiers(leadscore("score", "--jobs", jobs, given=LINES, **ON))

    assert [tier == "clinical" for tier in without] == [False, False, True]
    assert [tier == "clinical" for tier in with_it] == [True, False, True]


def test_score_without_the_model_says_so_and_scores_as_before(leadscore):
    now = ("--now", "2026-11-23T08:01:00Z")
    without = leadscore("score", *now, given=LINES)

    found = leadscore("score", *now, given=LINES, LEADSCORE_SEMANTIC_MODEL="no-model", **ON)

    assert (found.returncode, found.stdout) == (0, without.stdout)
    assert "vocab.txt cannot be read" in found.stderr


@pytest.mark.parametrize(
    ("changes", "ok", "detail"),
    [
        ({}, True, "off"),
        (ON, True, "active"),
        ({**ON, "LEADSCORE_SEMANTIC_MODEL": "no-model"}, False, "not active: vocab.txt"),
    ],
)
def test_doctor_says_whether_it_is_active(leadscore, changes, ok, detail):
    findings = json.loads(leadscore("doctor", "--json", **changes).stdout)["findings"]

    [found] = [each for each in findings if each["check"] == "emergency gate, by meaning"]
    assert found["ok"] is ok
    assert found["detail"].startswith(detail)


def test_a_setting_that_is_neither_on_nor_off_is_a_usage_error(leadscore):
    done = leadscore("doctor", LEADSCORE_SEMANTIC="perhaps")

    assert done.returncode == 2
    assert "LEADSCORE_SEMANTIC" in done.stderr


def test_evaluate_text_measures_with_it_or_refuses(leadscore, tmp_path):
    row = {"id": "i", "lang": "en", "urgency": "emergency", "inquiry_type": "general_question"}
    row |= {"insurance": "unknown", "procedures": [], "booking_intent": 0, "trap": None}
    (tmp_path / "rows.jsonl").write_text(json.dumps({**row, "text": ONLY_BY_MEANING}), "utf-8")

    def hits(*options, **changes):
        done = leadscore("evaluate-text", "rows.jsonl", "--json", *options, **changes)
        return json.loads(done.stdout)["inquiries"]["emergency"]["recall"]["hits"]

    assert [hits(), hits("--semantic"), hits(**ON), hits("--no-semantic", **ON)] == [0, 1, 1, 0]
    refused = leadscore(
        "evaluate-text", "rows.jsonl", "--semantic", LEADSCORE_SEMANTIC_MODEL="no-model"
    )
    assert refused.returncode == 2
    assert "vocab.txt" in refused.stderr


@pytest.mark.parametrize("folder", [None, "no-model"])
def test_the_worker_uses_it_and_works_on_without(
    practice, secrets, keys, model, database_url, tmp_path, caplog, folder
):
    caplog.set_level(logging.INFO)
    service = Service(
        settings=Settings(
            database_url=database_url,
            listen_port=0,
            semantic=True,
            semantic_model=folder and tmp_path / folder,
        ),
        practice=practice,
        secrets=secrets,
        model=model,
        keys=keys,
    )
    service.stop()

    assert [work.meaning is not None for work in service.works] == [folder is None] * 2
    assert ("semantic.active" if folder is None else "semantic.not_active") in caplog.messages
