"""Invented people fit both CRMs and are nobody's."""

import re

import pytest

from integrations.simulator.people import invent_people


@pytest.fixture
def people(clock):
    return invent_people(7, 94, clock())


def test_same_seed_gives_the_same_people(clock):
    assert invent_people(7, 120, clock()) == invent_people(7, 120, clock())
    assert invent_people(7, 20, clock()) != invent_people(8, 20, clock())


def test_more_than_eighty_write_different_things(people):
    assert len({person.message for person in people}) == len(people) > 80


def test_beyond_that_they_vary(clock):
    many = invent_people(7, 300, clock())

    assert len(many) == 300
    assert len({(person.email, person.message) for person in many}) == 300


def test_nobody_is_real(people):
    for person in people:
        assert person.email.endswith("@example.com")
        assert re.fullmatch(r"(\+1 555-01\d\d)?", person.phone)
    for number in re.findall(r"\d{3}-\d{4}", " ".join(person.message for person in people)):
        assert number.startswith("555-01")


def test_both_crms_take_everyone(people, hubspot, salesforce, clock):
    contacts = hubspot.create_contacts([person.to_hubspot() for person in people])
    leads = salesforce.create_leads([person.to_salesforce() for person in people])

    assert len(contacts) == len(leads) == len(people)
    assert hubspot.contact(contacts[0])["createdate"] <= clock().isoformat()


def test_practices_leave_fields_empty(people):
    for name in ("inquiry_type", "insurance_status", "service_line", "phone", "procedures"):
        empty = sum(not getattr(person, name) for person in people)
        assert 5 < empty < 75, name


def test_ages_run_from_minutes_to_weeks_and_nothing_lies_ahead(people, clock):
    ages = [clock() - person.created_at for person in people]

    assert min(ages).total_seconds() < 3600
    assert max(ages).days >= 7
    for person in people:
        for at in (person.last_visit_at, person.email_opened_at):
            assert at is None or person.created_at <= at <= clock()


def test_emergencies_and_spanish_are_among_them(people):
    assert sum(person.heat == "emergency" for person in people) >= 6
    assert sum("¿" in person.message or "Quiero" in person.message for person in people) >= 5
