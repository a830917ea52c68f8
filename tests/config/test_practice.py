import re
from importlib import resources

import pytest

from config.load import (
    load_model,
    load_models,
    load_practice,
    load_secrets,
    load_settings,
    parse_practice,
)
from config.problems import ConfigError


def problems(text):
    with pytest.raises(ConfigError) as refused:
        parse_practice(text, "practice.toml")
    return {problem.path: problem.message for problem in refused.value.problems}


def test_the_starter_file_is_a_checked_practice():
    text = resources.files("config").joinpath("starter.toml").read_text("utf-8")

    practice = parse_practice(text, "starter.toml")
    assert [account.crm for account in practice.accounts] == ["hubspot"]


def test_the_starter_file_is_right_in_its_comments_too():
    """What is commented out parses when its mark is taken away."""
    text = resources.files("config").joinpath("starter.toml").read_text("utf-8")
    opened, is_code = [], False
    for line in text.splitlines():
        bare = line.removeprefix("# ").removeprefix("#")
        opens = re.fullmatch(r"\[+[a-z.]+\]+", bare)
        is_code = line.startswith("#") and bool(opens or (is_code and " = " in bare))
        opened.append(bare if is_code else line)

    practice = parse_practice("\n".join(opened), "starter.toml")
    assert [account.crm for account in practice.accounts] == ["hubspot", "salesforce"]
    assert practice.network.trusted_proxies


def test_all_problems_are_told_at_once_with_place_rule_and_remedy(practice_text):
    text = (
        practice_text.replace('portal_id = "4000001"', 'portal_id = "x"')
        .replace('webhook_url = "https', 'webhook_url = "http')
        .replace('organization_id = "00D', 'organization_id = "00X')
        .replace('message = "message"', 'mesage = "message"')
        .replace("[practice]", '[practice]\nnaem = "x"')
        + "\n[tiers.hot]\nat_lest = 70\nrespond_within_minutes = -5\n"
    )
    found = problems(text)

    assert found["practice.naem"] == "unknown key; did you mean 'name'?"
    assert "found 'x'" in found["accounts[0].portal_id"]
    assert "https://" in found["accounts[0].webhook_url"]
    assert "begins with 00D" in found["accounts[1].organization_id"]
    assert found["tiers.hot.at_lest"] == "unknown key; did you mean 'at_least'?"
    assert found["tiers.hot.at_least"].startswith("missing")
    assert "found -5" in found["tiers.hot.respond_within_minutes"]
    assert "did you mean 'message'?" in found["fields.hubspot.mesage"]
    assert len(found) == 8


def test_the_count_of_problems_is_in_the_headline(practice_text):
    with pytest.raises(ConfigError, match=r"^practice\.toml: 1 problem\n"):
        parse_practice(
            practice_text.replace('crm = "hubspot"', 'crm = "pipedrive"'), "practice.toml"
        )


@pytest.mark.parametrize("key", ["access_token", "client_secret", "path_token", "consumer_key"])
@pytest.mark.parametrize(
    "written",
    [
        '"MARKER-987654321"',
        '{ env = "MARKER-987654321" }',
        '{ env = "MARKER 987654321" }',
        "{ env = 987654321 }",
        "987654321",
        '["MARKER-987654321"]',
        '{ file = "MARKER\\n987654321" }',
        "{ file = 987654321 }",
        '{ token = "MARKER-987654321" }',
        '{ env = "A", file = "MARKER-987654321" }',
        "987654321.5",
        "true",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_echoed(practice_text, key, written):
    lines = [
        f"{key} = {written}" if line.startswith(f"{key} =") else line
        for line in practice_text.splitlines()
    ]
    with pytest.raises(ConfigError) as refused:
        parse_practice("\n".join(lines), "practice.toml")

    assert "MARKER" not in str(refused.value)
    assert "987654321" not in str(refused.value)
    assert key in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://MARKER:pw@api.example.com",
        "https://api.example.com/?token=MARKER",
        "http://MARKER.example.com",
        "MARKER",
        "https://api.example.com/#MARKER",
    ],
)
def test_an_address_with_a_secret_is_refused_and_never_echoed(practice_text, url):
    text = practice_text.replace("https://clinic-demo.my.salesforce.com", url)
    with pytest.raises(ConfigError) as refused:
        parse_practice(text, "practice.toml")

    assert "MARKER" not in str(refused.value)


def test_s006_an_org_needs_a_known_sender(practice_text):
    found = problems(practice_text.replace('sender_ranges = ["127.0.0.0/8"]', ""))

    assert "sender_ranges or client_certificate_sha256" in found["accounts[1]"]


def test_two_accounts_of_one_name_or_portal_are_refused(practice_text):
    assert "two accounts" in str(
        problems(practice_text.replace('name = "org"', 'name = "portal"'))
    )


@pytest.mark.parametrize(
    "text", ["", "x", "[practice", 'a = "\x00"', "[practice]\n[practice]", "a = 1\na = 2"]
)
def test_what_is_no_practice_file_is_one_error(text):
    assert problems(text)


def test_a_file_that_is_missing_or_unreadable_says_so(tmp_path):
    with pytest.raises(ConfigError, match="leadscore init"):
        load_practice(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_practice(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_practice(tmp_path)


def test_missing_secrets_are_all_named_and_none_is_shown(practice, tmp_path, practice_text):
    env = {"HS_TOKEN": "MARKER-token", "SF_PATH": "MARKER-too-short", "HS_SECRET": "  "}
    with pytest.raises(ConfigError) as refused:
        load_secrets(practice, env)
    shown = str(refused.value)

    for name in ("HS_SECRET", "HS_SECRET_NEXT", "SF_KEY", "SF_SECRET"):
        assert f"environment variable {name} is not set" in shown
    assert "accounts[1].path_token: must be at least 22" in shown
    assert "MARKER" not in shown


def test_a_secret_may_lie_in_a_file(practice_text, environment, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n", encoding="utf-8")
    text = practice_text.replace('{ env = "HS_TOKEN" }', f'{{ file = "{tmp_path}/token" }}')
    secrets = load_secrets(parse_practice(text, "practice.toml"), environment)
    assert secrets["portal"]["access_token"] == "from-a-file"
    assert "from-a-file" not in repr(secrets)

    (tmp_path / "token").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        load_secrets(parse_practice(text, "practice.toml"), environment)
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load_secrets(parse_practice(text, "practice.toml"), environment)


@pytest.mark.parametrize("token", ["x" * 21, "é" * 30, "a/" + "b" * 30])
def test_s006_a_path_token_that_can_be_guessed_is_refused(practice, environment, token):
    with pytest.raises(ConfigError, match="token_urlsafe"):
        load_secrets(practice, {**environment, "SF_PATH": token})


def test_settings_problems_name_the_environment_variables():
    env = {
        "DATABASE_URL": "postgresql://u:MARKER@h/d",
        "LEADSCORE_PORT": "99999",
        "LEADSCORE_THREADS": "many",
        "LEADSCORE_LOG_LEVEL": "LOUD",
        "LEADSCORE_MASTER_KEY": "MARKER-key",
    }
    with pytest.raises(ConfigError) as refused:
        load_settings(env)
    shown = str(refused.value)

    for name in ("DATABASE_URL", "LEADSCORE_PORT", "LEADSCORE_THREADS", "LEADSCORE_LOG_LEVEL"):
        assert name in shown
    assert "MARKER" not in shown


def test_settings_in_force_show_no_key():
    settings = load_settings({"LEADSCORE_MASTER_KEY": "MARKER-key"})

    assert "MARKER" not in repr(settings) + str(settings.model_dump())


def test_a_model_that_is_not_there_says_which_are(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'general'"):
        load_model("generl", tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_model("mine.toml", tmp_path)


def test_a_service_line_may_have_a_model_of_its_own(practice_text, tmp_path):
    text = practice_text.replace("[practice]", '[practice]\nmodels = { implants = "dental" }')
    practice = parse_practice(text, "practice.toml")

    model = practice.own(load_models(practice, tmp_path))

    assert model.version.startswith("general-")
    assert model.lines["implants"].version.startswith("dental-")
    assert model.lines["implants"].hours == model.hours
    wrong = parse_practice(text.replace('"dental"', '"dentl"'), "practice.toml")
    with pytest.raises(ConfigError, match="did you mean 'dental'"):
        load_models(wrong, tmp_path)


def test_workflows_send_below_the_address_of_the_webhooks_unless_told_otherwise(practice_text):
    line = 'webhook_url = "https://scores.example.com/webhooks/hubspot"'
    own = line + '\nworkflow_url = "https://scores.example.com/flows"'

    [first, *_] = parse_practice(practice_text, "practice.toml").accounts
    [other, *_] = parse_practice(practice_text.replace(line, own), "practice.toml").accounts

    assert first.workflow_address == "https://scores.example.com/webhooks/hubspot/workflow"
    assert other.workflow_address == "https://scores.example.com/flows"
    assert first.first_response_from == ("call", "email", "meeting", "message")


def test_a_first_response_comes_from_what_is_known_only(practice_text):
    line = 'app_id = "7100001"'
    text = practice_text.replace(line, line + '\nfirst_response_from = ["pigeon"]')

    with pytest.raises(ConfigError) as found:
        parse_practice(text, "practice.toml")

    assert "first_response_from" in str(found.value)


OAUTH = {'access_token = { env = "HS_TOKEN" }': 'auth = "oauth"\nclient_id = "invented-client-id"'}


def changed(text, changes):
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def test_account_with_oauth_has_its_addresses_beside_the_webhook(practice_text, environment):
    practice = parse_practice(changed(practice_text, OAUTH), "practice.toml")

    portal = practice.accounts[0]
    assert portal.redirect_address == "https://scores.example.com/oauth/hubspot/callback"
    assert portal.start_address == "https://scores.example.com/oauth/hubspot/start"
    assert portal.authorize_address == "https://app.hubspot.com/oauth/authorize"
    assert "access_token" not in load_secrets(practice, environment)["portal"]


def test_addresses_of_oauth_keep_a_prefix(practice_text):
    text = changed(practice_text, OAUTH).replace("example.com/webhooks", "example.com/ls/webhooks")

    portal = parse_practice(text, "practice.toml").accounts[0]

    assert portal.redirect_address == "https://scores.example.com/ls/oauth/hubspot/callback"
    assert portal.start_address == "https://scores.example.com/ls/oauth/hubspot/start"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({'access_token = { env = "HS_TOKEN" }': ""}, 'auth = "static" needs access_token'),
        ({'access_token = { env = "HS_TOKEN" }': 'auth = "oauth"'}, "needs client_id"),
        (
            {'access_token = { env = "HS_TOKEN" }': 'auth = "oauth"\nclient_id = "x y"'},
            "must be the app's client id",
        ),
        (
            {"access_token": 'auth = "oauth"\nclient_id = "invented-client-id"\naccess_token'},
            "has no use for access_token",
        ),
        (
            {"access_token": 'client_id = "invented-client-id"\naccess_token'},
            "has no use for client_id",
        ),
        (
            {"access_token": 'redirect_url = "https://scores.example.com/cb"\naccess_token'},
            "redirect_url must end in /oauth/hubspot/callback",
        ),
        (
            {"access_token": 'sensitive_outputs = ["reason"]\naccess_token'},
            "did you mean 'reasons'",
        ),
    ],
)
def test_account_that_cannot_be_authorised_says_what_it_lacks(practice_text, changes, words):
    with pytest.raises(ConfigError, match=words):
        parse_practice(changed(practice_text, changes), "practice.toml")
