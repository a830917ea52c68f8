import stat

import pytest

from store.keys import KeyFileError, keys_from_file, keys_from_text, new_key_file, parse_keys

LINE = "1 primary " + "ab" * 32


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys" / "master.key"
    new_key_file(path)
    return path


def test_s052_a_new_key_file_is_its_owners_alone(key_file):
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert len(keys_from_file(key_file).keys[1]) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o660, 0o644, 0o777, 0o620])
def test_s052_a_key_file_others_may_use_is_refused(key_file, mode):
    key_file.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        keys_from_file(key_file)


def test_a_key_is_never_overwritten(key_file):
    before = key_file.read_bytes()

    with pytest.raises(FileExistsError):
        new_key_file(key_file)
    assert key_file.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "1 primary " + "ab" * 31,
        "1 primary " + "AB" * 32,
        "1 primary " + "ab" * 33,
        "x primary " + "ab" * 32,
        "1 retired " + "ab" * 32,
        LINE + "\n2 primary " + "cd" * 32,
        LINE + "\n1 decrypt-only " + "cd" * 32,
        "1 decrypt-only " + "ab" * 32,
    ],
)
def test_s052_a_malformed_key_is_refused_and_never_shown(text):
    with pytest.raises(KeyFileError) as refused:
        parse_keys(text, "master.key")

    assert "ababab" not in str(refused.value).lower()


def test_a_key_may_come_as_64_digits_alone():
    assert keys_from_text("ab" * 32 + "\n", "LEADSCORE_MASTER_KEY").primary == 1
    assert set(keys_from_text(LINE + "\n3 decrypt-only " + "cd" * 32, "x").keys) == {1, 3}


def test_a_missing_or_unreadable_key_file_says_what_to_do(tmp_path):
    with pytest.raises(KeyFileError, match="leadscore init"):
        keys_from_file(tmp_path / "none")
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys_from_file(tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys_from_file(binary)
