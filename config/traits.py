"""Protected traits, refused as inputs, and proxies for them, which warn.

Source: DESIGN section 4; the traits of 42 U.S.C. 2000d, 42 U.S.C. 18116 (race, colour, national
origin, sex, age, disability) with religion and language, and what identifies a person (ZIP, name,
date of birth). A proxy is no trait, but tells much about one.
"""

import re
from collections.abc import Mapping
from typing import Final

#: Trait -> names that stand for it: one word, or several in a row, in snake or camel case.
TRAITS: Final[Mapping[str, tuple[str, ...]]] = {
    "race": ("race", "racial", "ethnicity", "ethnic", "tribe"),
    "colour": ("colour", "skin color", "skin tone", "complexion", "color"),
    "national origin": (
        "national origin", "nationality", "citizenship", "citizen", "birthplace", "birth place",
        "country of birth", "birth country", "country of origin", "immigration", "ancestry",
    ),
    "sex": ("sex", "gender", "pronoun", "pronouns", "sexual orientation", "pregnant", "pregnancy"),
    "age": ("age", "years old", "senior", "minor"),
    "disability": ("disability", "disabled", "handicap", "handicapped", "impairment"),
    "religion": ("religion", "religious", "faith", "denomination", "church"),
    "language": ("language", "languages", "spoken language", "mother tongue", "locale"),
    "ZIP": ("zip", "zipcode", "zip code", "postal", "postalcode", "postcode", "postal code"),
    "name": (
        "first name", "last name", "full name", "middle name", "maiden name", "given name",
        "family name", "patient name", "contact name", "firstname", "lastname", "fullname",
        "surname", "nickname",
    ),
    "date of birth": ("dob", "birth date", "birthdate", "date of birth", "birthday", "birth year"),
}  # fmt: skip
#: What a name stands for wholly: `campaign_name` is no person's.
_WHOLE: Final = {"name": "name", "minor": "age", "senior": "age", "color": "colour"}
#: Proxy -> what it may tell about.
PROXIES: Final[Mapping[str, str]] = {
    "address": "ZIP", "street": "ZIP", "city": "ZIP", "county": "ZIP", "state": "ZIP",
    "region": "ZIP", "neighborhood": "ZIP", "latitude": "ZIP", "longitude": "ZIP",
    "area code": "ZIP", "country": "national origin", "timezone": "national origin",
    "time zone": "national origin", "salutation": "sex", "marital": "sex", "marital status": "sex",
    "title": "sex", "income": "race", "credit": "race", "credit score": "race",
    "education": "race", "employer": "national origin", "school": "age", "graduation": "age",
    "retired": "age", "device": "age",
}  # fmt: skip
#: Our own fields of which some values tell about a trait.
PROXY_FIELDS: Final[Mapping[str, str]] = {
    "insurance_status": "age, disability: Medicare and Medicaid",
    "payer_kind": "age, disability: Medicare and Medicaid",
    "insurance_carrier": "age, disability: public plans",
    "signal.insurance": "age, disability: Medicare and Medicaid",
    "procedures": "sex, age: obstetrics, mammograms, paediatrics",
    "signal.procedures": "sex, age: obstetrics, mammograms, paediatrics",
    "message": "language, sex, age: whatever people write of themselves",
}
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def trait_in(name: str) -> str | None:
    """Return the protected trait that a field or property of this name holds, or None.

    >>> trait_in("MailingPostalCode"), trait_in("hs_language"), trait_in("Age__c")
    ('ZIP', 'language', 'age')
    >>> trait_in("campaign_name"), trait_in("page_views"), trait_in("name")
    (None, None, 'name')
    """
    words = _words(name)
    whole = " ".join(word for word in words if word not in {"c", "hs"})
    if whole in _WHOLE:
        return _WHOLE[whole]
    spaced = f" {' '.join(words)} "
    for trait, names in TRAITS.items():
        if any(f" {each} " in spaced for each in names if each not in _WHOLE):
            return trait
    return None


def proxied_by(name: str) -> str | None:
    """Return what a field or property of this name may tell about, or None.

    >>> proxied_by("MailingCity"), proxied_by("lifecyclestage")
    ('ZIP', None)
    """
    spaced = f" {' '.join(_words(name))} "
    return next((about for each, about in PROXIES.items() if f" {each} " in spaced), None)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
