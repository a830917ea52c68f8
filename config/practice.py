"""practice.toml as pydantic models: accounts, field map, tiers, hours."""

import dataclasses
import re
from collections.abc import Mapping
from ipaddress import ip_network
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from config.fields import DEFAULT_OUTPUTS, Crm, FieldMap, OutputMap
from config.hours import HoursFile, TierFile
from config.patterns import (
    ACCOUNT_NAME,
    API_NAME,
    API_VERSION,
    CLIENT_ID,
    DIGITS,
    NAMESPACE,
    SHA256,
    TOPIC,
)
from config.problems import did_you_mean
from scoring.model import DEFAULT_TIERS, ScoringModel, Tier


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# These two show nothing of a wrong value: it may be the secret itself, put in the wrong place.
def _variable(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, not the secret itself")
    return value


def _file(value: Any) -> Any:
    if not isinstance(value, str) or not value or "\0" in value or "\n" in value:
        raise ValueError("must be the path of a file, not the secret itself")
    return value


class SecretRef(_Table):
    """Where a secret is kept: an environment variable or a file. Never the secret itself."""

    env: Annotated[str | None, BeforeValidator(_variable)] = None
    file: Annotated[str | None, BeforeValidator(_file)] = None

    @model_validator(mode="after")
    def _one_place(self) -> "SecretRef":
        if (self.env is None) == (self.file is None):
            raise ValueError('name one place, as in { env = "NAME" } or { file = "/path" }')
        return self


def _no_plain_secret(value: Any) -> Any:
    if not isinstance(value, Mapping | SecretRef):
        raise ValueError(  # noqa: TRY004  pydantic collects ValueErrors only
            'a secret does not belong into this file; write { env = "NAME" } or { file = "/path" }'
        )
    return value


Secret = Annotated[SecretRef, BeforeValidator(_no_plain_secret)]


def _service_url(url: str) -> str:
    parts = urlsplit(url)
    loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be a full address, as in https://api.hubapi.com")
    if parts.scheme == "http" and not loopback:
        raise ValueError("must begin with https:// (plain http only for 127.0.0.1)")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must hold no query, fragment or user name")
    return url.rstrip("/") if parts.path in {"", "/"} else url


ServiceUrl = Annotated[str, AfterValidator(_service_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda url: _service_url(url) if url else "")]


def _salesforce_id(value: str) -> str:
    if not re.fullmatch(r"00D[a-zA-Z0-9]{12}(?:[a-zA-Z0-9]{3})?", value):
        raise ValueError("must be the 15- or 18-character id that begins with 00D")
    return value


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError as error:
        raise ValueError("must be an address range, as in 203.0.113.0/24") from error
    return value


AddressRange = Annotated[str, AfterValidator(_network)]


#: How often an account is swept that says nothing else (S30).
SWEEP_MINUTES = 15
HUBSPOT_API = "https://api.hubapi.com"
_CALLBACK_PATH = "/oauth/hubspot/callback"


def _beside(webhook_url: str, path: str) -> str:
    """Return the address with `path` in place of the webhook's, below the same prefix."""
    parts = urlsplit(webhook_url)
    prefix = parts.path.removesuffix("/webhooks/hubspot") if parts.path else ""
    prefix = "" if prefix == parts.path else prefix
    return f"{parts.scheme}://{parts.netloc}{prefix}{path}"


class HubSpotAccount(_Table):
    """One HubSpot portal. Source: reference hubspot.md sections 3 to 5."""

    union_tag: ClassVar[str] = "hubspot_account"

    crm: Literal["hubspot"]
    name: str = Field(pattern=ACCOUNT_NAME)
    portal_id: str = Field(pattern=DIGITS)
    app_id: str = Field(pattern=DIGITS)
    #: static: the token of an app of this one portal. oauth: an app that many portals install.
    auth: Literal["static", "oauth"] = "static"
    access_token: Secret | None = None
    client_id: str | None = Field(default=None, pattern=CLIENT_ID)
    redirect_url: ServiceUrl | None = None  #: As registered; None: beside the webhook's address.
    client_secret: Secret
    client_secret_next: Secret | None = None  #: Also valid, while the secret is changed.
    #: As registered with HubSpot; it is part of what is signed. Only a journal can do without.
    webhook_url: OptionalUrl = ""
    journal: bool = False  #: We fetch the events, where HubSpot can reach no address of ours.
    workflow_secret: Secret | None = None  #: Signs what workflows send; without it none may.
    workflow_url: ServiceUrl | None = None  #: As written in the workflow's action.
    base_url: ServiceUrl = HUBSPOT_API
    calls_per_10s: int = Field(default=90, ge=1, le=10_000)
    #: Of the day's calls, kept for live inquiries and other integrations: a backfill waits.
    daily_reserve_percent: int = Field(default=20, ge=0, le=95)
    sweep_minutes: int | None = Field(default=None, ge=1, le=1440)  #: See `swept_every_minutes`.
    #: The activities whose first outgoing one counts as the first response. Empty: only a property.
    first_response_from: tuple[Literal["call", "email", "meeting", "message"], ...] = (
        "call",
        "email",
        "meeting",
        "message",
    )
    outputs: OutputMap = {}
    #: Meanings whose properties `provision` makes as Sensitive Data (section 4.3).
    sensitive_outputs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _auth_is_whole(self) -> "HubSpotAccount":
        needed, unused = ("access_token", "client_id")
        if self.auth == "oauth":
            needed, unused = unused, needed
        if getattr(self, needed) is None:
            raise ValueError(f'auth = "{self.auth}" needs {needed}')
        if getattr(self, unused) is not None:
            raise ValueError(f'auth = "{self.auth}" has no use for {unused}; remove one of them')
        if self.journal and self.auth != "oauth":
            raise ValueError(
                'journal = true needs auth = "oauth": HubSpot gives it to no other app'
            )
        if not self.webhook_url and not self.journal:
            raise ValueError("webhook_url is missing; only with journal = true none is needed")
        if not self.webhook_url and self.redirect_url is None and self.auth == "oauth":
            raise ValueError("redirect_url is missing: without a webhook_url it must be given")
        if not urlsplit(self.redirect_address).path.endswith(_CALLBACK_PATH):
            raise ValueError(f"redirect_url must end in {_CALLBACK_PATH}")
        return self

    @model_validator(mode="after")
    def _sensitive_ones_are_written(self) -> "HubSpotAccount":
        known = DEFAULT_OUTPUTS["hubspot"]
        for meaning in self.sensitive_outputs:
            if meaning not in known:
                raise ValueError(
                    f"sensitive_outputs: nothing is written as {meaning!r}"
                    + did_you_mean(meaning, known)
                )
        return self

    @property
    def redirect_address(self) -> str:
        """Where HubSpot sends the browser back to after an installation."""
        return self.redirect_url or _beside(self.webhook_url, _CALLBACK_PATH)

    @property
    def start_address(self) -> str:
        """Where an installation begins, on our side."""
        return self.redirect_address.removesuffix(_CALLBACK_PATH) + "/oauth/hubspot/start"

    @property
    def authorize_address(self) -> str:
        """HubSpot's page where an app is connected; a pretend HubSpot has its own."""
        if self.base_url == HUBSPOT_API:
            return "https://app.hubspot.com/oauth/authorize"
        return f"{self.base_url}/oauth/authorize"

    @property
    def external_id(self) -> str:
        """The portal id: what HubSpot calls this account in its events."""
        return self.portal_id

    @property
    def fetches_events(self) -> bool:
        """Whether we fetch the events; deliveries may come besides."""
        return self.journal

    @property
    def swept_every_minutes(self) -> int:
        """How often we ask what changed."""
        return self.sweep_minutes or SWEEP_MINUTES

    @property
    def workflow_address(self) -> str:
        """The address that workflows send to, as it is signed."""
        return self.workflow_url or f"{self.webhook_url}/workflow"

    @property
    def record_types(self) -> tuple[str, ...]:
        """The record types that are scored."""
        return ("contact",)


#: Objects whose events mean something already.
_OWN_OBJECTS = ("Lead", "Contact", "Account", "Task", "Event", "CampaignMember")


class SalesforceAccount(_Table):
    """One Salesforce org. Source: reference salesforce.md sections 1.4, 3 and 4."""

    union_tag: ClassVar[str] = "salesforce_account"

    crm: Literal["salesforce"]
    name: str = Field(pattern=ACCOUNT_NAME)
    organization_id: Annotated[str, AfterValidator(_salesforce_id)]
    base_url: ServiceUrl  #: My Domain address, as in https://clinic.my.salesforce.com
    #: How we log in: as the user of the app's client credentials, or as one that a key speaks for.
    auth: Literal["client_credentials", "jwt"] = "client_credentials"
    consumer_key: Secret
    consumer_secret: Secret | None = None
    username: str | None = Field(default=None, max_length=80)  #: Whom a JWT speaks for.
    private_key: Secret | None = None  #: PEM, of the certificate that the app was given.
    login_url: ServiceUrl = "https://login.salesforce.com"  #: The audience of a JWT.
    #: Last part of the webhook's address; at least 128 random bits. Only `events` can do without.
    path_token: Secret | None = None
    #: Nothing tells us of changes, as on Professional Edition: we ask, once a minute.
    only_swept: bool = False
    callout_secret: Secret | None = None  #: Signs what Apex sends; without it none may.
    callout_secret_next: Secret | None = None  #: Also valid, while the secret is changed.
    events: bool = False  #: We fetch the events, where Salesforce can reach no address of ours.
    events_topic: str | None = Field(default=None, pattern=TOPIC)  #: None: our own package's.
    events_endpoint: ServiceUrl = "https://api.pubsub.salesforce.com:7443"
    sender_ranges: tuple[AddressRange, ...] = ()
    client_certificate_sha256: str | None = Field(default=None, pattern=SHA256)
    api_version: str = Field(default="63.0", pattern=API_VERSION)
    #: What is scored. Account: person accounts.
    objects: tuple[Literal["Lead", "Contact", "Account"], ...] = ("Lead",)
    #: Developer names of the record types that are scored, of all objects; empty: all.
    only_record_types: tuple[Annotated[str, Field(pattern=API_NAME)], ...] = ()
    namespace: str | None = Field(default=None, pattern=NAMESPACE)  #: Of the score fields.
    #: Other objects whose events make a record due, and the field that names the record.
    related: dict[
        Annotated[str, Field(pattern=API_NAME)], Annotated[str, Field(pattern=API_NAME)]
    ] = {}
    #: The activities whose first outgoing one counts as the first response. Empty: only a field.
    first_response_from: tuple[Literal["call", "email", "meeting"], ...] = (
        "call",
        "email",
        "meeting",
    )
    calls_per_10s: int = Field(default=100, ge=1, le=10_000)
    #: Of the day's calls, kept for live inquiries and other integrations: a backfill waits.
    daily_reserve_percent: int = Field(default=20, ge=0, le=95)
    sweep_minutes: int | None = Field(default=None, ge=1, le=1440)  #: See `swept_every_minutes`.
    outputs: OutputMap = {}

    @model_validator(mode="after")
    def _auth_is_whole(self) -> "SalesforceAccount":
        needed = {"jwt": ("username", "private_key"), "client_credentials": ("consumer_secret",)}
        for auth, names in needed.items():
            for name in names:
                if auth == self.auth and getattr(self, name) is None:
                    raise ValueError(f'auth = "{auth}" needs {name}')
                if auth != self.auth and getattr(self, name) is not None:
                    raise ValueError(f'auth = "{self.auth}" has no use for {name}; remove it')
        return self

    @model_validator(mode="after")
    def _sender_is_known(self) -> "SalesforceAccount":
        if self.path_token is None:
            if not self.events and not self.only_swept:
                raise ValueError(
                    "path_token is missing; only with events = true or only_swept = true none is"
                    " needed"
                )
            if self.callout_secret is not None:
                raise ValueError("callout_secret needs path_token: the address has both")
        if self.callout_secret_next is not None and self.callout_secret is None:
            raise ValueError("callout_secret_next needs callout_secret, which it shall replace")
        is_proven = self.events or self.only_swept or self.callout_secret is not None
        if not is_proven and not self.sender_ranges and self.client_certificate_sha256 is None:
            raise ValueError(
                "needs sender_ranges or client_certificate_sha256: Outbound Messages carry no"
                " signature, so the sender must be known; signed callouts (callout_secret) and"
                " fetched events (events = true) need neither"
            )
        if urlsplit(self.events_endpoint).path:
            raise ValueError("events_endpoint must hold no path, as in https://host:7443")
        return self

    @model_validator(mode="after")
    def _nothing_is_without_effect(self) -> "SalesforceAccount":
        given = self.model_fields_set
        if self.path_token is None:
            for name in sorted(given & {"sender_ranges", "client_certificate_sha256"}):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} tells who may send to path_token's address; without path_token"
                        " remove it"
                    )
        if not self.events:
            for name in sorted(given & {"events_topic", "events_endpoint"}):
                raise ValueError(f"{name} is of use with events = true only; remove it")
        return self

    @model_validator(mode="after")
    def _objects_are_told_apart(self) -> "SalesforceAccount":
        if not self.objects or len(set(self.objects)) < len(self.objects):
            raise ValueError("objects must name what is scored, each once")
        for name in self.related:
            if name in _OWN_OBJECTS:
                raise ValueError(f"related: {name} is scored or read by itself; remove it")
        if self.only_swept and self.events:
            raise ValueError("only_swept = true says that there are no events; remove one of them")
        return self

    @property
    def fetches_events(self) -> bool:
        """Whether we fetch the events; messages may come besides."""
        return self.events

    @property
    def swept_every_minutes(self) -> int:
        """How often we ask what changed."""
        return self.sweep_minutes or (1 if self.only_swept else SWEEP_MINUTES)

    @property
    def topic(self) -> str:
        """The topic whose events we fetch."""
        prefix = f"{self.namespace}__" if self.namespace else ""
        return self.events_topic or f"/event/{prefix}Leadscore_Change__e"

    @property
    def external_id(self) -> str:
        """The organisation id's first 15 characters, which are case-sensitive and unique."""
        return self.organization_id[:15]

    @property
    def record_types(self) -> tuple[str, ...]:
        """The record types that are scored."""
        return self.objects


def _account_tag(value: Any) -> str | None:
    crm = value.get("crm") if isinstance(value, Mapping) else getattr(value, "crm", None)
    return f"{crm}_account" if crm in {"hubspot", "salesforce"} else None


Account = Annotated[
    Annotated[HubSpotAccount, Tag("hubspot_account")]
    | Annotated[SalesforceAccount, Tag("salesforce_account")],
    Discriminator(
        _account_tag,
        custom_error_type="crm_unknown",
        custom_error_message='must name its CRM: crm = "hubspot" or crm = "salesforce"',
    ),
]


def _names_differ(accounts: list[Account]) -> list[Account]:
    for key in ("name", "external_id"):
        seen: set[str] = set()
        for account in accounts:
            value = str(getattr(account, key))
            if value in seen:
                raise ValueError(f"two accounts have the {key} {value!r}")
            seen.add(value)
    return accounts


class Tiers(_Table):
    """The four bands, highest first; a band left out has the model's own values."""

    hot: TierFile | None = None
    warm: TierFile | None = None
    nurture: TierFile | None = None
    low: TierFile | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> "Tiers":
        tiers = self.over(DEFAULT_TIERS)
        cuts = [tiers[name].at_least for name in ("hot", "warm", "nurture", "low")]
        if any(high <= low for high, low in pairwise(cuts)):
            raise ValueError(f"at_least must fall from hot to low, found {cuts}")
        if cuts[-1] != 0:
            raise ValueError(f"low.at_least must be 0, found {cuts[-1]}")
        return self

    def over(self, tiers: Mapping[str, Tier]) -> dict[str, Tier]:
        """Return `tiers` with the bands of this table in place of theirs."""
        found = dict(tiers)
        for name in found:
            own = getattr(self, name)
            if own is not None:
                found[name] = own.build()
        return found


class About(_Table):
    """Who the practice is and which model it scores with."""

    name: str = Field(min_length=1, max_length=100)
    model: str = "general"  #: A packaged model's name, or the path of a model file.
    #: Service line -> the model that scores its leads, where it is another one.
    models: dict[str, str] = {}


class Network(_Table):
    """Which proxies may speak for the sender's address (S10)."""

    trusted_proxies: tuple[AddressRange, ...] = ()


class Retention(_Table):
    """How many days each kind of data is kept; then it is deleted by itself."""

    deliveries_days: int = Field(default=14, ge=1, le=365)  #: Raw webhooks, sealed.
    facts_days: int = Field(default=400, ge=7, le=3_650)  #: Of a lead, since it was last scored.
    history_days: int = Field(default=800, ge=7, le=3_650)  #: Changes of scores.


class Practice(_Table):
    """The whole of practice.toml."""

    practice: About
    accounts: Annotated[list[Account], Field(min_length=1), AfterValidator(_names_differ)]
    fields: dict[Crm, FieldMap]
    tiers: Tiers = Tiers()
    hours: HoursFile = HoursFile()
    network: Network = Network()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _mapped(self) -> "Practice":
        for account in self.accounts:
            if not self.fields.get(account.crm):
                raise ValueError(
                    f"account {account.name!r} has no field map; add [fields.{account.crm}]"
                    + did_you_mean(account.crm, self.fields)
                )
        return self

    def outputs(self, account: HubSpotAccount | SalesforceAccount) -> dict[str, str]:
        """Return what is written to `account`: meaning -> property name."""
        defaults = DEFAULT_OUTPUTS[account.crm]
        if isinstance(account, SalesforceAccount) and account.namespace:
            # Fields of a package that has a namespace. Source: Metadata API guide, "CustomField".
            defaults = {key: f"{account.namespace}__{name}" for key, name in defaults.items()}
        return {**defaults, **account.outputs}

    def own(self, model: ScoringModel) -> ScoringModel:
        """Return `model`, and those of its service lines, with this practice's tiers and hours."""
        return dataclasses.replace(
            model,
            tiers=self.tiers.over(model.tiers),
            hours=self.hours.build(),
            lines={line: self.own(other) for line, other in model.lines.items()},
        )
