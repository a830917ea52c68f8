"""The tables. Primary keys begin with the account, so that accounts can be spread.

Two sets: the *inbox* (deliveries, appended by receivers) and the *ledger* (all else, written by
workers). On SQLite each has a file of its own: with one file, a busy worker starves the receiver's
commits for seconds (reference measurements.md section 2).

Columns named `sealed_*` and `wrapped_*` hold ciphertext of `store/vault.py`; all others are clear
and hold ids, times, counts and codes. `CLEAR_COLUMNS` in the tests lists each with its reason.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    text,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return an instant as it is stored: whole microseconds since 1970.

    Raises:
        TypeError: the datetime is naive.
    """
    return (at - _EPOCH) // _MICROSECOND


def instant(stored: int) -> datetime:
    """Return the instant that is stored as `stored`.

    >>> instant(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=stored)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, stored as whole microseconds since 1970 on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return microseconds. Raises: TypeError for a naive datetime."""
        del dialect
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware datetime."""
        del dialect
        return None if value is None else instant(value)


_UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")


class Word(TypeDecorator[str]):
    """A name, an id or a code: short, and the same on both databases (S15).

    PostgreSQL refuses NUL and counts letters, SQLite does neither; neither stores half a surrogate
    pair.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return `value` with what no name holds replaced. Raises: ValueError when too long."""
        del dialect
        if value is None:
            return None
        if len(value) > self.length:
            raise ValueError(f"longer than the {self.length} letters of its column")
        # Nearly all are plain letters and digits: looked at without the expression.
        return value if value.isascii() and value.isprintable() else _UNFIT.sub("\ufffd", value)


inbox = MetaData()
ledger = MetaData()

#: Longest names: an account's name, a CRM's object type, a record id, a short code.
_ACCOUNT = Word(40)
_TYPE = Word(40)
_RECORD = Word(20)
_CODE = Word(60)

#: States of a delivery.
WAITING, UNPACKED, QUARANTINED = 0, 1, 2

delivery = Table(
    "delivery",
    inbox,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("id", Word(32), primary_key=True),  # time-ordered
    Column("received_at", Instant, nullable=False),
    Column("kind", Word(20), nullable=False),  # the CRM whose adapter reads it
    Column("state", SmallInteger, nullable=False, server_default="0"),
    Column("error_code", _CODE),
    Column("sealed_body", LargeBinary, nullable=False),
)
# Only what waits is in this index: it stays small however many deliveries are kept.
Index(
    "delivery_waiting",
    delivery.c.id,
    sqlite_where=text("state = 0"),
    postgresql_where=text("state = 0"),
)

Index(
    "delivery_quarantined",
    delivery.c.id,
    sqlite_where=text("state = 2"),
    postgresql_where=text("state = 2"),
)

#: The keys deliveries are sealed under: one for an account until it has sealed 2**20 bodies.
delivery_key = Table(
    "delivery_key",
    inbox,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
)

#: Master keys that must wrap nothing any more, one table in each part. They belong to no account:
#: all are wrapped under the same ones.
retired_delivery_key = Table(
    "retired_delivery_key",
    inbox,
    Column("number", Integer, primary_key=True, autoincrement=False),
)
retired_key = Table(
    "retired_key",
    ledger,
    Column("number", Integer, primary_key=True, autoincrement=False),
)

account = Table(
    "account",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("crm", Word(20), nullable=False),
    Column("external_id", Word(40), nullable=False),
    Column("lease_owner", Word(80)),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("beats", BigInteger, nullable=False, server_default="0"),  # renewals of the lease
    Column("paused_until", Instant),
    Column("pause_code", _CODE),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("swept_at", Instant),  # when its last sweep began
)

#: Tokens of accounts whose app is installed by OAuth. Apart from `account`: what locks one row
#: must not hold up the lease.
token = Table(
    "token",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("version", BigInteger, nullable=False),  # rises each time they change
    Column("expires_at", Instant, nullable=False),  # of the access token
    Column("refreshing_until", Instant),  # while somebody fetches the next
    Column("sealed_tokens", LargeBinary, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
)

install = Table(
    "install",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("invitation_hash", LargeBinary(32)),
    Column("invited_until", Instant),
    Column("state_hash", LargeBinary(32)),  # of the way to HubSpot's page, good once
    Column("challenge", Word(60)),  # RFC 7636: a hash of what the browser holds
    Column("state_until", Instant),
    Column("installed_at", Instant),
    Column("uninstalled_at", Instant),
)

due = Table(
    "due",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("object_type", _TYPE, primary_key=True),
    Column("record_id", _RECORD, primary_key=True),
    Column("due_at", Instant, nullable=False),
    Column("cause", Word(20), nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_failed_at", Instant),
    Column("error_code", _CODE),
    Column("since_at", Instant),  # when the oldest event not yet answered arrived
    Column("lane", SmallInteger, nullable=False, server_default="0"),
)
Index("due_next", due.c.account_id, due.c.lane, due.c.due_at)

#: How far an account's records of a type were listed: by the sweep, and by a backfill.
listing = Table(
    "listing",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("object_type", _TYPE, primary_key=True),
    Column("swept_until", Instant),  # by the CRM's clock
    Column("cursor", Word(120), nullable=False, server_default=""),
    Column("marked", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),  # as the CRM counted when the backfill began
    Column("started_at", Instant),
    Column("listed_at", Instant),  # when all records were marked due
)

lead = Table(
    "lead",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("object_type", _TYPE, primary_key=True),
    Column("record_id", _RECORD, primary_key=True),
    Column("score", SmallInteger),
    Column("tier", Word(20), nullable=False),
    Column("model_version", Word(80), nullable=False),
    Column("scored_at", Instant, nullable=False),
    Column("valid_until", Instant),
    Column("respond_by", Instant),
    Column("first_response_at", Instant),
    Column("written_hash", LargeBinary(32)),  # keyed; None until the CRM took a score
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_uses", Integer, nullable=False),
    Column("sealed_facts", LargeBinary, nullable=False),
    Column("sealed_reasons", LargeBinary, nullable=False),
)

score_history = Table(
    "score_history",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("object_type", _TYPE, primary_key=True),
    Column("record_id", _RECORD, primary_key=True),
    Column("scored_at", Instant, primary_key=True),
    Column("score", SmallInteger),
    Column("tier", Word(20), nullable=False),
    Column("model_version", Word(80), nullable=False),
    Column("cause", Word(20), nullable=False),
    Column("sealed_reasons", LargeBinary, nullable=False),
)

outcome = Table(
    "outcome",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("object_type", _TYPE, primary_key=True),
    Column("record_id", _RECORD, primary_key=True),
    Column("happened_at", Instant, primary_key=True),
    Column("kind", Word(20), nullable=False),
    Column("source", Word(40), nullable=False),
    Column("value_cents", BigInteger),
    Column("sealed_facts", LargeBinary),
)

#: What was erased and must not come back (S56): a keyed hash of type and id, and no more.
tombstone = Table(
    "tombstone",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("record_hash", LargeBinary(32), primary_key=True),
    Column("erased_at", Instant, nullable=False),
)

model = Table(
    "model",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("version", Word(80), primary_key=True),
    Column("published_at", Instant, nullable=False),
    Column("published_by", Word(80), nullable=False),
    Column("content_hash", LargeBinary(32), nullable=False),
    Column("content", LargeBinary, nullable=False),  # rules and points; it holds no PHI
)

audit = Table(
    "audit",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", Word(80), nullable=False),
    Column("act", Word(40), nullable=False),
    Column("object_type", _TYPE),
    Column("record_id", _RECORD),
    Column("fields", String(200), nullable=False, server_default=""),  # names only
    Column("outcome", String(20), nullable=False, server_default="done"),
    Column("objects", Integer, nullable=False, server_default="1"),
    Column("chain_hash", LargeBinary(32), nullable=False),
)

dead_letter = Table(
    "dead_letter",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("id", Word(64), primary_key=True),
    Column("object_type", _TYPE),
    Column("record_id", _RECORD),
    Column("delivery_id", Word(32)),
    Column("place", Word(120)),  # where in the delivery; never a value
    Column("cause", Word(20), nullable=False),
    Column("error_code", _CODE, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("sealed_facts", LargeBinary),
)
Index("dead_letter_newest", dead_letter.c.account_id, text("last_at DESC"))

#: How far the events that we fetch ourselves were fetched, and which worker fetches them.
feed = Table(
    "feed",
    ledger,
    Column("account_id", _ACCOUNT, primary_key=True),
    Column("kind", Word(20), primary_key=True),
    Column("position", Word(200), nullable=False, server_default=""),
    Column("fetched_at", Instant),  # when the CRM last answered
    Column("holder", Word(80)),
    Column("held_until", Instant),
)
