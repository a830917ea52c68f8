"""What a pretend HubSpot account is like; every value has a default that works."""

from dataclasses import dataclass, field

#: Scopes of a private app that scores contacts. Source: reference hubspot.md section 4.2.
SCOPES = (
    "oauth",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.schemas.contacts.read",
    "crm.schemas.contacts.write",
    "sales-email-read",
)

#: The practice's input properties: what a webhook subscription names one by one. Properties
#: that HubSpot calculates are left out: whether they fire is unverified (section 2.3).
INPUT_PROPERTIES = (
    "email",
    "phone",
    "message",
    "lifecyclestage",
    "hs_lead_status",
    "inquiry_type",
    "insurance_status",
    "insurance_carrier",
    "procedure_interest",
    "preferred_contact_channel",
    "service_line",
    "lead_score_override",
    "lead_score_override_until",
)

#: Subscriptions other than propertyChange.
EVENT_TYPES = ("creation", "deletion", "privacyDeletion", "merge", "restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpotSettings:
    """One account with one app installed. Source: reference hubspot.md sections 2 to 5."""

    portal_id: int = 4_000_001
    app_id: int = 7_100_001
    access_token: str = field(default="pat-na1-simulator", repr=False)  #: Never expires.
    client_id: str = "simulator-client"
    client_secret: str = field(default="simulator-client-secret", repr=False)
    refresh_token: str = field(default="na1-simulator-refresh", repr=False)
    authorization_code: str = field(default="simulator-code", repr=False)  #: Good once.
    redirect_urls: tuple[str, ...] = ()  #: As registered; no other gets a code.
    #: Portals that whoever installs may choose from; empty: this one only.
    portals_to_choose: tuple[int, ...] = ()
    scopes: tuple[str, ...] = SCOPES
    #: The portal is of the Enterprise tier and has Sensitive Data switched on.
    sensitive_data: bool = False
    target_url: str | None = None  #: As registered, and as signed; None: no subscription.
    connect_url: str | None = None  #: Where requests really go; None: to `target_url`.
    provisioned: bool = False  #: The score properties exist from the start.
    subscribed_properties: tuple[str, ...] = INPUT_PROPERTIES
    subscribed_events: tuple[str, ...] = EVENT_TYPES
    #: Activities subscribed to, as in `calls`: creation, deletion and the changes of a property.
    subscribed_activities: tuple[str, ...] = ()
    generic_events: bool = False  #: `object.*` events in place of `contact.*`.
    rate_per_10s: int | None = 190  #: Calls in any 10 s; None: no limit.
    daily_limit: int | None = 625_000
    search_per_s: int | None = 5
    association_rate_per_10s: int | None = 150
    required_on_write: tuple[str, ...] = ()  #: An admin's rule, kept from 2026-09 on.
    timeout_s: float = 5.0  #: Of one delivery.
    concurrency: int = 10  #: Deliveries in flight.
    batch_wait_s: float = 0.01  #: How long an event waits for others to share its request.
    retry_speedup: float = 1.0  #: The day of retries takes 24 h / this.
    mischief: bool = False  #: Deliveries out of order, some of them twice.
    seed: int = 1
