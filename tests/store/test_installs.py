"""Invitations, states and tokens of apps installed by OAuth."""

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from store.installs import INVITED_FOR, REFRESH_FOR, STATE_FOR
from store.keys import KeyFile, new_key_file
from store.rooms import open_store
from store.rotation import KeyNeededError
from store.vault import VaultError

DAY = date(2026, 11, 23)
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def installs(store):
    store.accounts.ensure([("portal", "hubspot", "1"), ("other", "hubspot", "2")])
    return store.installs


def keep(installs, clock, account="portal", mark="1"):
    installs.keep(
        account,
        access_token=f"access-{mark}",
        refresh_token=f"refresh-{mark}",
        expires_at=clock() + timedelta(minutes=30),
        actor="ann",
        now=clock(),
    )


def begun(installs, clock):
    account, state = installs.begin(installs.invite("portal", "ann", clock()), CHALLENGE, clock())
    assert account == "portal"
    return state


def test_state_is_good_once(installs, clock):
    state = begun(installs, clock)

    assert installs.redeem(state, CHALLENGE, clock()) == "portal"
    assert installs.redeem(state, CHALLENGE, clock()) is None


def test_state_of_another_browser_is_refused_and_used_up(installs, clock):
    state = begun(installs, clock)

    assert installs.redeem(state, "another", clock()) is None
    assert installs.redeem(state, CHALLENGE, clock()) is None


def test_state_ends_after_ten_minutes(installs, clock):
    state = begun(installs, clock)

    assert installs.redeem(state, CHALLENGE, clock() + STATE_FOR) is None


def test_guessed_state_uses_up_nothing(installs, clock):
    state = begun(installs, clock)

    for guess in (
        "",
        "portal",
        "portal.",
        "portal.guess",
        "other.guess",
        "none.guess",
        state[:-1],
    ):
        assert installs.redeem(guess, CHALLENGE, clock()) is None
    assert installs.redeem(state, CHALLENGE, clock()) == "portal"


def test_newer_way_to_the_page_ends_the_older(installs, clock):
    invitation = installs.invite("portal", "ann", clock())
    _, first = installs.begin(invitation, CHALLENGE, clock())
    _, second = installs.begin(invitation, CHALLENGE, clock())

    assert installs.redeem(first, CHALLENGE, clock()) is None
    assert installs.redeem(second, CHALLENGE, clock()) == "portal"


def test_invitation_ends_by_time_by_a_newer_one_and_by_the_installation(installs, clock):
    first = installs.invite("portal", "ann", clock())
    second = installs.invite("portal", "ann", clock())

    assert installs.begin(first, CHALLENGE, clock()) is None
    assert installs.begin("portal.guess", CHALLENGE, clock()) is None
    assert installs.begin("none.guess", CHALLENGE, clock()) is None
    assert installs.begin(second, CHALLENGE, clock() + INVITED_FOR) is None
    assert installs.begin(second, CHALLENGE, clock()) is not None
    keep(installs, clock)
    assert installs.begin(second, CHALLENGE, clock()) is None


def test_tokens_come_back_and_belong_to_their_account(installs, store, clock):
    keep(installs, clock)
    keep(installs, clock, "other", "2")

    held = installs.of("portal").read()

    assert (held.access_token, held.refresh_token, held.version) == ("access-1", "refresh-1", 1)
    assert "access-1" not in repr(held)
    with store.databases.ledger.begin() as connection:  # put one row's cells into the other
        connection.execute(
            text(
                "UPDATE token SET sealed_tokens = (SELECT t.sealed_tokens FROM token t WHERE"
                " t.account_id = 'other'), wrapped_key = (SELECT t.wrapped_key FROM token t"
                " WHERE t.account_id = 'other') WHERE account_id = 'portal'"
            )
        )
    with pytest.raises(VaultError):
        installs.of("portal").read()


def test_one_of_many_may_refresh(installs, clock):
    keep(installs, clock)
    won, barrier = [], threading.Barrier(8)

    def race():
        tokens = installs.of("portal")
        barrier.wait()
        won.append(tokens.claim(1, clock()))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False] * 7 + [True]


def test_dead_refresh_is_taken_over_and_its_late_answer_is_not_kept(installs, clock):
    keep(installs, clock)
    tokens, more = installs.of("portal"), {"refresh_token": "r", "expires_at": clock()}

    assert tokens.claim(1, clock())
    assert not tokens.claim(1, clock() + REFRESH_FOR / 2)
    assert tokens.claim(1, clock() + REFRESH_FOR)
    assert tokens.replace(1, access_token="second", **more)
    assert not tokens.replace(1, access_token="late", **more)
    assert tokens.read().access_token == "second"
    assert not tokens.claim(1, clock())


def test_claim_given_back_is_free_also_one_that_a_clock_set_far_ahead(installs, clock):
    keep(installs, clock)
    tokens = installs.of("portal")

    assert tokens.claim(1, clock())
    tokens.give_back(1)
    assert tokens.claim(1, clock() + timedelta(days=10))
    assert tokens.claim(1, clock())


def test_uninstall_deletes_the_tokens_and_is_remembered(installs, store, clock):
    assert installs.of("portal").absence() == "not_installed"
    keep(installs, clock)
    assert installs.of("portal").absence() == ""

    assert installs.mark_uninstalled("portal", "service", clock())
    assert not installs.mark_uninstalled("portal", "service", clock())
    assert installs.of("portal").read() is None
    assert installs.of("portal").absence() == "uninstalled"
    assert installs.state("portal").uninstalled_at == clock()
    acts = [row.act.act for row in store.audit.rows("portal")]
    assert acts == ["app.installed", "app.uninstalled"]


def test_new_invitation_ends_what_an_older_one_began_and_withdrawn_is_withdrawn(installs, clock):
    older = installs.invite("portal", "x", clock())
    _, state = installs.begin(older, "challenge", clock())
    newer = installs.invite("portal", "x", clock())
    assert installs.redeem(state, "challenge", clock()) is None
    _, state = installs.begin(newer, "challenge", clock())
    installs.withdraw("portal")
    assert installs.redeem(state, "challenge", clock()) is None
    assert installs.begin(newer, "challenge", clock()) is None


def test_uninstall_seen_late_does_not_end_a_new_installation(installs, clock):
    keep(installs, clock)
    keep(installs, clock, mark="2")

    assert not installs.of("portal").forget(clock(), version=1)
    assert installs.of("portal").read().access_token == "access-2"


def test_installation_wakes_the_account(installs, store, clock):
    store.accounts.pause("portal", clock() + timedelta(hours=1), "uninstalled")

    keep(installs, clock)

    assert store.accounts.paused("portal") is None
    assert installs.state("portal").uninstalled_at is None
    assert not installs.of("portal").is_uninstalled()


def test_master_key_turns_under_the_tokens_and_is_kept_while_they_need_it(
    database_url, tmp_path, clock
):
    new_key_file(tmp_path / "secret" / "master.key", DAY)
    source = KeyFile(tmp_path / "secret" / "master.key")
    store = open_store(database_url, source.read(), tmp_path / "heads")
    try:
        store.accounts.ensure([("portal", "hubspot", "1")])
        keep(store.installs, clock)
        source.change(lambda keys: keys.with_pending(DAY).with_pending_as_primary())
        with pytest.raises(KeyNeededError, match="token"):
            store.rotation.retire(1, "ann", clock())

        assert store.rotation.rewrap("ann", clock()) == 1
        store.rotation.retire(1, "ann", clock())
        assert store.rotation.check() == (1, 0)
        assert store.installs.of("portal").read().access_token == "access-1"
    finally:
        store.close()
