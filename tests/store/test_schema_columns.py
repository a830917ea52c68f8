"""Every column, marked clear or sealed, each clear one with its reason (S44)."""

import pytest

from store import schema

NAME, ID, TIME, COUNT, CODE = "our own name", "an id", "an instant", "a count", "a short code"
HASH = "a keyed hash"
SCORE = "a number that the CRM shows to all its users"

CLEAR_COLUMNS = {
    "delivery": {
        "account_id": NAME,
        "id": ID,
        "received_at": TIME,
        "kind": NAME,
        "state": CODE,
        "error_code": CODE,
    },
    "delivery_key": {"account_id": NAME, "number": COUNT, "uses": COUNT, "created_at": TIME},
    "retired_delivery_key": {"number": COUNT},
    "retired_key": {"number": COUNT},
    "tombstone": {"account_id": NAME, "record_hash": HASH, "erased_at": TIME},
    "account": {
        "account_id": NAME,
        "crm": NAME,
        "external_id": ID,
        "lease_owner": "host, process and a random number",
        "fence": COUNT,
        "beats": COUNT,
        "paused_until": TIME,
        "pause_code": CODE,
        "failures": COUNT,
        "swept_at": TIME,
    },
    "token": {
        "account_id": NAME,
        "version": COUNT,
        "expires_at": TIME,
        "refreshing_until": TIME,
    },
    "install": {
        "account_id": NAME,
        "invitation_hash": "a hash of 256 random bits",
        "invited_until": TIME,
        "state_hash": "a hash of 256 random bits",
        "challenge": "a hash of 256 random bits",
        "state_until": TIME,
        "installed_at": TIME,
        "uninstalled_at": TIME,
    },
    "due": {
        "account_id": NAME,
        "object_type": NAME,
        "record_id": ID,
        "due_at": TIME,
        "cause": CODE,
        "version": COUNT,
        "attempts": COUNT,
        "first_failed_at": TIME,
        "error_code": CODE,
        "since_at": TIME,
        "lane": CODE,
    },
    "listing": {
        "account_id": NAME,
        "object_type": NAME,
        "swept_until": TIME,
        "cursor": "an instant and an id",
        "marked": COUNT,
        "total": COUNT,
        "started_at": TIME,
        "listed_at": TIME,
    },
    "feed": {
        "account_id": NAME,
        "kind": CODE,
        "position": "the CRM's own mark",
        "fetched_at": TIME,
        "holder": NAME,
        "held_until": TIME,
    },
    "lead": {
        "account_id": NAME,
        "object_type": NAME,
        "record_id": ID,
        "score": SCORE,
        "tier": SCORE,
        "model_version": NAME,
        "scored_at": TIME,
        "valid_until": TIME,
        "respond_by": TIME,
        "first_response_at": TIME,
        "written_hash": HASH,
        "key_uses": COUNT,
    },
    "score_history": {
        "account_id": NAME,
        "object_type": NAME,
        "record_id": ID,
        "scored_at": TIME,
        "score": SCORE,
        "tier": SCORE,
        "model_version": NAME,
        "cause": CODE,
    },
    "outcome": {
        "account_id": NAME,
        "object_type": NAME,
        "record_id": ID,
        "happened_at": TIME,
        "kind": CODE,
        "source": NAME,
        "value_cents": "an amount without a name",
    },
    "model": {
        "account_id": NAME,
        "version": NAME,
        "published_at": TIME,
        "published_by": "a member of staff",
        "content_hash": "of a file that holds no PHI",
        "content": "rules and points: no PHI",
    },
    "audit": {
        "account_id": NAME,
        "seq": COUNT,
        "at": TIME,
        "actor": "a member of staff",
        "act": CODE,
        "object_type": NAME,
        "record_id": ID,
        "fields": "names of fields, never their values",
        "outcome": CODE,
        "objects": COUNT,
        "chain_hash": HASH,
    },
    "dead_letter": {
        "account_id": NAME,
        "id": ID,
        "object_type": NAME,
        "record_id": ID,
        "delivery_id": ID,
        "place": "where in a delivery, never a value",
        "cause": CODE,
        "error_code": CODE,
        "attempts": COUNT,
        "first_at": TIME,
        "last_at": TIME,
    },
}
TABLES = [*schema.inbox.sorted_tables, *schema.ledger.sorted_tables]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_s044_every_column_is_sealed_or_clear_for_a_reason(table):
    sealed = {c.name for c in table.columns if c.name.startswith(("sealed_", "wrapped_"))}

    assert {c.name for c in table.columns} == sealed | set(CLEAR_COLUMNS[table.name])
    assert not sealed & set(CLEAR_COLUMNS[table.name])


def test_s044_the_table_of_columns_names_no_other_table():
    assert set(CLEAR_COLUMNS) == {table.name for table in TABLES}


def test_s054_no_column_holds_mail_phone_birth_or_text():
    names = {c.name for table in TABLES for c in table.columns}

    assert not [
        n for n in names if any(w in n for w in ("mail", "phone", "birth", "text", "name"))
    ]
