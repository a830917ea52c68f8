"""One worker at a time fetches a feed, and none fetches what another has."""

from datetime import timedelta

LASTS = timedelta(seconds=60)


def take(store, owner, now):
    return store.feeds.take("portal", "hubspot", owner, now=now, lasts=LASTS)


def test_feed_begins_nowhere_and_goes_on_where_it_was(store, clock):
    assert store.feeds.state("portal", "hubspot") is None
    assert take(store, "one", clock()).position == ""
    store.feeds.advance("portal", "hubspot", "one", position="p1", now=clock())
    assert take(store, "one", clock()).position == "p1"
    assert store.feeds.state("portal", "hubspot").fetched_at == clock()


def test_another_worker_waits_until_it_is_given_back_or_forgotten(store, clock):
    now = clock()
    assert take(store, "one", now) is not None
    assert take(store, "two", now + LASTS) is None
    store.feeds.release("portal", "hubspot", "two")  # not its own
    assert take(store, "two", now + LASTS) is None
    assert take(store, "two", now + LASTS * 2) is not None
    store.feeds.release("portal", "hubspot", "two")
    assert take(store, "one", now) is not None


def test_who_lost_the_feed_moves_no_position(store, clock):
    now = clock()
    take(store, "one", now)
    take(store, "two", now + LASTS * 2)
    store.feeds.advance("portal", "hubspot", "two", position="p2", now=now)
    store.feeds.advance("portal", "hubspot", "one", position="p1", now=now)
    assert store.feeds.state("portal", "hubspot").position == "p2"
