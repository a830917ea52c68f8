import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import PayloadError
from integrations.payload import MAX_DEPTH, Payload, loads


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + closing * depth


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf[]",
        "[]".encode("utf-16"),
        "[]".encode("utf-16-le"),
        "[]".encode("utf-32"),
        b'["\xff"]',
        b'["\xed\xa0\x80"]',
        b'["\xc0\xaf"]',
        b"",
        b" ",
        b"[",
        b"[1,]",
        b"[1] []",
        b"[1]\x00",
        b"\x00[]",
        b"['a']",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b"[" + b"9" * 5000 + b"]",
        b"[-" + b"9" * 5000 + b"]",
        b'[{"a":1,"a":2}]',
        b'[{"a":1,"\\u0061":2}]',
        b'[{"x":[{"a":1,"a":1}]}]',
        b'["\\ud800"]',
        b'["\\udfff\\ud800"]',
        b'[{"\\ud83d":1}]',
        b'["\\ud83d","\\ude00"]',
        b'["a\nb"]',
        b"[01]",
        b"[.5]",
        b"[+1]",
        b"[0x1]",
        nested(MAX_DEPTH + 1),
        nested(200_000),
        nested(17, b'{"a":', b"}").replace(b":}", b":1}"),
        b"[" * 100_000,
        b'["' + b"[" * 100,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_s013_what_is_not_strict_json_is_refused(body):
    with pytest.raises(PayloadError) as refused:
        loads(body)

    assert str(refused.value).startswith("body")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (nested(MAX_DEPTH), None),
        (b'["' + b"[" * 100 + b'"]', ["[" * 100]),
        (b'["\\"' + b"{" * 100 + b'"]', ['"' + "{" * 100]),
        (b'["\\\\","' + b"[" * 40 + b'"]', ["\\", "[" * 40]),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
        ('["Zoë ☕"]'.encode(), ["Zoë ☕"]),
        (b"[0.1, -0, 1e10]", [0.1, 0, 1e10]),
        (b" [ ] ", []),
        (b"[" + b"[]," * 50 + b"[]]", [[]] * 51),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_s013_strict_json_is_read(body, expected):
    found = loads(body)

    assert expected is None or found == expected


@pytest.mark.parametrize("tail", [b"\\", b'"', b'"]', b"\\u12", b"x" * 10], ids=repr)
@pytest.mark.parametrize("filler", [b'\\"', b"\\\\", b'"', b"a", b'","', b'"[', b"[]"])
def test_s018_no_text_of_1_mib_takes_a_second(filler, tail):
    body = (b'["a"' + b",[]" * 17 + b',"' + filler * (1_000_000 // len(filler)) + tail)[:1_048_576]
    began = time.perf_counter()
    with contextlib.suppress(PayloadError):
        loads(body)

    assert time.perf_counter() - began < 1.0


@given(st.binary(max_size=200))
@settings(max_examples=400)
def test_s018_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(PayloadError):
        loads(body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_VALUES)
@settings(max_examples=400)
def test_s018_any_json_value_is_read_as_python_reads_it_or_refused(value):
    body = json.dumps(value).encode()
    try:
        found = loads(body)
    except PayloadError:
        return

    assert found == json.loads(body)


@given(_VALUES)
@settings(max_examples=300)
def test_s018_any_value_is_stepped_into_without_another_error(value):
    payload = Payload(value)
    for step in (
        lambda p: p["a"],
        lambda p: p.get("a"),
        lambda p: p.items(),
        list,
        lambda p: p.text(),
        lambda p: p.whole(),
        lambda p: p.flag(),
        lambda p: p.record_id(),
        lambda p: p.mapping(),
    ):
        with contextlib.suppress(PayloadError):
            step(payload)


def test_a_refusal_names_place_and_rule_and_no_value():
    payload = Payload.from_json(b'[{"objectId": "jane@example.test"}]')

    with pytest.raises(PayloadError, match=r"^body\[0\]\.objectId: must be an id"):
        payload.items()[0]["objectId"].record_id()
