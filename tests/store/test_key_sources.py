"""One contract for all sources of master keys (S51)."""

import logging
from datetime import date

import pytest

from store.key_sources import Credential, Environment, Keyring, Watch
from store.keys import KeyFile, KeyFileError, MasterKeys, ReadOnlyKeysError

DAY = date(2026, 11, 23)
KEYS = MasterKeys(2, {1: b"\x5a" * 32, 2: b"\xa5" * 32}, made_on={2: DAY})
WORSE = "2 primary MARKER" + "5a" * 32


class FakeRing:
    """A keyring in a dict."""

    def __init__(self):
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        self.held[(service, username)] = password


class LockedRing(FakeRing):
    def get_password(self, service, username):
        raise RuntimeError("MARKER")


def make(kind, folder, text):
    """Return a source of `kind` that holds `text`; None holds nothing."""
    folder.mkdir(exist_ok=True)
    path = folder / "keys"
    if kind == "environment":
        return Environment("LEADSCORE_MASTER_KEY", text or "")
    if kind == "keyring":
        ring = FakeRing()
        if text is not None:
            ring.set_password("leadscore", "clinic", text)
        return Keyring("clinic", ring)
    if text is not None:
        path.write_text(text, encoding="ascii")
        path.chmod(0o600)
    return KeyFile(path) if kind == "file" else Credential(folder, "keys")


KINDS = ["file", "credential", "environment", "keyring"]
IN_PLACE = ["file", "keyring"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_s051_every_source_gives_the_keys_and_knows_them_as_its_own(kind, tmp_path):
    source = make(kind, tmp_path / "x", KEYS.to_text())
    found = source.read()

    assert found == KEYS
    assert found.source is source
    assert source.name
    assert source.mark() == source.mark()


@pytest.mark.parametrize("text", [None, "", WORSE])
def test_s051_what_is_missing_or_malformed_is_refused_and_never_shown(kind, text, tmp_path):
    with pytest.raises(KeyFileError) as refused:
        make(kind, tmp_path / "x", text).read()

    assert "MARKER" not in str(refused.value)
    assert "5a5a" not in str(refused.value)


def test_s051_a_source_is_changed_in_place_or_says_what_to_put_where(kind, tmp_path):
    source = make(kind, tmp_path / "x", KEYS.to_text())

    if kind in IN_PLACE:
        before = source.mark()
        new = source.change(lambda keys: keys.with_pending(DAY))
        assert source.read() == new
        assert new.source is source
        assert source.mark() != before
    else:
        with pytest.raises(ReadOnlyKeysError, match="--to FILE"):
            source.change(lambda keys: keys.with_pending(DAY))
        assert source.read() == KEYS


def test_s052_no_description_of_a_source_or_its_keys_shows_one(kind, tmp_path):
    source = make(kind, tmp_path / "x", KEYS.to_text())

    assert "5a5a" not in repr(source) + repr(source.read()) + source.name


def test_s052_a_credential_others_may_read_is_refused_and_a_group_is_not(tmp_path):
    source = make("credential", tmp_path, KEYS.to_text())
    (tmp_path / "keys").chmod(0o440)
    assert source.read() == KEYS
    (tmp_path / "keys").chmod(0o444)
    with pytest.raises(KeyFileError, match="others may read"):
        source.read()


def test_s051_a_credential_without_a_service_manager_says_so():
    with pytest.raises(KeyFileError, match="LoadCredentialEncrypted=keys"):
        Credential(None, "keys").read()


def test_s051_a_keyring_that_fails_says_so_without_its_words():
    with pytest.raises(KeyFileError, match="RuntimeError") as refused:
        Keyring("clinic", LockedRing()).read()

    assert "MARKER" not in str(refused.value)


def test_s050_a_watch_sees_a_change_once(tmp_path, clock):
    source = make("file", tmp_path / "x", KEYS.to_text())
    ticks = iter(range(0, 100, 2))
    watch = Watch(source.read(), lambda: next(ticks))

    assert watch.look() is None
    new = source.change(lambda keys: keys.with_pending(DAY))
    assert watch.look() == new
    assert watch.look() is None


def test_s050_a_watch_keeps_the_keys_when_their_file_is_spoilt(tmp_path, caplog):
    source = make("file", tmp_path / "x", KEYS.to_text())
    watch = Watch(source.read())
    for spoilt in (WORSE, "3 primary " + "cc" * 32, None):
        if spoilt is None:
            source.path.unlink()
        else:
            source.path.write_text(spoilt, encoding="ascii")
        assert watch.look(is_urgent=True) is None

    assert {record.message for record in caplog.records} == {
        "keys.not_read",
        "keys.oldest_is_missing",
    }
    assert caplog.records[0].levelno == logging.WARNING
