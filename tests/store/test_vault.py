import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from store.keys import MasterKeys
from store.vault import Cell, DataKey, Vault, VaultError

VECTORS = json.loads((Path(__file__).parent / "vectors/vault.v1.json").read_text("utf-8"))
CELL = Cell("portal", "lead", "sealed_facts", "contact:501")
KEY_CELL = Cell("portal", "lead", "wrapped_key", "contact:501")


@pytest.fixture
def vault(keys):
    return Vault(keys)


@pytest.fixture
def key(vault):
    return vault.new_key(KEY_CELL)[0]


def test_s047_the_frozen_vectors_open():
    master = bytes.fromhex(VECTORS["master_key"])
    vault = Vault(MasterKeys(VECTORS["master_key_number"], {1: master}))

    key = vault.unwrap(
        bytes.fromhex(VECTORS["wrapped"]["bytes"]), Cell(*VECTORS["wrapped"]["cell"])
    )
    assert key.key_id.hex() == VECTORS["key_id"]
    for row in VECTORS["sealed"]:
        plain = key.open(bytes.fromhex(row["sealed"]), Cell(*row["cell"]))
        assert plain.hex() == row["plaintext"]


def test_s047_the_keyed_hash_is_frozen():
    row = VECTORS["keyed_hash"]
    vault = Vault(MasterKeys(1, {1: bytes.fromhex(VECTORS["master_key"])}))

    found = vault.keyed_hash(row["purpose"], row["account"], bytes.fromhex(row["value"]))
    assert found.hex() == row["hash"]


@pytest.mark.parametrize("version", [b"\x02\x01", b"\x01\x02", b"\x00\x00"])
def test_s047_an_unknown_format_fails_loudly(vault, key, version):
    _, wrapped = vault.new_key(KEY_CELL)

    with pytest.raises(VaultError, match="unknown format"):
        key.open(version + key.seal(b"x", CELL)[2:], CELL)
    with pytest.raises(VaultError, match="unknown format"):
        vault.unwrap(version + wrapped[2:], KEY_CELL)


CELLS = [
    CELL,
    replace(CELL, account_id="org"),
    replace(CELL, table="score_history"),
    replace(CELL, column="sealed_reasons"),
    replace(CELL, row="contact:502"),
    # The same letters, cut at other places: each part is bound with its length.
    Cell("portall", "ead", "sealed_facts", "contact:501"),
    Cell("portal", "leads", "ealed_facts", "contact:501"),
    Cell("portal", "lead", "sealed_factsc", "ontact:501"),
    Cell("", "portallead", "sealed_facts", "contact:501"),
]


@pytest.mark.parametrize(("sealed_for", "opened_as"), list(itertools.permutations(CELLS, 2)))
def test_s046_a_value_moved_to_another_place_is_refused(key, sealed_for, opened_as):
    with pytest.raises(VaultError):
        key.open(key.seal(b"invented", sealed_for), opened_as)


@pytest.mark.parametrize(("wrapped_for", "opened_as"), list(itertools.permutations(CELLS, 2)))
def test_s046_a_key_moved_to_another_place_is_refused(vault, wrapped_for, opened_as):
    with pytest.raises(VaultError):
        vault.unwrap(vault.new_key(wrapped_for)[1], opened_as)


def test_s046_each_flipped_byte_is_refused(vault, key):
    sealed = key.seal(b"invented text", CELL)
    wrapped = vault.new_key(KEY_CELL)[1]
    for at in range(len(sealed)):
        with pytest.raises(VaultError):
            key.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], CELL)
    for at in range(len(wrapped)):
        with pytest.raises(VaultError):
            vault.unwrap(wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :], KEY_CELL)


def test_s046_each_cut_or_longer_value_is_refused(vault, key):
    sealed, wrapped = key.seal(b"x", CELL), vault.new_key(KEY_CELL)[1]
    for at in range(len(sealed)):
        with pytest.raises(VaultError):
            key.open(sealed[:at], CELL)
    for at in range(len(wrapped)):
        with pytest.raises(VaultError):
            vault.unwrap(wrapped[:at], KEY_CELL)
    with pytest.raises(VaultError):
        key.open(sealed + b"\x00", CELL)
    with pytest.raises(VaultError):
        vault.unwrap(wrapped + b"\x00", KEY_CELL)


def test_s048_a_value_under_another_key_is_refused_before_it_is_decrypted(vault, key):
    other = vault.new_key(KEY_CELL)[0]
    # An opened cipher that would fail the test if it were used.
    object.__setattr__(other, "_cipher", None)

    with pytest.raises(VaultError, match="another data key"):
        other.open(key.seal(b"x", CELL), CELL)


def test_s048_a_wrapped_key_is_held_against_its_commitment(vault):
    one, other = vault.new_key(KEY_CELL)[1], vault.new_key(KEY_CELL)[1]

    with pytest.raises(VaultError, match="commitment"):
        vault.unwrap(one[:-32] + other[-32:], KEY_CELL)


def test_s045_nothing_opens_without_the_master_key(vault, keys):
    _, wrapped = vault.new_key(KEY_CELL)
    stranger = Vault(MasterKeys(1, {1: bytes(32)}))
    elsewhere = Vault(MasterKeys(2, {2: keys.keys[1]}))

    with pytest.raises(VaultError, match="another one"):
        stranger.unwrap(wrapped, KEY_CELL)
    with pytest.raises(VaultError, match="is not here"):
        elsewhere.unwrap(wrapped, KEY_CELL)


def test_s050_an_older_key_still_opens_and_the_primary_one_seals(keys):
    old = Vault(keys).new_key(KEY_CELL)[1]
    both = Vault(MasterKeys(2, {1: keys.keys[1], 2: b"\x07" * 32}))

    assert both.unwrap(old, KEY_CELL)
    assert both.new_key(KEY_CELL)[1][2:6] == b"\x00\x00\x00\x02"
    assert both.keyed_hash("p", "a", b"v") == Vault(keys).keyed_hash("p", "a", b"v")


def test_s044_two_seals_of_one_value_share_no_nonce(key):
    sealed = {key.seal(b"same", CELL) for _ in range(500)}

    assert len({value[10:22] for value in sealed}) == 500
    assert all(b"same" not in value for value in sealed)


def test_hashes_of_other_accounts_and_purposes_differ(vault):
    found = {
        vault.keyed_hash(purpose, account, value)
        for purpose, account, value in [
            ("delivery", "a", b"v"),
            ("written", "a", b"v"),
            ("delivery", "b", b"v"),
            ("delivery", "", b"av"),
            ("deliver", "y", b"av"),
        ]
    }

    assert len(found) == 5


def test_s052_no_description_shows_a_key(vault, keys):
    shown = repr(DataKey(bytes(range(32)))) + repr(keys) + repr(vault)

    assert bytes(range(32)).hex() not in shown
    assert "\\x01\\x02" not in shown
