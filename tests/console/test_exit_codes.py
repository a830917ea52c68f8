"""Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 cannot reach a dependency."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from console.cli import main


@pytest.fixture
def leadscore(tmp_path, practice_text, environment):
    """Return what runs a command in a folder with a good configuration; `changes` spoil it."""
    (tmp_path / "practice.toml").write_text(practice_text, encoding="utf-8")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "master.key").write_text("1 primary " + "5a" * 32 + "\n", encoding="ascii")
    (keys / "master.key").chmod(0o600)

    def run(*arguments, given="", **changes):
        env = {
            "PATH": os.environ["PATH"],  # noqa: TID251  a process of its own
            **environment,
            "LEADSCORE_PORT": "0",
            **changes,
        }
        return subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "console", *arguments],
            cwd=tmp_path,
            env={name: value for name, value in env.items() if value is not None},
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield str(taken.getsockname()[1])


def test_init_writes_once_and_never_replaces(leadscore, tmp_path):
    (tmp_path / "practice.toml").unlink()
    key = (tmp_path / "keys/master.key").read_text("ascii")

    assert leadscore("init").returncode == 0
    assert leadscore("init").returncode == 1
    assert leadscore("init", "--force").returncode == 0
    assert (tmp_path / "keys/master.key").read_text("ascii") == key


def test_init_where_nothing_can_be_written_is_a_usage_error(leadscore):
    done = leadscore("init", LEADSCORE_PRACTICE="/dev/null/practice.toml")

    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "doctor", "provision"])
def test_a_wrong_configuration_is_2_with_every_problem(leadscore, command):
    done = leadscore(command, LEADSCORE_PORT="x", HS_TOKEN=None, SF_PATH="MARKER")

    assert done.returncode == 2
    for hint in ("LEADSCORE_PORT", "HS_TOKEN is not set", "path_token"):
        assert hint in done.stderr
    assert "MARKER" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_a_missing_practice_file_is_2_with_a_remedy(leadscore, command):
    done = leadscore(command, LEADSCORE_PRACTICE="none.toml")

    assert done.returncode == 2
    assert "leadscore init" in done.stderr


def test_doctor_tells_a_wrong_configuration_as_json(leadscore):
    done = leadscore("doctor", "--json", HS_TOKEN=None)
    told = json.loads(done.stdout)

    assert done.returncode == 2
    assert not told["ok"]
    assert any("HS_TOKEN" in finding["detail"] for finding in told["findings"])


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_s052_serve_refuses_a_key_file_that_others_may_read(leadscore, tmp_path, mode):
    (tmp_path / "keys/master.key").chmod(mode)
    done = leadscore("serve")

    assert done.returncode == 2
    assert "chmod 600" in done.stderr
    assert "5a5a" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////dev/null/x.db",
        "sqlite:///text.db",
        "postgresql+psycopg://scores:MARKER@127.0.0.1:1/scores",
    ],
)
def test_serve_without_a_database_is_3(leadscore, tmp_path, url):
    (tmp_path / "text.db").write_text("no database " * 500, encoding="ascii")
    done = leadscore("serve", DATABASE_URL=url)

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "MARKER" not in done.stderr


def test_an_address_of_another_kind_is_2_and_shows_no_password(leadscore):
    done = leadscore("serve", DATABASE_URL="postgres://scores:MARKER@127.0.0.1/scores")

    assert done.returncode == 2
    assert "DATABASE_URL: must begin with sqlite:/// or postgresql+psycopg://" in done.stderr
    assert "MARKER" not in done.stderr


def test_s025_a_server_that_may_lose_commits_is_3_and_a_finding(
    leadscore, postgres, postgresql_url
):
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    told = leadscore("doctor", DATABASE_URL=postgresql_url)
    assert "ok    PostgreSQL version" in told.stdout
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = off")

    done = leadscore("serve", DATABASE_URL=postgresql_url)
    told = leadscore("doctor", DATABASE_URL=postgresql_url)
    assert done.returncode == 3
    assert "synchronous_commit is off" in done.stderr
    assert "WRONG database and key: PostgreSQL: synchronous_commit is off" in told.stdout


def test_serve_on_a_taken_port_is_3(leadscore, busy_port):
    done = leadscore("serve", LEADSCORE_PORT=busy_port)

    assert done.returncode == 3
    assert "LEADSCORE_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_s080_doctor_finds_that_there_is_no_room_for_the_disk_reserve(leadscore):
    told = leadscore("doctor", "--json", LEADSCORE_DISK_RESERVE_MB="1")
    [held] = [row for row in json.loads(told.stdout)["findings"] if row["check"] == "disk reserve"]
    told = leadscore("doctor", "--json", LEADSCORE_DISK_RESERVE_MB="0")
    checks = [row["check"] for row in json.loads(told.stdout)["findings"]]
    with_too_much = leadscore("doctor", LEADSCORE_DISK_RESERVE_MB="100000000")

    assert held["ok"]
    assert "disk reserve" not in checks
    assert "WRONG disk reserve: there is no room for 100000000 MB" in with_too_much.stdout


def test_doctor_without_its_crms_is_3(leadscore, tmp_path, practice_text):
    text = practice_text.replace("https://clinic-demo.my.salesforce.com", "http://127.0.0.1:1")
    text = text.replace('portal_id = "', 'base_url = "http://127.0.0.1:1"\nportal_id = "')
    (tmp_path / "practice.toml").write_text(text, encoding="utf-8")
    done = leadscore("doctor")

    assert done.returncode == 3
    assert "no answer from http://127.0.0.1:1" in done.stdout


@pytest.mark.parametrize("command", ["serve", "receive", "work"])
def test_a_signal_ends_the_service_with_0(leadscore, tmp_path, environment, command):
    env = {**environment, "PATH": os.environ["PATH"], "LEADSCORE_PORT": "0"}  # noqa: TID251
    with subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-m", "console", command],
        cwd=tmp_path,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        for line in running.stderr:
            if "listening on" in line:
                break
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        try:
            assert running.wait(10) == 0
        finally:
            running.kill()
        assert time.monotonic() - began < 3.0
        assert "Traceback" not in running.stderr.read()


GOOD = '{"id": 1, "text": "I want to book a cleaning"}\n'


@pytest.mark.parametrize(
    ("given", "arguments", "code"),
    [
        (GOOD, (), 0),
        ("", (), 0),
        (GOOD + "{\n" + GOOD, (), 1),
        (GOOD, ("--now", "soon"), 2),
        (GOOD, ("--now", "2026-11-23T08:00:00"), 2),
        (GOOD, ("--model", "none.toml"), 2),
        (GOOD, ("--model", "generl"), 2),
        (GOOD, ("--bogus",), 2),
        (GOOD, ("no-such-file",), 2),
    ],
)
def test_score_ends_with_the_code_of_what_it_found(given, arguments, code):
    done = CliRunner().invoke(main, ["score", *arguments], input=given)

    assert done.exit_code == code
    assert len(done.stdout.splitlines()) == (len(given.splitlines()) if code < 2 else 0)


def test_the_scores_come_out_as_lines_of_json(leadscore):
    done = leadscore("score", given=GOOD + GOOD)

    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 1]


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("serve", "--help")])
def test_help_is_0(arguments):
    assert CliRunner().invoke(main, list(arguments)).exit_code == 0


def test_an_unknown_command_is_2():
    assert CliRunner().invoke(main, ["serv"]).exit_code == 2


def test_a_signal_in_the_first_moment_is_not_lost(leadscore, tmp_path, environment):
    """The signal comes while threads are being started: it waits until somebody waits for it."""
    env = {**environment, "PATH": os.environ["PATH"], "LEADSCORE_PORT": "0"}  # noqa: TID251
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-m", "console", "serve"],
            cwd=tmp_path,
            env=env,
            stderr=subprocess.PIPE,
        ) as running:
            for line in running.stderr:
                if b"service.started" in line or b"listening" in line:
                    break
            for _ in range(3):
                running.send_signal(signal.SIGINT)
            try:
                assert running.wait(5) == 0
            finally:
                running.kill()
