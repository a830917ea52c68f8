"""Logging in by a JWT: the key signs, no secret is sent."""

import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.practice import SalesforceAccount
from integrations.errors import AccessError
from integrations.registry import build_client
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running

USER = "integration@example.com"


def now():
    return datetime.fromtimestamp(time.time(), UTC)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def simulator(key):
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    made = SalesforceSimulator(
        SalesforceSettings(consumer_key="k", jwt_public_key_pem=public.decode(), username=USER),
        now=now,
    )
    with running(made) as url:
        made.url = url
        yield made


def account_of(url, **changes):
    given = {
        "crm": "salesforce",
        "name": "org",
        "organization_id": "00D8d000000HLs1EAG",
        "base_url": url,
        "auth": "jwt",
        "consumer_key": {"env": "A"},
        "username": USER,
        "private_key": {"env": "K"},
        "path_token": {"env": "C"},
        "sender_ranges": ("127.0.0.0/8",),
    }
    return SalesforceAccount(**{**given, **changes})


def client_of(simulator, private_key, **changes):
    return build_client(
        account_of(simulator.url, **changes),
        {"consumer_key": "k", "private_key": private_key},
        clock=time.monotonic,
        sleep=lambda _s: None,
        now=now,
    )


def test_key_of_the_apps_certificate_opens_the_org(simulator, key):
    (one,) = simulator.create_leads([{"LastName": "Invented", "Company": "-"}])
    client = client_of(simulator, pem(key))
    assert set(client.read("Lead", [one], ["Email"]).records) == {one}
    client.close()


@pytest.mark.parametrize(
    "changes", [{"username": "other@example.com"}, {"login_url": "https://login.example.com"}]
)
def test_another_user_or_audience_is_refused(simulator, key, changes):
    client = client_of(simulator, pem(key), **changes)
    with pytest.raises(AccessError, match="login_"):
        client.read("Lead", ["00Q8d0000001aBCEAY"], ["Email"])
    client.close()


def test_another_key_is_refused(simulator):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    client = client_of(simulator, pem(other))
    with pytest.raises(AccessError, match="login_"):
        client.read("Lead", ["00Q8d0000001aBCEAY"], ["Email"])
    client.close()


@pytest.mark.parametrize("text", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nsecret\n"])
def test_what_is_no_key_is_named_and_not_shown(simulator, text):
    client = client_of(simulator, text)
    with pytest.raises(AccessError) as caught:
        client.read("Lead", ["00Q8d0000001aBCEAY"], ["Email"])
    assert caught.value.code == "private_key"
    assert "secret" not in str(caught.value)
    client.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": None}, "needs username"),
        ({"private_key": None}, "needs private_key"),
        ({"consumer_secret": {"env": "B"}}, "no use for consumer_secret"),
        (
            {"auth": "client_credentials", "username": None, "private_key": None},
            "needs consumer_secret",
        ),
    ],
)
def test_account_names_what_its_login_needs(changes, message):
    with pytest.raises(ValueError, match=message):
        account_of("http://127.0.0.1:1", **changes)
