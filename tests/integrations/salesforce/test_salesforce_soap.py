import contextlib
import os
import socket
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import PayloadError
from integrations.salesforce.soap import read_message

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def document(head):
    return f'<?xml version="1.0"?>{head}'.encode()


@pytest.fixture
def nothing_opened():
    """Fail when a file or a socket is opened while the test runs; Python's own audit tells."""
    seen = []
    is_watching = True

    def hook(name, args):
        if is_watching and (name == "open" or name.startswith("socket.")):
            seen.append((name, args))

    sys.addaudithook(hook)  # cannot be taken out again: it is told to look away
    yield seen
    is_watching = False
    assert not seen


def test_the_watch_for_opened_files_sees_one():
    seen = []
    is_watching = [True]
    sys.addaudithook(lambda name, _: seen.append(name) if is_watching[0] else None)

    os.close(os.open(os.devnull, os.O_RDONLY))
    socket.socket().close()
    is_watching[0] = False

    assert "open" in seen
    assert any(name.startswith("socket.") for name in seen)


HOSTILE = [
    document(f'<!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]><l>&l9;</l>'),
    document(f'<!DOCTYPE a [<!ENTITY b "{"x" * 100_000}">]><a>{"&b;" * 5000}</a>'),
    document('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    document('<!DOCTYPE a [<!ENTITY b SYSTEM "http://127.0.0.1:9/x">]><a>&b;</a>'),
    document('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a/>'),
    document('<!DOCTYPE a PUBLIC "-//x" "file:///etc/passwd"><a/>'),
    document('<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>'),
    document("<!DOCTYPE a><a/>"),
    document("<a>&undefined;</a>"),
    b"<a>" * 200_000 + b"</a>" * 200_000,
    b"<a>" * 33 + b"</a>" * 33,
    b"<a/>" * 10,
    '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
    "<a/>".encode("utf-16-le"),
    "<a/>".encode("utf-32"),
    b'<?xml version="1.0" encoding="UTF-16"?><a/>',
    b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>',
    b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
    b'<?xml version="1.0" encoding="UTF-7"?><a/>',
    b'<?xml version="1.0" encoding="ebcdic-cp-us"?><a/>',
    b"<a>\x00</a>",
    b"<a>\xff</a>",
    b"",
    b"text",
    b"<a",
    b"<a></b>",
    b"<a b='1' b='2'/>",
    b"<x:a/>",
    b"<?xml version='1.1'?><a/>",
]

hostile = pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:40]))


@hostile
def test_s014_hostile_xml_is_refused_at_once_and_opens_nothing(body, nothing_opened):
    began = time.perf_counter()

    with pytest.raises(PayloadError):
        read_message(body)
    assert time.perf_counter() - began < 1.0


def test_s014_the_doctype_is_refused_before_a_whole_message(outbound, nothing_opened):
    body = outbound("00Q8d0000001aBC").replace(b"?>", b"?><!DOCTYPE x>", 1)

    with pytest.raises(PayloadError, match="DOCTYPE"):
        read_message(body)


def with_fields(outbound, count):
    return outbound("00Q8d0000001aBC", more="<sf:F/>" * count)


def test_s014_20_000_elements_are_read_and_one_more_is_not(outbound):
    # Envelope, Body, notifications, three heads, Notification, its Id, sObject and its Id.
    assert read_message(with_fields(outbound, 20_000 - 10)).notifications
    with pytest.raises(PayloadError, match="20000 elements"):
        read_message(with_fields(outbound, 20_000 - 9))


def test_s014_32_levels_are_read_and_one_more_is_not(outbound):
    def deep(levels):
        return outbound("00Q8d0000001aBC", more="<sf:a>" * levels + "</sf:a>" * levels)

    assert read_message(deep(27)).notifications
    with pytest.raises(PayloadError, match="32 levels"):
        read_message(deep(28))


def test_s014_100_notifications_are_read_and_one_more_is_not(outbound):
    assert len(read_message(outbound(*["00Q8d0000001aBC"] * 100)).notifications) == 100
    with pytest.raises(PayloadError, match="100 notifications"):
        read_message(outbound(*["00Q8d0000001aBC"] * 101))


@pytest.mark.parametrize(
    "filler",
    [
        lambda: " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(100_000)),
        lambda: " ".join(f'a{n}="1"' for n in range(200_000)),
        lambda: f'a="{"&#65;" * 500_000}"',
    ],
    ids=["namespaces", "attributes", "references"],
)
def test_s014_one_huge_tag_takes_no_second(outbound, filler):
    body = outbound("00Q8d0000001aBC").replace(b"<ActionId>", f"<ActionId {filler()}>".encode())
    began = time.perf_counter()
    with contextlib.suppress(PayloadError):
        read_message(body)

    assert time.perf_counter() - began < 1.5


def test_s014_a_text_of_megabytes_is_not_kept(outbound):
    body = outbound("0" * 3_000_000)

    [only] = read_message(body).notifications
    assert len(only.record_id) < 1000


def test_other_prefixes_say_the_same(outbound):
    body = outbound("00Q8d0000001aBC")
    renamed = (
        body.replace(b"soapenv", b"S")
        .replace(b"sf:", b"z:")
        .replace(b"xmlns:sf", b"xmlns:z")
        .replace(b'"z:Lead"', b'"z:Lead"')
        .replace(b"xsi", b"i")
        .replace(b"<notifications xmlns=", b"<o:notifications xmlns:o=")
        .replace(b"</notifications>", b"</o:notifications>")
    )
    for name in (b"OrganizationId", b"ActionId", b"SessionId", b"Notification", b"sObject"):
        renamed = renamed.replace(b"<" + name, b"<o:" + name).replace(b"</" + name, b"</o:" + name)
    renamed = renamed.replace(b"<Id>", b"<o:Id>").replace(b"</Id>", b"</o:Id>")

    assert read_message(renamed) == read_message(body)


def test_a_soap_header_says_nothing(outbound):
    body = outbound("00Q8d0000001aBC")
    forged = (
        b"<soapenv:Header><x>"
        b'<OrganizationId xmlns="http://soap.sforce.com/2005/09/outbound">00Dxxxxxxxxxxxx'
        b"</OrganizationId>"
        b'<Notification xmlns="http://soap.sforce.com/2005/09/outbound"/>'
        b"</x></soapenv:Header><soapenv:Body>"
    )

    assert read_message(body.replace(b"<soapenv:Body>", forged, 1)) == read_message(body)


def test_nil_and_empty_fields_are_read_over(outbound):
    more = '<sf:Email xsi:nil="true"/><sf:Phone></sf:Phone><sf:Id2>x</sf:Id2>'

    assert read_message(outbound("00Q8d0000001aBC", more=more)).notifications


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"http://soap.sforce.com/2005/09/outbound", b"http://soap.sforce.com/2005/09/other"),
        (b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"),
        (b"<OrganizationId>00D8d000000HLs1EAG</OrganizationId>", b""),
        (b"<OrganizationId>00D8d000000HLs1EAG</OrganizationId>", b"<OrganizationId/>"),
        (
            b"<ActionId>",
            b"<OrganizationId>00D8d000000Oth1EAG</OrganizationId><ActionId>",
        ),
    ],
)
def test_what_is_not_one_orgs_outbound_message_is_refused(outbound, old, new):
    with pytest.raises(PayloadError):
        read_message(outbound("00Q8d0000001aBC").replace(old, new))


def test_a_message_without_notifications_is_refused(outbound):
    with pytest.raises(PayloadError):
        read_message(outbound())


@given(data=st.data())
@settings(max_examples=400)
def test_s018_a_mutated_message_is_read_or_refused(data):
    body = bytearray(
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        b'<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        b"<OrganizationId>00D8d000000HLs1EAG</OrganizationId><Notification><sObject>"
        b"<Id>00Q8d0000001aBC</Id></sObject></Notification></notifications></e:Body></e:Envelope>"
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    with contextlib.suppress(PayloadError):
        read_message(bytes(body))


@hostile
def test_s014_the_shipped_server_refuses_hostile_xml_cheaply(
    body, service, raw, request_bytes, path_token
):
    path = f"/webhooks/salesforce/{path_token}"
    before = time.process_time()
    answer = raw(service.port, request_bytes(path, body, {"Content-Type": "text/xml"}))
    assert answer.split()[1] in {b"400", b"403"}
    assert time.process_time() - before < 1.0
    assert service.store.inbox.counts()["waiting"] == 0


def test_s014_after_all_attacks_an_honest_message_is_taken(
    service, raw, request_bytes, path_token, outbound
):
    path = f"/webhooks/salesforce/{path_token}"
    for body in HOSTILE:
        raw(service.port, request_bytes(path, body, {"Content-Type": "text/xml"}))
    answer = raw(service.port, request_bytes(path, outbound("00Q8d0000001aBC")))
    assert b"<Ack>true</Ack>" in answer
