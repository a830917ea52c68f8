"""Keys turn under a running receiver while `keys rotate` is killed again and again (S50)."""

import os
import random
import re
import subprocess
import sys
import threading
import time

import pytest

from store.keys import KeyFile, MasterKeys, new_key_file
from store.rooms import open_store
from webhooks.wiring import utc_now

SEED = 50


@pytest.fixture
def process(tmp_path, practice_text, environment, database_url):
    """Return what starts one of our commands as a process of its own; all are ended."""
    (tmp_path / "practice.toml").write_text(practice_text, encoding="utf-8")
    new_key_file(tmp_path / "secret" / "master.key")
    env = {
        "PATH": os.environ["PATH"],  # noqa: TID251  a process of its own
        **environment,
        "DATABASE_URL": database_url,
        "LEADSCORE_MASTER_KEY_FILE": str(tmp_path / "secret" / "master.key"),
        "LEADSCORE_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    running = []

    def start(*arguments):
        with (tmp_path / f"out{len(running)}").open("wb") as out:
            running.append(
                subprocess.Popen(  # noqa: S603  our own command
                    [sys.executable, "-m", "console", *arguments],
                    cwd=tmp_path,
                    env=env,
                    stdout=out,
                    stderr=out,
                )
            )
        return running[-1], tmp_path / f"out{len(running) - 1}"

    yield start
    for part in running:
        part.kill()
        part.wait()


def port_of(output):
    ends = time.monotonic() + 15
    while True:
        found = re.search(rb"listening on http://127.0.0.1:(\d+)", output.read_bytes())
        if found:
            return int(found.group(1))
        assert time.monotonic() < ends, "it does not listen"
        time.sleep(0.02)


def test_s050_no_delivery_is_lost_and_none_fails_to_open(
    process, database_url, tmp_path, signed, events, raw, request_bytes
):
    _, output = process("receive")
    port = port_of(output)
    ends, accepted = threading.Event(), []

    def send():
        while not ends.is_set():
            body = events(1000 + len(accepted))
            reply = raw(port, request_bytes("/webhooks/hubspot", body, signed(body, at=utc_now())))
            assert b" 200 " in reply
            accepted.append(body)

    thread = threading.Thread(target=send)
    thread.start()
    dice = random.Random(SEED)  # noqa: S311  dice
    killed = 0
    for _ in range(12):
        rotation, _ = process("keys", "rotate")
        try:
            rotation.wait(dice.uniform(0.1, 0.8))
        except subprocess.TimeoutExpired:
            rotation.kill()
            killed += 1
    last, told = process("keys", "rotate")
    assert last.wait(60) == 0, told.read_text("utf-8")
    ends.set()
    thread.join()

    keys = KeyFile(tmp_path / "secret" / "master.key").read()
    assert killed
    assert keys.primary > 1
    assert b"does_not_open" not in output.read_bytes()
    only = MasterKeys(keys.primary, {1: bytes(32), keys.primary: keys.keys[keys.primary]})
    store = open_store(database_url, only, tmp_path / "heads")
    assert sorted(item.body for item in store.inbox.waiting(100_000)) == sorted(accepted)
    store.close()
