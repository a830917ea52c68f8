import io
import json
import logging
import sys

import pytest

from config.logs import FACTS, JsonLines, fault_of


@pytest.fixture
def lines():
    """Return what gives a logger of a name, and the JSON lines written so far."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    made = []

    def logger(name):
        found = logging.getLogger(name)
        found.addHandler(handler)
        found.setLevel("DEBUG")
        made.append(found)
        return found

    yield logger, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for found in made:
        found.removeHandler(handler)


def test_s059_facts_of_the_list_are_written(lines):
    logger, written = lines
    logger("webhooks.test").info("thing.done", extra={"account": "portal", "count": 3})

    [line] = written()
    assert (line["event"], line["account"], line["count"]) == ("thing.done", "portal", 3)
    assert "dropped" not in line


def test_s059_other_facts_are_dropped_by_name(lines):
    logger, written = lines
    facts = {"email": "MARKER@example.test", "body": b"MARKER", "text": "MARKER"}
    logger("store.test").warning("thing.done", extra=facts)

    [line] = written()
    assert line["dropped"] == ["body", "email", "text"]
    assert "MARKER" not in json.dumps(line)


@pytest.mark.parametrize("name", ["urllib3", "waitress", "flask.app", "root2", "leadscore", ""])
def test_s059_a_librarys_words_are_not_printed(lines, name):
    logger, written = lines
    logger(name).error("failed for %s", "MARKER")

    [line] = written()
    assert line["event"] == "library"
    assert "MARKER" not in json.dumps(line)


def test_s059_an_exceptions_words_are_not_printed(lines):
    logger, written = lines
    try:
        int("MARKER")
    except ValueError:
        logger("webhooks.test").exception("thing.failed")

    [line] = written()
    assert line["error"] == "ValueError"
    assert line["place"].startswith("config/test_logs.py:")
    assert "MARKER" not in json.dumps(line)


def test_s059_arguments_are_not_put_into_the_message(lines):
    logger, written = lines
    logger("webhooks.test").info("thing %s", "MARKER")

    assert "MARKER" not in json.dumps(written())


def test_a_line_is_one_line_whatever_is_in_it(lines):
    logger, written = lines
    logger("webhooks.test").info(
        "thing", extra={"reason": 'a\nb"\u2028\x1b[31m', "code": object()}
    )

    assert len(written()) == 1


def test_s059_no_fact_is_named_after_a_value_of_a_person():
    assert not FACTS & {
        "name",
        "email",
        "phone",
        "text",
        "body",
        "message",
        "url",
        "token",
        "value",
    }


def test_a_fault_without_a_traceback_has_no_place():
    assert fault_of(ValueError("MARKER")) == ("ValueError", "")


def test_s060_a_fault_names_the_place_that_raised_it():
    try:
        {}["MARKER"]
    except KeyError:
        kind, place = fault_of(sys.exc_info()[1])

    assert kind == "KeyError"
    assert place.startswith("config/test_logs.py:")
