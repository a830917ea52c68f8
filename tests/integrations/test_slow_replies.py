"""Replies that never fall silent and never end: the bound on the whole call (S37)."""

import socket
import threading
import time

import pytest
import requests

from integrations.http import CallLimits, guarded_session

LIMITS = CallLimits(connect_timeout_s=1.0, read_timeout_s=1.0, total_timeout_s=0.6)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture
def dripping():
    """Return what serves bytes at once and then others slowly, one after the other."""
    listening = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def serve(at_once, slowly):
        def run():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(at_once)
                for place in range(len(slowly)):
                    if ending.wait(0.05):
                        return
                    try:
                        connection.sendall(slowly[place : place + 1])
                    except OSError:
                        return

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    ending.set()
    listening.close()


@pytest.mark.parametrize(
    ("at_once", "slowly"),
    [(b"", HEAD * 4), (HEAD[:20], b"X" * 200), (HEAD, b" " * 5000)],
    ids=["head", "inside a header", "body"],
)
def test_s037_a_reply_of_single_bytes_is_given_up_when_the_time_is_over(dripping, at_once, slowly):
    session = guarded_session(url := dripping(at_once, slowly), limits=LIMITS)
    began = time.monotonic()

    with pytest.raises(requests.Timeout, match="took too long"):
        session.get(f"{url}/slow")
    assert 0.5 < time.monotonic() - began < 1.5


def test_s037_a_reply_in_time_is_whole_and_its_connection_is_kept(dripping):
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    session = guarded_session(url := dripping(body, b"good"), limits=LIMITS)

    assert session.get(f"{url}/slow").content == b"good"
    time.sleep(0.7)  # the deadline of a call that has ended cuts nothing


def test_s037_a_connection_that_comes_after_the_end_is_cut(dripping, monkeypatch):
    connect = socket.create_connection

    def slowly(*given, **options):
        time.sleep(0.8)  # a name that resolves slowly, addresses that do not answer
        return connect(*given, **options)

    session = guarded_session(url := dripping(HEAD[:20], b"X" * 200), limits=LIMITS)
    monkeypatch.setattr("urllib3.util.connection.create_connection", lambda *g, **o: slowly(*g))
    began = time.monotonic()

    with pytest.raises(requests.Timeout, match="took too long"):
        session.get(f"{url}/slow")
    assert time.monotonic() - began < 2.0
