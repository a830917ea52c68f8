"""Answers gone wrong on purpose, over real sockets."""

import contextlib
import threading
import time

import pytest
import requests

READ = "/crm/objects/2026-09/contacts/batch/read"
UPDATE = "/crm/objects/2026-09/contacts/batch/update"


@pytest.fixture
def post(hubspot, serve):
    with serve(hubspot) as url, requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {hubspot.settings.access_token}"

        def send(path=READ, body=None):
            return session.post(url + path, json=body or {"inputs": []}, timeout=5)

        yield send


def test_fault_strikes_as_often_as_told(hubspot, post):
    hubspot.faults.answer("batch/read", 503, {"status": "error"}, times=2)

    statuses = [post().status_code for _ in range(3)]

    assert statuses == [503, 503, 200]
    assert hubspot.faults.struck == 2


def test_fault_strikes_its_own_path_only(hubspot, post):
    hubspot.faults.answer("batch/update", 502)

    assert post().status_code == 200
    assert post(UPDATE).status_code == 502


def test_status_may_be_unknown_to_http_and_carry_headers(hubspot, post):
    hubspot.faults.answer("batch/read", 477, "moving", headers=[("Retry-After", "5")])

    answer = post()

    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (477, "moving", "5")


def test_page_may_stand_where_json_is_due(hubspot, post):
    hubspot.faults.html("batch/read")

    answer = post()

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_answer_may_be_late(hubspot, post):
    hubspot.faults.delay("batch/read", 0.2)
    started = time.monotonic()

    assert post().status_code == 200
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("kind", ["close", "half"])
def test_connection_may_break(hubspot, post, kind):
    getattr(hubspot.faults, kind)("batch/read")

    with pytest.raises(requests.RequestException):
        post()
    assert post().status_code == 200


@pytest.mark.parametrize("carried_out", [True, False])
def test_write_may_take_effect_though_its_answer_is_lost(hubspot, post, carried_out):
    [contact] = hubspot.create_contacts([{"lastname": "One"}])
    hubspot.faults.close("batch/update", carried_out=carried_out)

    with pytest.raises(requests.RequestException):
        post(UPDATE, {"inputs": [{"id": contact, "properties": {"lead_score": "7"}}]})

    assert ("lead_score" in hubspot.contact(contact)) is carried_out


def test_stopping_ends_a_programmed_delay(hubspot, serve):
    hubspot.faults.delay("batch/read", 30)

    def call(url):
        with contextlib.suppress(requests.RequestException):
            requests.post(url + READ, json={}, timeout=5).close()

    with serve(hubspot) as base_url:
        caller = threading.Thread(target=call, args=(base_url,))
        caller.start()
        while not hubspot.faults.struck:
            time.sleep(0.01)
        started = time.monotonic()
    stopped_s = time.monotonic() - started
    caller.join()

    assert stopped_s < 1.5
