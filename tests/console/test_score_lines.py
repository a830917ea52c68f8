import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.models import packaged_model
from console.score_lines import LineReader, LineScorer, _read, _read_fast
from scoring.engine import score

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


def scored(*lines):
    score_line = LineScorer(packaged_model(), NOW)
    found = [score_line(line) for line in lines]
    bad = sum(not each.tier for each in found)
    written = [each.line for each in found]
    assert all(line.endswith("\n") for line in written)
    return bad, [json.loads(line) for line in written]


def test_lines_come_back_in_order_in_the_contract_shape():
    bad, [first, second] = scored(
        b'{"id": "a", "text": "How much are veneers?", "fields": {"has_phone": true}}\n',
        b'{"id": 2, "activities": [{"kind": "call", "at": "2026-03-03T10:00:00Z"}]}',
    )

    assert bad == 0
    assert (first["id"], second["id"]) == ("a", 2)
    assert list(first) == [
        "id",
        "score",
        "tier",
        "likelihood",
        "factors",
        "reasons",
        "signals",
        "respond_by",
        "valid_until",
        "model",
    ]
    assert first["signals"]["procedures"] == ["veneers"]
    assert first["score"] == sum(reason["points"] for reason in first["reasons"])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[1]", "invalid_line"),
        (b"\xff", "invalid_json"),
        (b'{"id": "a", "id": "b"}', "invalid_json"),
        (b'{"id": "a", "fields": {"web_visits": NaN}}', "invalid_json"),
        (b'{"id": "a", "fields": {"web_visits": 1e999}}', "invalid_json"),
        (b'{"id": "a", "text": "\\ud800"}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"text": "no id"}', "invalid_id"),
        (b'{"id": true}', "invalid_id"),
        (b'{"id": "a", "txet": "marker-314"}', "unknown_key"),
        (b'{"id": "a", "text": 5}', "invalid_text"),
        (b'{"id": "a", "fields": []}', "invalid_field"),
        (b'{"id": "a", "fields": {"marker-314": 1}}', "invalid_field"),
        (b'{"id": "a", "fields": {"urgency": "marker-314"}}', "invalid_field"),
        (b'{"id": "a", "fields": {"booked_at": "marker-314"}}', "invalid_field"),
        (b'{"id": "a", "fields": {"booked_at": "2026-03-03T10:00:00"}}', "invalid_field"),
        (b'{"id": "a", "fields": {"has_phone": "yes"}}', "invalid_field"),
        (b'{"id": "a", "activities": [{"kind": "marker-314", "at": "x"}]}', "invalid_field"),
        (b'{"id": "a", "activities": ["marker-314"]}', "invalid_activity"),
    ],
)
def test_a_bad_line_is_told_without_its_values_and_the_rest_goes_on(line, code):
    bad, [refused, good] = scored(line, b'{"id": "next", "fields": {"has_phone": true}}')

    assert bad == 1
    assert list(refused) == ["id", "error"]
    assert refused["error"]["code"] == code
    assert "marker-314" not in json.dumps(refused)
    assert good["id"] == "next"
    assert "score" in good


def test_the_same_line_gives_the_same_bytes():
    line = b'{"id": "a", "text": "I want to book a cleaning next week", "created_at": "2026-03-04T09:00:00Z"}'

    first = LineScorer(packaged_model(), NOW)(line)

    assert LineScorer(packaged_model(), NOW)(line) == first


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=20),
    st.fixed_dictionaries(
        {},
        optional={
            "urgency": st.sampled_from(["soon", "emergency"]),
            "inquiry_type": st.sampled_from(["referral", "spam"]),
            "procedures": st.lists(st.sampled_from(["ivf", "lasik"]), unique=True),
            "has_phone": st.booleans(),
            "override_score": st.integers(0, 100),
            "last_web_visit_at": st.just("2026-03-01T10:00:00.000001+05:30"),
        },
    ),
)
def test_a_line_is_what_json_makes_of_the_score(lead_id, fields):
    line = json.dumps({"id": lead_id or "x", "fields": fields}).encode()
    _, lead = LineReader()(line)

    found = LineScorer(packaged_model(), NOW)(line)

    whole = {"id": lead_id or "x", **score(lead, packaged_model(), NOW).to_json()}
    assert found.line == json.dumps(whole) + "\n"


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 1, "id": 2}',
        '{"id" : 1, "id": 2}',
        '{"id"\t:1,"id":2, "text": "\\":"}',
        '{"id": 1, "\\u0069d": 2}',
        '{"id": 1, "fields": {"has_phone": true, "has_phone" : false}}',
        '{"id": 1, "activities": [{"kind": "call", "kind": "sms", "at": "2026-03-01T00:00:00Z"}]}',
    ],
)
def test_s013_a_key_that_occurs_twice_is_refused_however_it_is_written(line):
    bad, [answer] = scored(line.encode())

    assert bad == 1
    assert answer["error"]["message"] == "a key occurs twice in one object"


@given(
    st.lists(
        st.sampled_from(['"id"', ' "id"', ":", " :", "1", '"text"', '"a\\":"', ",", "{", "}"]),
        max_size=14,
    )
)
@settings(max_examples=400, deadline=None)
def test_both_readers_of_a_line_agree(parts):
    """The quick reader may give up, but never read a line that the strict one refuses."""
    line = ("{" + "".join(parts) + "}").encode()

    found = _read_fast(line)

    if found is not None:
        assert found == _read(line, LineReader()._decode)
