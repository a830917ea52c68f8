"""The forms that short values must have, each with the words that say so to an admin."""

DIGITS = r"^\d{1,19}$"
ACCOUNT_NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
#: HubSpot internal names and Salesforce API names: what may stand in a URL or a query.
PROPERTY_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"
API_VERSION = r"^\d{2,3}\.0$"
CLIENT_ID = r"^[A-Za-z0-9-]{8,80}$"
SHA256 = r"^[0-9a-f]{64}$"
#: A name of an object, field or record type in Salesforce.
API_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
#: The namespace of a Salesforce package: up to 15 letters and digits, no double underscore.
NAMESPACE = r"^[A-Za-z](?:_?[A-Za-z0-9]){0,14}$"
#: A topic of Salesforce's event bus: a platform event, a change event, or a channel of either.
TOPIC = (
    r"^/(?:event/[A-Za-z][A-Za-z0-9_]{0,79}__(?:e|chn)"
    r"|data/[A-Za-z0-9_]{0,80}(?:ChangeEvents?|__chn))$"
)
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
ENTRY = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
LOG_LEVEL = r"^(DEBUG|INFO|WARNING|ERROR)$"

IN_WORDS = {
    DIGITS: "must be digits only, in quotes, as in '4000001'",
    ACCOUNT_NAME: "must be lower-case letters, digits, - and _, 40 at most",
    PROPERTY_NAME: "must be the property's internal name: letters, digits and _",
    API_VERSION: "must be a version as in '63.0'",
    CLIENT_ID: "must be the app's client id: letters, digits and -",
    SHA256: "must be 64 hex digits, lower case",
    API_NAME: "must be an API name: letters, digits and _",
    NAMESPACE: "must be a package's namespace: 15 letters and digits at most",
    TOPIC: "must be a topic as in '/event/Leadscore_Change__e' or '/data/LeadChangeEvent'",
    VARIABLE: "must be the name of an environment variable",
    ENTRY: "must be a name of letters, digits, '.', - and _",
    LOG_LEVEL: "must be DEBUG, INFO, WARNING or ERROR",
}
