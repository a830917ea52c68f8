"""I5: nothing of a person or a secret stands in clear in what the service writes, prints or answers.

Markers are planted in names, mail, phone, text, tokens, secrets, a SessionId and the path token.
Deliveries good, bad and unreadable run through a real receiver and worker over a CRM that fails with
markers in its errors; then every file, line and reply is searched.
"""

import base64
import contextlib
import io
import json
import logging
import os
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from sqlalchemy import text

from config.load import load_secrets
from config.logs import start_logging
from config.settings import Settings
from integrations.errors import AccessError, RateLimitedError, RefusedError, TransientCrmError
from integrations.mapping import LeadReader
from webhooks.bell import CountingBell
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.unpack import Unpacker
from webhooks.wiring import Service
from webhooks.worker import Worker

MARK = "Qx7MARKER"
NAME, MAIL, PHONE = f"{MARK}Name", f"{MARK.lower()}mail@example.test", "+1-555-0107734"
TEXT = f"{MARK}Text I would like dental implants"
SESSION, ERROR_TEXT, BAD_BODY = f"{MARK}Session", f"{MARK}ErrorText", f"{MARK}BadBody"
SECRETS = {
    "HS_TOKEN": f"{MARK}HsToken",
    "HS_SECRET": f"{MARK}HsSecret",
    "HS_SECRET_NEXT": f"{MARK}HsNext",
    "SF_KEY": f"{MARK}SfKey",
    "SF_SECRET": f"{MARK}SfSecret",
    "SF_PATH": f"{MARK}SfPathTokenOf128Bits",
}
MASTER_KEY = "5a" * 32
#: Our own words that hold a marker's letters are none: all of these are looked for, in any case.
NEEDLES = [MARK, PHONE, "555-0107734", MASTER_KEY]
#: As they would stand after another writing of the same bytes.
NEEDLES += [base64.b64encode(v.encode()).decode()[:12] for v in (NAME, TEXT, *SECRETS.values())]
NEEDLES += [MARK.encode().hex(), MARK.encode("utf-16-le").decode("latin-1"), MASTER_KEY[:16]]
PATTERN = re.compile(b"|".join(re.escape(n.encode("latin-1")) for n in NEEDLES), re.IGNORECASE)


def found_in(content):
    return [match.group() for match in PATTERN.finditer(content)]


def scan_folder(folder):
    """Return what is found in each file under `folder`, whatever its kind."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and (hits := found_in(path.read_bytes() + b"\n" + path.name.encode())):
            found[path.name] = hits
    return found


@pytest.fixture
def log():
    """Let the process log as it does in service, into a text."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    start_logging("DEBUG", stream)

    def read():
        for handler in root.handlers:
            handler.flush()
        return stream.getvalue()

    yield read
    for handler in root.handlers[:]:
        handler.close()
    root.handlers[:], logging.raiseExceptions = before[0], before[2]
    root.setLevel(before[1])


@pytest.fixture
def marked(practice):
    return load_secrets(practice, SECRETS)


@pytest.fixture
def now():
    return lambda: datetime.now(UTC)  # noqa: TID251  the service's own clock is the real one


def deliveries(signed, event, outbound, now):
    """Return requests: path, body, headers; good, bad, unreadable and forged."""
    change = event(
        501, kind="contact.propertyChange", propertyName="email", propertyValue=MAIL, note=NAME
    )
    bodies = [
        json.dumps([change, event(502), event(503), event(504)]).encode(),
        json.dumps([event(505, objectId=NAME), {**event(506), "portalId": PHONE}, NAME]).encode(),
        f'[{{"{BAD_BODY}": '.encode(),
        f'[{{"{BAD_BODY}":1,"{BAD_BODY}":2}}]'.encode(),
        b"\xff" + BAD_BODY.encode(),
        json.dumps({BAD_BODY: PHONE}).encode(),
    ]
    for body in bodies:
        yield "/webhooks/hubspot", body, signed(body, at=now(), secret=SECRETS["HS_SECRET"])
    forged = {**signed(bodies[0], at=now()), "X-Note": NAME}
    yield "/webhooks/hubspot", bodies[0], forged
    yield "/webhooks/hubspot", bodies[0], {"X-HubSpot-Signature": SECRETS["HS_SECRET"]}
    yield "/webhooks/hubspot", bodies[0], {"Content-Encoding": NAME}
    yield "/webhooks/hubspot", bodies[0], {"X-HubSpot-Request-Timestamp": NAME}
    yield "/webhooks/hubspot", bodies[0], {"X-Forwarded-For": NAME, "Cookie": NAME}
    more = (
        f"<sf:LastName>{NAME}</sf:LastName><sf:Email>{MAIL}</sf:Email><sf:Phone>{PHONE}</sf:Phone>"
    )
    message = outbound("00Q8d0000001aBC", MARK + "BadId", more=more)
    message = message.replace(
        b'<SessionId xsi:nil="true"/>', f"<SessionId>{SESSION}</SessionId>".encode()
    )
    right = f"/webhooks/salesforce/{SECRETS['SF_PATH']}"
    yield right, message, {}
    yield right, message.replace(b"00D8d000000HLs1EAG", MARK.encode()), {}
    yield right, b"<!DOCTYPE x>" + message, {}
    yield right, message[:-40], {}
    yield f"/webhooks/salesforce/{MARK}WrongToken", message, {}
    yield f"/webhooks/{MARK}", message, {}
    yield f"/{quote(NAME)}?{MARK}={MARK}", b"", {}
    yield right + "/" + MARK, b"", {"Transfer-Encoding": "chunked"}


def records():
    base = {"createdate": "2026-11-23T16:00:00Z", "inquiry_type": NAME, "insurance_status": MAIL}
    base |= {"insurance_carrier": f"{MARK}Carrier", "visits": PHONE, "last_visit": NAME}
    rows = {str(n): {**base, "message": f"{TEXT} {PHONE} {MAIL} {n}"} for n in range(501, 505)}
    rows["503"]["message"] = f"{MARK} chest pain, I cannot breathe"
    rows["504"]["message"] = Poison(NAME)
    return rows


class Poison(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError(ERROR_TEXT)


def worker_over(service, crms, practice, model, now):
    rng, bell = random.Random(3), CountingBell()  # noqa: S311  jitter
    works = [
        AccountWork(
            name=account.name,
            crm=account.crm,
            client=crms[account.name],
            reader=LeadReader(practice.fields[account.crm]),
            model=practice.own(model),
            outputs=practice.outputs(account),
            object_types=account.record_types,
        )
        for account in practice.accounts
    ]
    store, adapters = service.store, service.app.config["adapters"]
    return Worker(
        owner="one",
        works=works,
        unpacker=Unpacker(
            adapters=adapters,
            inbox=store.inbox,
            due=store.due,
            dead_letters=store.dead_letters,
            erasure=store.erasure,
            merging=store.merging,
            health=service.health,
            clock=now,
        ),
        pipeline=Pipeline(
            leads=store.leads, merging=store.merging, health=service.health, clock=now, rng=rng
        ),
        due=store.due,
        accounts=store.accounts,
        health=service.health,
        bell=bell,
        wakeups=store.wakeups,
        clock=now,
        rng=rng,
        poll_s=0.02,
    )


def test_i005_no_marker_stands_in_clear(
    tmp_path, practice, marked, keys, model, log, now, fake_crm, raw, request_bytes,
    signed, event, outbound, capfd, database_url, dumped,
):  # fmt: skip
    from integrations.registry import build_adapters  # noqa: PLC0415

    service = Service(
        settings=Settings(database_url=database_url, listen_port=0, disk_reserve_mb=0),
        practice=practice,
        secrets=marked,
        model=model,
        keys=keys,
        works=False,
    )
    service.app.config["adapters"] = build_adapters(practice, marked)
    service.start()
    replies = [
        raw(service.port, request_bytes(path, body, headers))
        for path, body, headers in deliveries(signed, event, outbound, now)
    ]
    portal, org = fake_crm(records()), fake_crm({"00Q8d0000001aBCEAY": {"Description": TEXT}})
    portal.read_faults = [
        RuntimeError(ERROR_TEXT),
        RefusedError("400", ERROR_TEXT),
        RateLimitedError("rate", retry_after_s=0.05),
    ]
    portal.write_faults = [KeyError(ERROR_TEXT), RefusedError("400", ERROR_TEXT)]
    portal.refuses = {"502": "VALIDATION_ERROR"}
    org.write_faults = [TransientCrmError("503", ERROR_TEXT), AccessError("401", ERROR_TEXT)]
    worker = worker_over(service, {"portal": portal, "org": org}, practice, model, now)
    worker.start()
    ends = time.monotonic() + 15
    while not ({"501", "503"} <= set(portal.held) and org.writes):
        assert time.monotonic() < ends, "the records were not scored"
        time.sleep(0.02)
    time.sleep(0.3)
    for path in ("/healthz", "/readyz", "/metrics", "/no-such-page"):
        replies.append(raw(service.port, request_bytes(path, method="GET")))  # noqa: PERF401
    with service.store.databases.ledger.connect() as connection:
        sealed = connection.execute(text("SELECT count(*) FROM lead")).scalar_one()
    dumped()
    while_running = scan_folder(tmp_path)
    worker.stop(5)
    service.stop()
    lines, printed = log(), capfd.readouterr()

    # The scan saw what it should see: rows were stored, faults logged, refusals answered.
    assert sealed >= 3
    assert {b" 200 ", b" 401 ", b" 403 ", b" 400 ", b" 404 ", b" 411 "} <= {
        reply[8:13] for reply in replies if reply
    }
    for hint in (
        "delivery.quarantined",
        "account.failed",
        "record.not_scored",
        "delivery.rejected",
    ):
        assert hint in lines
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"leadscore.db", "leadscore-inbox.db"} <= names or {"lead.dump", "due.dump"} <= names

    assert while_running == {}
    assert scan_folder(tmp_path) == {}
    assert found_in(lines.encode()) == []
    assert found_in((printed.out + printed.err).encode()) == []
    assert [hit for reply in replies for hit in found_in(reply)] == []
    written = json.dumps([portal.held, org.held])
    assert found_in(written.encode()) == []


@pytest.mark.parametrize(
    "planted",
    [
        TEXT.encode(),
        MAIL.encode(),
        PHONE.encode(),
        MARK.encode("utf-16-le"),
        base64.b64encode(SECRETS["HS_TOKEN"].encode()),
        MARK.encode().hex().encode(),
        MASTER_KEY.encode(),
    ],
    ids=repr,
)
def test_i005_the_scan_finds_a_marker_that_is_planted(tmp_path, planted):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.db-wal").write_bytes(os.urandom(5000) + planted + os.urandom(5000))

    assert list(scan_folder(tmp_path)) == ["file.db-wal"]


def test_i005_the_scan_finds_a_marker_in_a_database_row(store, tmp_path, dumped):
    with store.databases.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO account (account_id, crm, external_id) VALUES ('a', 'c', :v)"),
            {"v": NAME},
        )
    dumped()

    assert scan_folder(tmp_path)


def test_i005_the_served_process_prints_no_marker(
    tmp_path, practice_text, signed, event, raw, outbound, request_bytes, now
):
    (tmp_path / "practice.toml").write_text(practice_text, encoding="utf-8")
    # The CRMs are not there: the worker's calls fail, and say so without a value.
    text_ = practice_text.replace("https://clinic-demo.my.salesforce.com", "http://127.0.0.1:1")
    text_ = text_.replace('portal_id = "', 'base_url = "http://127.0.0.1:1"\nportal_id = "')
    (tmp_path / "practice.toml").write_text(text_, encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],  # noqa: TID251  a process of its own
        **SECRETS,
        "LEADSCORE_MASTER_KEY": MASTER_KEY,
        "LEADSCORE_PORT": "0",
        "LEADSCORE_LOG_LEVEL": "DEBUG",
        "PYTHONUNBUFFERED": "1",
    }
    out, errors = tmp_path / "stdout", tmp_path / "stderr"
    with out.open("wb") as out_file, errors.open("wb") as error_file:
        running = subprocess.Popen(
            [sys.executable, "-m", "console", "serve"],
            cwd=tmp_path,
            env=env,
            stdout=out_file,
            stderr=error_file,
        )
    try:
        ends = time.monotonic() + 10
        while not (
            match := re.search(rb"listening on http://127.0.0.1:(\d+)", errors.read_bytes())
        ):
            assert time.monotonic() < ends, "it does not listen"
            time.sleep(0.02)
        port = int(match.group(1))
        replies = [
            raw(port, request_bytes(path, body, headers))
            for path, body, headers in deliveries(signed, event, outbound, now)
        ]
        time.sleep(1.0)
    finally:
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(20)

    assert running.returncode == 0
    assert b"delivery.accepted" in errors.read_bytes()
    assert scan_folder(tmp_path) == {}
    assert [hit for reply in replies for hit in found_in(reply)] == []
