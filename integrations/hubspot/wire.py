"""HubSpot's paths, names and numbers, each in one place.

Source: reference hubspot.md; section numbers below are that document's.
"""

#: Date version of the paths; supported for 18 months from its month (section 1).
API_VERSION = "2026-09"

BATCH_READ = f"/crm/objects/{API_VERSION}/contacts/batch/read"
BATCH_UPDATE = f"/crm/objects/{API_VERSION}/contacts/batch/update"
SEARCH = f"/crm/objects/{API_VERSION}/contacts/search"
ACTIVITY_READ = f"/crm/objects/{API_VERSION}/{{}}/batch/read"
ASSOCIATIONS = f"/crm/associations/{API_VERSION}/{{}}/{{}}/batch/read"
PROPERTIES = f"/crm/properties/{API_VERSION}/contacts"
ACCOUNT_DETAILS = f"/account-info/{API_VERSION}/details"
DAILY_USAGE = f"/account-info/{API_VERSION}/api-usage/daily/private-apps"

#: Date version of the token endpoints: the newest whose interface file we have (section 5).
OAUTH_VERSION = "2026-03"

TOKEN = f"/oauth/{OAUTH_VERSION}/token"
INTROSPECT = f"{TOKEN}/introspect"
REVOKE = f"{TOKEN}/revoke"

#: The journal of events has versions of its own (section 2.7).
JOURNAL = "/webhooks-journal/journal-local/2026-03"
JOURNAL_SUBSCRIPTIONS = "/webhooks-journal/subscriptions/2026-03"

#: Records in one batch read or update (section 4).
BATCH_SIZE = 100

#: Records in one page of a search (section 4).
SEARCH_PAGE = 200
#: Searches in any second, of all integrations together (section 4).
SEARCHES_PER_S = 5

#: Records in one read of associations: 1,000 documented, 100 once announced (section 4).
ASSOCIATION_BATCH = 100
#: Reads of associations in 10 s: on Professional and Enterprise, on Free and Starter (section 4).
ASSOCIATIONS_PER_10S, ASSOCIATIONS_SMALL = 150, 100

SIGNATURE_HEADER = "x-hubspot-signature-v3"
TIMESTAMP_HEADER = "x-hubspot-request-timestamp"
#: Of versions 1 and 2: count for workflows only (section 2.6).
OLDER_SIGNATURE_HEADER = "x-hubspot-signature"
OLDER_VERSION_HEADER = "x-hubspot-signature-version"

#: Accepted distance of the timestamp from now, past and future (section 3; S3).
MAX_AGE_MS = 300_000

#: objectTypeId of a contact (section 2.5).
CONTACT_TYPE_ID = "0-1"

#: objectTypeId -> our name of the type: contacts, and the activities around them (section 2.5).
OBJECT_TYPES = {
    CONTACT_TYPE_ID: "contact",
    "0-48": "call",
    "0-49": "email",
    "0-47": "meeting",
    "0-46": "note",
    "0-27": "task",
    "0-18": "communication",
}

#: Last word of a subscription type -> what it means to us (section 2.3).
CAUSES = {
    "creation": "created",
    "propertyChange": "changed",
    "deletion": "deleted",
    "privacyDeletion": "erased",
    "merge": "merged",
    "restore": "restored",
}

#: HubSpot decodes these, and no others, in a URL before it signs it (section 3).
DECODED_BEFORE_SIGNING = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
