"""An agency's app is installed, works, loses its token, is taken away and comes back: real HTTP."""

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from config.load import load_secrets, parse_practice
from config.logs import start_logging
from config.settings import Settings
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.server import running
from store.keys import MasterKeys
from webhooks.wiring import Service

CLIENT_ID, CLIENT_SECRET = "invented-client-id", "invented-client-secret"
MASTER_KEY = "5a" * 32
PRACTICE = """
[practice]
name = "Maple Street Clinic"

[[accounts]]
name = "portal"
crm = "hubspot"
auth = "oauth"
portal_id = "4000001"
app_id = "7100001"
client_id = "{client_id}"
client_secret = {{ env = "HS_SECRET" }}
webhook_url = "{own}/webhooks/hubspot"
base_url = "{hubspot}"

[[accounts]]
name = "second"
crm = "hubspot"
auth = "oauth"
portal_id = "4000002"
app_id = "7100001"
client_id = "{client_id}"
client_secret = {{ env = "HS_SECRET" }}
webhook_url = "{own}/webhooks/hubspot"
base_url = "{hubspot}"

[fields.hubspot]
message = "message"
created_at = "createdate"
"""


def wall():
    return datetime.fromtimestamp(time.time(), UTC)


def wait_for(what, seconds=15):
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)
    return found


@pytest.fixture
def clock():
    """Return a clock of the pretend HubSpot that can be put forward."""
    ahead = [timedelta(0)]

    def now():
        return wall() + ahead[0]

    now.ahead = ahead
    return now


@pytest.fixture
def printed():
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
def hubspot(clock, request):
    provisioned = "provision" not in request.node.name
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = f"http://127.0.0.1:{port}"
    simulator = HubSpotSimulator(
        HubSpotSettings(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            provisioned=provisioned,
            target_url=f"{own}/webhooks/hubspot",
            redirect_urls=(f"{own}/oauth/hubspot/callback",),
            portals_to_choose=(4_000_001, 4_000_002, 4_000_009),
        ),
        now=clock,
    )
    with running(simulator) as url:
        simulator.url, simulator.own, simulator.own_port = url, own, port
        yield simulator


@pytest.fixture
def cli(hubspot, tmp_path):
    """Return what runs a command as a person does, on the same files and database."""
    text = PRACTICE.format(client_id=CLIENT_ID, own=hubspot.own, hubspot=hubspot.url)
    (tmp_path / "practice.toml").write_text(text, encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],  # noqa: TID251  a process of its own
        "HS_SECRET": CLIENT_SECRET,
        "LEADSCORE_MASTER_KEY": MASTER_KEY,
        "DATABASE_URL": f"sqlite:///{tmp_path}/leadscore.db",
    }

    def run(*args):
        return subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "console", *args],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    run.practice = parse_practice(text, "practice.toml")
    run.env = env
    return run


@pytest.fixture
def service(cli, hubspot, model):
    found = Service(
        settings=Settings(
            database_url=cli.env["DATABASE_URL"],
            listen_port=hubspot.own_port,
            disk_reserve_mb=0,
        ),
        practice=cli.practice,
        secrets=load_secrets(cli.practice, cli.env),
        model=model,
        keys=MasterKeys(1, {1: bytes.fromhex(MASTER_KEY)}),
    )
    found.start()
    yield found
    found.stop()


class Browser:
    """A person's browser: follows no redirect by itself, keeps what cookies it is given."""

    def __init__(self):
        self.cookies = {}

    def get(self, url, **more):
        answer = requests.get(url, cookies=self.cookies, allow_redirects=False, timeout=10, **more)
        self.cookies.update(answer.cookies.get_dict())
        return answer

    def connect(self, address, portal="4000001"):
        """Click «Connect app» on HubSpot's page; return the address it sends us back to."""
        form = re.findall(r'name="(\w+)" value="([^"]*)"', self.get(address).text)
        answer = requests.post(
            address, data={**dict(form), "portal": portal}, allow_redirects=False, timeout=10
        )
        return answer.headers["Location"]


def invited(cli, account="portal"):
    answer = cli("install", "hubspot", account)
    assert answer.returncode == 0, answer.stderr
    return re.search(r"http\S+invitation=\S+", answer.stdout).group()


def install(cli, account="portal", portal="4000001"):
    browser = Browser()
    start = browser.get(invited(cli, account))
    assert start.status_code == 303
    back = browser.connect(start.headers["Location"], portal)
    return browser, back, browser.get(back)


def scored(hubspot, contact):
    return "lead_score_tier" in hubspot.contact(contact)


def pause_of(service, account="portal"):
    return service.readiness()["accounts"][account]["pause"]


def test_whole_life_of_an_installation(cli, hubspot, service, clock, printed, tmp_path):
    [one] = hubspot.create_contacts([{"message": "I would like dental implants"}])
    wait_for(lambda: pause_of(service) == "not_installed")
    assert service.readiness()["ready"]  # the other portals' work goes on
    calls = hubspot.counters["oauth"]
    assert hubspot.counters["batch_read"] == calls == 0

    _, _, page = install(cli)
    assert (page.status_code, "installed" in page.text) == (200, True)
    wait_for(lambda: scored(hubspot, one))
    assert pause_of(service) == ""
    tokens = service.store.installs.of("portal").read()

    # Revoked before its time: a 401, one refresh, and on.
    service.store.installs.of("portal").replace(
        tokens.version,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=wall() + timedelta(minutes=15),
    )
    hubspot.revoke_access_tokens()
    before = hubspot.counters["oauth"]
    [two] = hubspot.create_contacts([{"message": "Do you take my insurance?"}])
    wait_for(lambda: scored(hubspot, two))
    assert hubspot.counters["oauth"] == before + 1

    # Taken away in the portal: the account rests, and asks HubSpot nothing more.
    hubspot.revoke_refresh_tokens()
    held = service.store.installs.of("portal").read()
    service.store.installs.of("portal").replace(
        held.version,
        access_token=held.access_token,
        refresh_token=held.refresh_token,
        expires_at=wall() + timedelta(minutes=15),
    )
    [three] = hubspot.create_contacts([{"message": "I need a crown"}])
    wait_for(lambda: pause_of(service) == "uninstalled")
    wait_for(lambda: "portal: the CRM refuses us: uninstalled" in service.health.alarms())
    assert service.store.installs.of("portal").read() is None
    asked = hubspot.counters["oauth"], hubspot.counters["batch_read"]
    time.sleep(1.0)
    assert (hubspot.counters["oauth"], hubspot.counters["batch_read"]) == asked
    assert not scored(hubspot, three)

    # Installed again: what waited is scored.
    assert install(cli)[2].status_code == 200
    wait_for(lambda: scored(hubspot, three))

    # Ended by us.
    ended = cli("uninstall", "hubspot", "portal", "--yes")
    assert (ended.returncode, ended.stdout) == (0, "portal: its tokens are deleted\n")
    assert service.store.installs.of("portal").read() is None
    lines = printed()
    assert '"app.uninstalled"' in lines
    secrets = [tokens.access_token, tokens.refresh_token, held.access_token, CLIENT_SECRET]
    for secret in secrets:
        assert secret not in lines
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_tokens_lie_sealed_on_the_disk(cli, hubspot, service, tmp_path):
    install(cli)
    held = service.store.installs.of("portal").read()

    assert held.access_token.startswith("CSimulator")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert held.access_token.encode() not in content, path
            assert held.refresh_token.encode() not in content, path


def test_answers_are_not_cached_and_name_nothing_to_the_next_page(cli, service):
    browser, _, page = install(cli)
    start = browser.get(invited(cli))

    for answer in (start, page, browser.get(service.url + "/oauth/hubspot/start")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    cookie = start.headers["Set-Cookie"]
    assert cookie.startswith("__Host-leadscore-install=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert word in cookie
    assert "Domain" not in cookie


def test_callback_is_good_once_and_only_in_the_browser_that_began(cli, hubspot, service):
    browser = Browser()
    link = invited(cli)
    back = browser.connect(browser.get(link).headers["Location"])

    assert Browser().get(back).status_code == 403  # without the cookie
    assert browser.get(back).status_code == 403  # and used up by that
    back = browser.connect(browser.get(link).headers["Location"])
    assert requests.head(back, cookies=browser.cookies, timeout=5).status_code == 405
    assert browser.get(back).status_code == 200
    assert browser.get(back).status_code == 403
    assert Browser().get(link).status_code == 403  # the invitation ended, too


def test_forged_and_broken_callbacks_install_nothing(cli, hubspot, service):
    browser = Browser()
    start = browser.get(invited(cli))
    back = browser.connect(start.headers["Location"])
    callback = service.url + "/oauth/hubspot/callback"

    for query in ("", "?state=", "?code=x&state=portal.guess", "?state=" + "x" * 5_000):
        assert browser.get(callback + query).status_code in {403, 431}
    state = re.search(r"state=([^&]+)", back).group(1)
    refused = browser.get(f"{callback}?error=access_denied&state={state}")
    assert refused.status_code == 400
    assert service.store.installs.of("portal").read() is None
    wrong = browser.get(invited(cli))
    state = re.search(r"state=([^&]+)", wrong.headers["Location"]).group(1)
    assert browser.get(f"{callback}?code=guess&state={state}").status_code == 502
    assert service.store.installs.of("portal").read() is None


def test_portal_that_is_no_account_is_refused_and_its_token_revoked(cli, hubspot, service):
    _, _, page = install(cli, portal="4000009")

    assert page.status_code == 403
    assert service.store.installs.of("portal").read() is None
    assert not any(
        grant.portal_id == 4_000_009 for grant in hubspot._account.tokens._refresh_tokens.values()
    )


def test_portal_of_another_account_is_refused_and_keeps_its_own_grant(cli, hubspot, service):
    assert install(cli, "second", "4000002")[2].status_code == 200
    own = service.store.installs.of("second").read().refresh_token

    page = install(cli, "portal", "4000002")[2]

    assert page.status_code == 403
    assert own in hubspot._account.tokens._refresh_tokens


def test_provision_and_doctor_of_an_installed_account(cli, hubspot, service):
    before = cli("provision", "portal")
    assert (before.returncode, "leadscore install hubspot portal" in before.stderr) == (1, True)
    install(cli)

    dry = cli("provision", "portal", "--dry-run")
    made = cli("provision", "portal")
    again = cli("provision", "portal")

    assert (dry.returncode, dry.stdout.count("would make")) == (0, 14)
    assert made.stdout == dry.stdout.replace("would make", "made")
    assert again.stdout == "portal: everything is there\n"
    assert cli("provision", "nobody").returncode == 2
    told = json.loads(cli("doctor", "--json", "--reach").stdout)["findings"]
    wrong = {each["check"]: each["detail"] for each in told if not each["ok"]}
    own = {check: detail for check, detail in wrong.items() if check.startswith("portal")}
    assert set(own) == {"portal: webhook_url", "portal: subscriptions"}
    assert "contact.propertyChange message" in own["portal: subscriptions"]
    assert "leadscore install hubspot second" in wrong["second: access"]
    assert {"portal: webhook_url is reached", "portal: scope sales-email-read"} <= {
        each["check"] for each in told
    }
    hubspot.create_contacts([{"message": "hello"}])
    assert hubspot.wait_until_idle(10)
    told = json.loads(cli("doctor", "--json").stdout)["findings"]
    assert {"portal: subscriptions": True}.items() <= {
        each["check"]: each["ok"] for each in told
    }.items()


def test_commands_say_what_is_wrong_with_the_account(cli):
    answer = cli("install", "hubspot", "clinic")

    assert answer.returncode == 2
    assert "there are: portal, second" in answer.stderr
    assert cli("uninstall", "hubspot", "portal", "--yes").stdout == "portal: was not installed\n"
