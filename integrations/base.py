"""The two protocols every CRM implements, one that some do, and what passes through them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable


class Headers(Protocol):
    """A request's headers; names in any case."""

    def get(self, key: str, default: str, /) -> str:
        """Return a header's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One HTTP request from a CRM, as received."""

    method: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    peer: str  #: The sender's address, after trusted proxies.
    path_token: str = field(default="", repr=False)  #: Secret part of the path, if any.
    #: The sender's TLS certificate as a trusted proxy reports it: percent-escaped PEM.
    certificate: str = ""

    def header(self, name: str) -> str:
        """Return the header's value, or an empty string."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class RecordRef:
    """A record of one account: `RecordRef("contact", "3301")`."""

    object_type: str
    record_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmEvent:
    """One thing that happened to one record. A doorbell: it carries no field value (S7)."""

    account: str  #: The account's name in practice.toml.
    record: RecordRef
    cause: str  #: created, changed, deleted, erased, merged, restored, linked, workflow.
    occurred_at: datetime | None = None
    into: RecordRef | None = None  #: The record that this one was merged into.


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One event of a readable delivery that could not be read: where and why, no value."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a delivery says."""

    events: Sequence[CrmEvent]
    unreadable: Sequence[Unreadable] = ()
    ignored: int = 0  #: Events we do not act on: other types, our own writes, other portals.


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the CRM takes for «received»."""

    body: bytes = b""
    content_type: str = "text/plain"


class Adapter(Protocol):
    """The inbound half: proves a delivery and says which records it names. Does no I/O."""

    acknowledgement: Acknowledgement
    max_body_bytes: int

    def verify(self, delivery: Delivery, *, now: datetime) -> str:
        """Return the name of the account the delivery came in for.

        Raises:
            VerificationError: it is not proven to be the CRM's.
        """

    def parse(self, body: bytes, *, account: str = "") -> Parsed:
        """Return the events in a proven body.

        Args:
            body: The delivery's bytes.
            account: What `verify` returned for it: whose secret proved it.

        Raises:
            PayloadError: It cannot be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a batch read brought.

    A record asked for and not in `records` is gone, or hidden from us: the CRM has no such record
    for this user.
    """

    #: Record id -> property -> value, in the CRM's own types.
    records: Mapping[str, Mapping[str, Any]] = field(repr=False)
    #: Of those that are gone: which record goes on in their place.
    moved: Mapping[str, RecordRef] = field(default_factory=dict)


#: By what a person can be answered.
MEDIA = ("call", "email", "meeting", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A call, e-mail, meeting, message or note around a record: its kind and time, no content."""

    medium: str  #: One of `MEDIA`, or note.
    kind: str | None  #: One of `scoring.labels.ACTIVITY_KINDS`; None when it earns nothing.
    at: datetime
    #: When we turned to the person with it; None when it was not we who did.
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New values for one record's properties. None clears a property."""

    record_id: str
    properties: Mapping[str, str | int | None] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a batch write, by record id. Every id asked for is in one of the sets."""

    written: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)  #: Never again: id -> code.
    retry: Mapping[str, str] = field(default_factory=dict)  #: Worth another try: id -> code.


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of an account's records, in the order of the listing."""

    ids: Sequence[str]
    cursor: str | None  #: Where the next page begins; None after the last.
    newest: datetime | None = None  #: The last modification among them, by the CRM's clock.
    total: int | None = None  #: How many the listing has, where the CRM said so.


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `leadscore doctor`: what was looked at, whether it is fine, what to do."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that `provision` makes, and the request that does it."""

    text: str  #: As in `property lead_score (number)`.
    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be made in a CRM, and what only a person can put right."""

    steps: Sequence[Step] = ()
    problems: Sequence[str] = ()  #: Each with its remedy.


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some of the events that a CRM kept for us, in the form of a delivery."""

    #: As the adapter of the feed's kind reads it; empty when there is nothing that we act on.
    body: bytes = field(repr=False)
    position: str  #: Where the next portion begins.
    is_uninstalled: bool = False  #: It tells that the account took our app away.
    uninstalled_at: datetime | None = None  #: When, where the CRM says so.
    has_gap: bool = False  #: More changed than it says: ask the CRM for what is not named.


class Feed(Protocol):
    """An account's events, fetched by us: for sites that nothing can be sent to.

    Used by one thread.
    """

    kind: str  #: Whose adapter reads the portions.
    pause_s: float  #: How long to wait after nothing came.

    def fetch(self, position: str) -> Portion | None:
        """Return the events after `position`, or None when there are none yet.

        Safe to repeat. An empty position is the earliest that the CRM still has.

        Raises:
            PositionLostError: The CRM does not have that position any more.
            CrmError: The call failed.
        """

    def close(self) -> None:
        """Close the connections."""


@runtime_checkable
class ActivityClient(Protocol):
    """What a client can do besides, whose CRM keeps activities as records of their own.

    Optional: an account without one is scored by the properties of its records alone.
    """

    #: The record types of activities, in the spelling of the CRM's events.
    activity_types: Collection[str]

    def people(self, activity_type: str, ids: Sequence[str]) -> Mapping[str, Sequence[RecordRef]]:
        """Return whom activities are with: activity id -> records; none is left out empty.

        Safe to repeat. Raises: CrmError.
        """

    def activities(
        self, object_type: str, ids: Sequence[str], types: Collection[str]
    ) -> Mapping[str, Sequence[Happening]]:
        """Return what happened around records: record id -> activities of `types`.

        Of very many, the first and the latest. A client may bring them along with the `read` of
        the same records before. Safe to repeat. Raises: CrmError.
        """


class CrmClient(Protocol):
    """The outbound half: reads and writes one account's records in batches."""

    batch_size: int

    def read(self, object_type: str, ids: Sequence[str], properties: Sequence[str]) -> Found:
        """Return the records among `ids` that exist, with the named properties only (S43).

        Safe to repeat. Raises: CrmError.
        """

    def write(self, object_type: str, changes: Sequence[Change]) -> Outcome:
        """Set the properties of existing records. Safe to repeat: it sets values (S35).

        Raises: CrmError when the call as a whole failed; single records fail in the outcome.
        """

    def list_ids(self, object_type: str, *, since: datetime | None, cursor: str = "") -> Page:
        """Return a page of the records modified at `since` or later, oldest change first.

        With `since` None: of all records, by id. Records that change meanwhile move to the end of
        the first listing and keep their place in the second; none is left out. Some may be named
        twice.

        Args:
            object_type: The records' type.
            since: An instant by the CRM's clock, the same for all pages of a listing.
            cursor: What the page before gave; empty for the first.

        Raises:
            CrmError: The call failed.
        """

    def calls(self) -> Mapping[str, int]:
        """Return how many requests of each kind were sent, retries counted."""

    def calls_left(self) -> Mapping[str, int]:
        """Return how many calls are left in the present `window` and `day`, where it is known."""

    def may_hurry(self) -> bool:
        """Return whether the day's calls suffice for work that can wait, as a backfill can."""

    def ready_at(self, since: float) -> float:
        """Return when the next batch should begin, so that the call budget never runs dry.

        In monotonic seconds; `since` is when the last batch began.
        """

    def close(self) -> None:
        """Close the connections."""
