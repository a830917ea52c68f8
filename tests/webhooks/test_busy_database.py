"""The service over raw sockets while its database is locked, silent or gone (S21, S85)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else 0


def stored(service):
    return service.store.inbox.counts()["waiting"]


def test_s021_a_busy_database_is_answered_503_in_five_seconds_and_recovers(
    service, send, good, locked_inbox
):
    assert status(send(good(service, 1))) == 200
    requests = [good(service, n) for n in range(2, 10)]
    answers = []

    def one(data):
        began = time.monotonic()
        answer = send(data, timeout_s=20)
        answers.append((status(answer), time.monotonic() - began, answer))

    with locked_inbox(), ThreadPoolExecutor(8) as pool:
        list(pool.map(one, requests))

    assert [code for code, _, _ in answers] == [503] * 8
    assert max(spent for _, spent, _ in answers) < 5.0
    assert all(b"Retry-After: " in answer for _, _, answer in answers)
    assert status(send(good(service, 20))) == 200
    assert stored(service) == 2


def test_health_is_answered_while_deliveries_wait_for_a_locked_database(
    service, send, good, raw, locked_inbox
):
    assert status(send(good(service, 1))) == 200
    with ThreadPoolExecutor(4) as pool:
        with locked_inbox():
            waiting = [pool.submit(send, good(service, n), timeout_s=20) for n in range(2, 6)]
            time.sleep(0.3)
            began = time.monotonic()
            alive = status(raw(service.port, b"GET /healthz HTTP/1.0\r\n\r\n"))
            spent = time.monotonic() - began
        assert [status(one.result()) for one in waiting] == [200] * 4

    assert (alive, spent < 1.0) == (200, True)


def test_s021_also_the_first_delivery_waits_no_longer(service, send, good, locked_inbox):
    began = time.monotonic()
    with locked_inbox(), ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: status(send(good(service, n), timeout_s=30)), range(6)))
        spent = time.monotonic() - began

    assert answers == [503] * 6
    assert spent < 5.0
    assert status(send(good(service))) == 200


def test_s034_readiness_tells_that_nothing_can_be_stored(
    service, raw, request_bytes, locked_inbox
):
    ready = raw(service.port, request_bytes("/readyz", method="GET"))
    with locked_inbox():
        busy = raw(service.port, request_bytes("/readyz", method="GET"))

    assert status(ready) == 200
    assert status(busy) == 503
    assert json.loads(busy.partition(b"\r\n\r\n")[2]) == {"ready": False, "can_store": False}


class TestServerThatIsSilent:
    @pytest.fixture
    def database_url(self, wire):
        return wire.through

    def test_s021_a_server_that_says_nothing_is_answered_503_in_five_seconds(
        self, service, send, good, wire
    ):
        assert status(send(good(service, 1))) == 200
        wire.hold()
        began = time.monotonic()
        answers = [status(send(good(service, 2), timeout_s=20))]
        spent = time.monotonic() - began
        began = time.monotonic()
        # Now a new connection is needed, and there is none.
        answers.append(status(send(good(service, 3), timeout_s=20)))
        again = time.monotonic() - began
        wire.release()

        assert answers == [503, 503]
        assert max(spent, again) < 5.0
        assert status(send(good(service, 4))) == 200
        assert stored(service) >= 2

    def test_s085_a_cut_connection_costs_one_try_and_nothing_acknowledged(
        self, service, send, good, wire
    ):
        answers = []
        for n in range(30):
            if n % 5 == 4:
                wire.cut()
            answers.append(status(send(good(service, n), timeout_s=20)))

        assert set(answers) == {200, 503}
        assert answers.count(503) <= 6
        assert stored(service) >= answers.count(200)
