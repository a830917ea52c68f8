import pytest

from config.load import parse_practice
from config.models import check, packaged_model
from config.problems import ConfigError
from config.register import register
from config.traits import PROXIES, TRAITS, proxied_by, trait_in


@pytest.mark.parametrize(
    ("name", "trait"),
    [
        ("race", "race"), ("Ethnicity__c", "race"), ("skin_color", "colour"), ("nationality", "national origin"),
        ("CountryOfBirth__c", "national origin"), ("gender", "sex"), ("Sex__c", "sex"), ("patient_age", "age"),
        ("disability_status", "disability"), ("religion", "religion"), ("preferred_language", "language"),
        ("hs_language", "language"), ("zip", "ZIP"), ("MailingPostalCode", "ZIP"), ("FirstName", "name"),
        ("lastname", "name"), ("Name", "name"), ("date_of_birth", "date of birth"), ("Birthdate", "date of birth"),
    ],
)  # fmt: skip
def test_a_protected_trait_is_known_by_its_name(name, trait):
    assert trait_in(name) == trait


@pytest.mark.parametrize(
    "name", ["utm_campaign_name", "page_views", "lifecyclestage", "hs_analytics_source", "message", "stage", "sextant"]
)  # fmt: skip
def test_other_names_are_none(name):
    assert trait_in(name) is None


def test_every_trait_of_the_design_is_covered():
    assert set(TRAITS) == {
        "race", "colour", "national origin", "sex", "age", "disability", "religion", "language", "ZIP",
        "name", "date of birth",
    }  # fmt: skip
    assert all(proxied_by(name) for name in PROXIES)


def test_a_property_with_a_protected_trait_is_refused(practice_text):
    text = practice_text.replace('message = "message"', 'message = "message"\nsource = "zip"', 1)

    with pytest.raises(
        ConfigError, match=r"fields\.hubspot\.source: 'zip' holds a protected trait \(ZIP\)"
    ):
        parse_practice(text, "practice.toml")


def test_a_field_named_like_a_trait_is_refused(practice_text):
    text = practice_text.replace('message = "message"', 'message = "message"\nage = "x"', 1)

    with pytest.raises(ConfigError, match=r"'age' is a protected trait \(age\)"):
        parse_practice(text, "practice.toml")


def test_a_rule_over_a_trait_is_refused():
    rule = {
        "id": "a",
        "factor": "urgency",
        "points": 3,
        "says": "A",
        "when": {"field": "gender", "known": True},
    }

    _, [problem] = check({"name": "x", "rules": [rule]})

    assert (
        str(problem)
        == "rules[0].when.field: 'gender' is a protected trait (sex): never an input of a score"
    )


def test_an_override_needs_a_written_reason_and_is_in_the_register(practice_text):
    reason = "Service areas are drawn by ZIP; agreed with counsel 2026-01-05"
    given = 'message = "message"\nservice_line = {{ property = "zip", override_reason = "{}" }}'
    text = practice_text.replace('message = "message"', given.format(reason), 1)

    practice = parse_practice(text, "practice.toml")

    [line] = [line for line in register(practice, packaged_model()) if line.status == "protected"]
    assert (line.field, line.property, line.about, line.override_reason) == (
        "service_line",
        "zip",
        "ZIP",
        reason,
    )
    assert "procedure.service_line" in line.rules
    with pytest.raises(ConfigError, match="override_reason"):
        parse_practice(practice_text.replace('message = "message"', given.format("short"), 1), "p")


def test_the_register_lists_every_input_and_warns_of_proxies(practice_text):
    practice = parse_practice(practice_text, "practice.toml")
    model = packaged_model()

    lines = register(practice, model)

    mapped = {(crm, field) for crm, fields in practice.fields.items() for field in fields}
    assert mapped <= {(line.crm, line.field) for line in lines}
    by_field = {line.field: line for line in lines}
    assert by_field["insurance_status"].status == "proxy"
    assert "insurance.medicare" in by_field["insurance_status"].rules
    assert by_field["signal.urgency"].property == "the inquiry's words"
