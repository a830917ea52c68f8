"""The commands about models, as a person runs them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.cli import main

NOW = "2026-03-04T15:00:00+00:00"
LEADS = [
    {"id": "a", "text": "How much is an implant? I want to book", "fields": {"has_phone": True}},
    {"id": "b", "fields": {"channel": "call", "has_phone": True, "inquiry_type": "appointment_request", "urgency": "urgent", "insurance_status": "medicare", "procedures": ["dental_implant"]}},
    {"id": "c", "fields": {"has_email": True}},
    {"id": "d", "text": "I can't breathe"},
]  # fmt: skip
OWN = """
name = "own"
extends = "general"
[tiers]
warm = { at_least = 10, respond_within_minutes = 60 }
nurture = { at_least = 5, respond_within_minutes = 60 }
hot = { at_least = 95, respond_within_minutes = 5 }
[[rules]]
id = "engagement.email"
points = 12
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.jsonl").write_text("".join(json.dumps(lead) + "\n" for lead in LEADS))
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path


def run(*arguments, stdin=None):
    return CliRunner().invoke(main, arguments, input=stdin)


def test_score_gives_the_same_bytes_with_one_process_and_with_two(folder):
    many = "".join((folder / "leads.jsonl").read_text() for _ in range(300)) + "{\n"
    (folder / "many.jsonl").write_text(many)

    one = run("score", "many.jsonl", "--now", NOW)
    two = run("score", "many.jsonl", "--now", NOW, "--jobs", "2")

    assert (one.exit_code, two.exit_code) == (1, 1)
    assert one.stdout == two.stdout
    assert len(one.stdout.splitlines()) == 1201
    assert "1 of 1,201 lines could not be scored" in one.stderr


@pytest.mark.parametrize("name", ["plot.png", "plot.svg"])
def test_score_draws_scores_and_tiers(folder, name):
    found = run("score", "leads.jsonl", "--now", NOW, "--plot", name)
    first = (folder / name).read_bytes()
    run("score", "leads.jsonl", "--now", NOW, "--plot", name)

    assert found.exit_code == 0
    assert first[:4] in {b"\x89PNG", b"<?xm"}
    assert (folder / name).read_bytes() == first


def test_a_plot_that_cannot_be_drawn_is_refused_before_any_work(folder):
    found = run("score", "leads.jsonl", "--plot", "plot.jpg")

    assert (found.exit_code, found.stdout) == (2, "")
    assert "must end in .png or .svg" in found.stderr


def test_a_line_too_long_is_refused_and_the_next_is_scored(folder):
    (folder / "long.jsonl").write_bytes(b'{"id": "' + b"x" * 5_000_000 + b'"}\n{"id": 1, "fields": {"has_phone": true}}\n')  # fmt: skip

    found = run("score", "long.jsonl", "--now", NOW)

    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line.get("error", {}).get("code") for line in lines] == ["too_long", None]


def test_check_model_sums_up_a_good_model(folder):
    found = run("check-model", "own.toml")

    assert found.exit_code == 0
    assert "extends general" in found.stdout
    assert json.loads(run("check-model", "dental", "--json").stdout)["cases"] == 8


def test_check_model_tells_problems_and_ends_with_2(folder):
    (folder / "own.toml").write_text(OWN.replace("points = 12", "pionts = 12\npoints = 0"))

    found = run("check-model", "own.toml")
    told = json.loads(run("check-model", "own.toml", "--json").stdout)

    assert found.exit_code == 2
    assert "own.toml: 2 problems" in found.stderr
    assert "rules[0].pionts: unknown key; did you mean 'points'?" in found.stderr
    assert {"path": "rules[0].points", "message": "must be -100 to 100 and not 0, found 0"} in told["problems"]  # fmt: skip


def test_check_model_tells_a_case_that_does_not_come_out(folder):
    case = '\n[[cases]]\nname = "wrong"\ntier = "hot"\nlead = { fields = { has_phone = true } }\n'
    (folder / "own.toml").write_text(OWN + case)

    found = run("check-model", "own.toml")

    assert found.exit_code == 2
    assert "cases[0].tier: 'wrong' should be hot, is nurture (score 8: " in found.stderr  # fmt: skip


def test_diff_says_who_moves_and_why(folder):
    found = json.loads(run("diff", "general", "own.toml", "--leads", "leads.jsonl", "--now", NOW, "--json").stdout)  # fmt: skip

    moves = {move["id"]: move for move in found["moves"]}
    assert (moves["b"]["before"], moves["b"]["after"]) == ("hot", "warm")
    assert moves["b"]["causes"] == [{"code": "tiers", "points": 0}]
    assert {"code": "engagement.email", "points": 10} in moves["c"]["causes"]
    assert found["matrix"]["clinical"] == {"clinical": 1}
    assert sum(sum(row.values()) for row in found["matrix"].values()) == found["leads"] == 4


def test_diff_prints_a_matrix(folder):
    found = run("diff", "general", "own.toml", "--leads", "leads.jsonl", "--now", NOW)

    assert found.exit_code == 0
    assert "before \\ after" in found.stdout
    assert "engagement.email" in found.stdout


def test_inputs_prints_the_register(folder, practice_text, monkeypatch):
    (folder / "practice.toml").write_text(practice_text)
    monkeypatch.setenv("LEADSCORE_PRACTICE", "practice.toml")

    table = run("inputs")
    listed = json.loads(run("inputs", "--json").stdout)

    assert table.exit_code == 0
    assert "proxies tell something about a protected trait" in table.stderr
    assert {"field", "crm", "property", "rules", "status", "about", "override_reason"} == set(listed[0])  # fmt: skip


def test_the_bar_leaves_the_scores_on_standard_output(folder):
    """On a real terminal: a bar that takes standard output over would swallow the scores."""
    command = [
        str(Path(sys.executable).with_name("leadscore")),
        "score",
        "leads.jsonl",
        "--now",
        NOW,
    ]
    main_end, terminal = pty.openpty()
    with (folder / "out.jsonl").open("wb") as out:
        done = subprocess.run(  # noqa: S603  # our own command
            command, cwd=folder, stdout=out, stderr=terminal, check=False, timeout=60
        )
    os.close(terminal)
    shown = os.read(main_end, 65_536)
    os.close(main_end)

    assert done.returncode == 0
    assert len((folder / "out.jsonl").read_text().splitlines()) == len(LEADS)
    assert b"4 lines" in shown
