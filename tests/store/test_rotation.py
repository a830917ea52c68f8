"""Master keys turn under load, survive a kill, and none that is needed is retired (S50)."""

import threading
import time
from dataclasses import replace
from datetime import date

import pytest

from store.audit import SYSTEM
from store.due import Claim
from store.keys import KeyFile, KeyFileError, MasterKeys, new_key_file, parse_keys
from store.leads import Batch, ScoredLead
from store.retired_keys import RetiredKeyError
from store.rooms import open_store
from store.rotation import KeyNeededError
from store.schema import inbox, ledger

DAY = date(2026, 11, 23)


@pytest.fixture
def source(tmp_path):
    new_key_file(tmp_path / "secret" / "master.key", DAY)
    return KeyFile(tmp_path / "secret" / "master.key")


@pytest.fixture
def open_(database_url, source, tmp_path):
    """Return what opens the store as a process of its own would."""
    opened = []

    def open_it(keys=None):
        opened.append(open_store(database_url, keys or source.read(), tmp_path / "heads"))
        opened[-1].accounts.ensure([("portal", "hubspot", "1")])
        return opened[-1]

    yield open_it
    for found in opened:
        found.close()


def scored(record_id):
    claim = Claim(
        record_id=record_id,
        cause="changed",
        version=1,
        attempts=0,
        first_failed_at=None,
        since_at=None,
    )
    return ScoredLead(
        claim=claim,
        score=50,
        tier="warm",
        model_version="m",
        valid_until=None,
        respond_by=None,
        first_response_at=None,
        facts=b"facts of " + record_id.encode(),
        reasons=b"reasons",
        written_hash=None,
    )


def save(store, clock, *ids, states=None):
    lease = store.accounts.take("portal", "one")
    if states is None:
        states = store.leads.states("portal", "contact", ids)
    batch = Batch(object_type="contact", scored=[scored(i) for i in ids])
    store.leads.save(lease, batch, states, clock())
    store.accounts.release(lease)


def put(store, clock):
    return store.inbox.append(account_id="portal", kind="hubspot", body=b"body", at=clock())


def turn(source):
    return source.change(lambda keys: keys.with_pending(DAY).with_pending_as_primary())


def facts(store, record_id):
    return store.leads.facts("portal", "contact", record_id)


def test_s050_every_wrapped_key_of_the_schema_is_turned():
    wrapped = {
        f"{table.name}.{column.name}"
        for table in [*inbox.sorted_tables, *ledger.sorted_tables]
        for column in table.columns
        if column.name.startswith("wrapped_")
    }

    assert wrapped == {"lead.wrapped_key", "delivery_key.wrapped_key", "token.wrapped_key"}


def test_s050_a_key_goes_from_pending_to_retired(source):
    assert source.read().state(1) == "primary"
    source.change(lambda keys: keys.with_pending(DAY))
    assert [source.read().state(n) for n in (1, 2)] == ["primary", "pending"]
    source.change(lambda keys: keys.with_pending_as_primary())
    assert [source.read().state(n) for n in (1, 2)] == ["decrypt-only", "primary"]
    source.change(lambda keys: keys.without(1))
    assert [source.read().state(n) for n in (1, 2)] == ["retired", "primary"]
    assert source.read().made_on == {1: DAY, 2: DAY}
    assert source.change(lambda keys: keys.with_pending(DAY)).pending == 3


def test_s050_the_primary_key_and_an_unknown_one_are_not_retired(source):
    for number, words in ((1, "primary"), (7, "not here")):
        with pytest.raises(KeyFileError, match=words):
            source.change(lambda keys, number=number: keys.without(number))


def test_s050_hashes_outlive_the_oldest_key_and_it_is_gone_from_the_file(source):
    before = source.read()
    turn(source)
    after = source.change(lambda keys: keys.without(1))

    assert after.hash_key() == before.hash_key()
    assert before.keys[1].hex() not in source.path.read_text("ascii")
    assert parse_keys(after.to_text(), "x") == replace(after, source=None)


def test_s050_everything_is_wrapped_anew_and_opens_without_the_old_key(open_, source, clock):
    store = open_()
    save(store, clock, "501", "502", "503")
    put(store, clock)
    new = turn(source)
    assert store.rotation.uses() == {1: {"lead": 3, "delivery_key": 1}}

    steps = []
    assert store.rotation.rewrap("ada", clock(), steps.append, keys_a_commit=2) == 4
    assert sum(steps) == 4
    assert store.rotation.uses() == {2: {"lead": 3, "delivery_key": 1}}
    store.rotation.retire(1, "ada", clock())

    later = open_(new.without(1))
    assert facts(later, "502") == b"facts of 502"
    assert [item.body for item in later.inbox.waiting(9)] == [b"body"]
    assert [row.act.act for row in later.audit.rows(SYSTEM)] == ["keys.rewrapped", "keys.retired"]
    assert later.audit.verify(SYSTEM) == (2, None)


def test_s050_a_running_process_takes_up_new_keys_by_itself(open_, source, clock):
    old = open_()
    save(old, clock, "501")
    turn(source)
    new = open_()
    save(new, clock, "502")

    assert facts(old, "502") == b"facts of 502"  # a number it did not know
    time.sleep(1.0)
    save(old, clock, "503")
    assert old.rotation.uses() == {1: {"lead": 1}, 2: {"lead": 2}}


def test_s050_a_save_of_facts_read_before_does_not_undo_the_rotation(open_, source, clock):
    store = open_()
    save(store, clock, "501")
    states = store.leads.states("portal", "contact", ["501"])
    turn(source)
    store.rotation.rewrap("ada", clock())
    save(store, clock, "501", states=states)

    assert store.rotation.uses() == {2: {"lead": 1}}
    assert facts(store, "501") == b"facts of 501"


def test_s050_a_key_that_is_needed_is_not_retired(open_, source, clock):
    store = open_()
    save(store, clock, "501")
    turn(source)

    with pytest.raises(KeyNeededError, match="still wraps 1 keys of lead"):
        store.rotation.retire(1, "ada", clock())
    store.rotation.rewrap("ada", clock())
    store.rotation.retire(1, "ada", clock())
    store.rotation.retire(1, "ada", clock())


def test_s050_who_slept_through_it_all_stores_nothing_under_a_retired_key(open_, source, clock):
    asleep = open_(MasterKeys(1, source.read().keys))  # it never looks again
    turn(source)
    store = open_()
    store.rotation.retire(1, "ada", clock())

    with pytest.raises(RetiredKeyError, match="master key 1 is retired"):
        save(asleep, clock, "501")
    assert facts(store, "501") is None
    with pytest.raises(Exception, match="RetiredKeyError"):
        put(asleep, clock)
    assert store.inbox.waiting(9) == []


class Killed(BaseException):
    pass


def test_s050_a_rotation_killed_after_any_batch_goes_on(open_, source, clock):
    store = open_()
    ids = [str(n) for n in range(500, 507)]
    save(store, clock, *ids)
    put(store, clock)
    turn(source)
    counts = []
    for _ in range(20):
        steps = iter([None])

        def die(count, steps=steps):
            counts.append(count)
            if count and next(steps, "over") == "over":
                raise Killed

        try:
            open_().rotation.rewrap("ada", clock(), die, keys_a_commit=1)
        except Killed:
            assert all(facts(store, i) == b"facts of " + i.encode() for i in ids)
        else:
            break

    assert sum(counts) == 8
    assert store.rotation.left() == 0


@pytest.mark.parametrize("killed_at", ["unlink", "replace"])
def test_s050_a_key_file_killed_half_way_is_the_old_or_the_new_one(source, killed_at, monkeypatch):
    before = source.read()

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(type(source.path), killed_at, die)
        with pytest.raises(Killed):
            turn(source)
    assert source.read() == before
    turn(source)
    assert source.read().primary == 2
    assert source.path.stat().st_mode & 0o777 == 0o600


def test_s050_two_that_rotate_at_once_lose_no_key(source):
    threads = [threading.Thread(target=turn, args=(source,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert source.read().numbers == [1, 2, 3, 4, 5, 6, 7]


def test_s050_under_load_everything_opens_all_the_time(open_, source, clock):
    first = open_()
    ids = [str(n) for n in range(1000, 1080)]
    save(first, clock, *ids)
    faults, ends, rounds = [], threading.Event(), []

    def work(store, mine):
        try:
            while not ends.is_set():
                save(store, clock, *mine)
                put(store, clock)
                assert all(facts(store, i) == b"facts of " + i.encode() for i in mine)
                rounds.append(1)
        except Exception as error:  # noqa: BLE001  the test tells
            faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(open_(), ids[:40]))]
    for thread in threads:
        thread.start()
    for _ in range(3):
        turn(source)
        open_().rotation.rewrap("ada", clock(), keys_a_commit=10)
    ends.set()
    for thread in threads:
        thread.join()

    assert faults == []
    assert rounds
    last = open_()
    last.rotation.rewrap("ada", clock())
    assert set(last.rotation.uses()) == {4}
    only = MasterKeys(4, {4: source.read().keys[4]}, retired={1: source.read().hash_key()})
    bare = open_(only)
    assert all(facts(bare, i) for i in ids)


def test_s053_keys_that_do_not_open_stay_as_they_are(open_, source, clock):
    store = open_()
    save(store, clock, "501")
    stranger = MasterKeys(9, {8: b"\x08" * 32, 9: b"\x09" * 32})

    assert open_(stranger).rotation.rewrap("ada", clock()) == 0
    assert facts(store, "501") == b"facts of 501"
