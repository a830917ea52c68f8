"""What a field that is mapped once is called on each object.

A person account shows the fields of its contact under names of its own: custom ones end in `__pc`,
standard ones begin with `Person`. Source: reference salesforce.md section 6, "Person accounts";
Object Reference, "Account", person account fields.
"""

from collections.abc import Collection

ACCOUNT = "Account"
#: What can be scored, and the first characters of its ids. Source: Object Reference, key prefixes.
PREFIXES = {"00Q": "Lead", "003": "Contact", "001": ACCOUNT}

_PERSON = frozenset(
    {
        "Email",
        "LeadSource",
        "Title",
        "MobilePhone",
        "HomePhone",
        "OtherPhone",
        "Birthdate",
        "Department",
        "DoNotCall",
        "HasOptedOutOfEmail",
        "MailingCity",
        "MailingState",
        "MailingPostalCode",
        "MailingCountry",
    }
)


def on_object(object_type: str, name: str) -> str:
    """Return what the field `name` of leads and contacts is called on `object_type`.

    >>> on_object("Account", "Lead_Score__c"), on_object("Account", "Email")
    ('Lead_Score__pc', 'PersonEmail')
    >>> on_object("Account", "Phone"), on_object("Lead", "Lead_Score__c")
    ('Phone', 'Lead_Score__c')
    """
    if object_type != ACCOUNT:
        return name
    if name.endswith("__c"):
        return f"{name[:-1]}pc"
    return f"Person{name}" if name in _PERSON else name


def all_on_object(object_type: str, names: Collection[str]) -> dict[str, str]:
    """Return names of leads and contacts -> what they are called on `object_type`."""
    return {name: on_object(object_type, name) for name in dict.fromkeys(names)}
