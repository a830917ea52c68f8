"""HubSpot's paths, names and numbers, each in one place.

Source: reference hubspot.md; section numbers below are that document's.
"""

#: Date version of the paths; supported for 18 months from its month (section 1).
API_VERSION = "2026-09"

BATCH_READ = f"/crm/objects/{API_VERSION}/contacts/batch/read"
BATCH_UPDATE = f"/crm/objects/{API_VERSION}/contacts/batch/update"
SEARCH = f"/crm/objects/{API_VERSION}/contacts/search"
PROPERTIES = f"/crm/properties/{API_VERSION}/contacts"

#: Records in one batch read or update (section 4).
BATCH_SIZE = 100

#: Records in one page of a search (section 4).
SEARCH_PAGE = 200
#: Searches in any second, of all integrations together (section 4).
SEARCHES_PER_S = 5

SIGNATURE_HEADER = "x-hubspot-signature-v3"
TIMESTAMP_HEADER = "x-hubspot-request-timestamp"

#: Accepted distance of the timestamp from now, past and future (section 3; S3).
MAX_AGE_MS = 300_000

#: objectTypeId of a contact (section 2.5).
CONTACT_TYPE_ID = "0-1"

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
