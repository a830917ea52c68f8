"""CRM name -> adapter and client: the one place that knows them all."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from config.practice import HubSpotAccount, Practice, SalesforceAccount
from integrations.base import Adapter, CrmClient, Feed, RecordRef
from integrations.errors import PayloadError
from integrations.hubspot.adapter import HubSpotAdapter
from integrations.hubspot.events import Portal
from integrations.hubspot.wire import (
    ASSOCIATIONS_PER_10S,
    ASSOCIATIONS_SMALL,
    SEARCHES_PER_S,
)
from integrations.hubspot.workflow import WorkflowAdapter
from integrations.salesforce.adapter import Org, SalesforceAdapter
from integrations.salesforce.around import TYPES, kinds_read
from integrations.salesforce.callouts import EVENT, EventAdapter, EventOrg
from integrations.salesforce.wire import RECORD_ID, full_id

if TYPE_CHECKING:
    from integrations.http import Caller
    from integrations.hubspot.client import TokenSource
    from integrations.hubspot.journal import Journal
    from integrations.hubspot.oauth import OAuthApp
    from integrations.hubspot.tokens import Shelf
    from integrations.salesforce.auth import Grant
    from integrations.salesforce.calls import OrgCalls
    from integrations.salesforce.pubsub.stream import EventBus

Secrets = Mapping[str, Mapping[str, str]]  #: Account name -> key -> secret.

#: The kind of the deliveries of HubSpot's workflows.
WORKFLOW = "hubspot_workflow"
#: The kind of those that an org signs, and of those that we fetch from it.
SALESFORCE_EVENT = EVENT

#: A little longer than the second that HubSpot counts: some are left to other integrations, and
#: what arrives a moment late is not one too many.
SEARCH_WINDOW_S = 1.08

#: HubSpot counts calls of its journal nowhere; so many are enough for three days in a minute.
JOURNAL_PER_S = 20

#: The CRMs' own window for calls. Source: reference hubspot.md section 4.4.
WINDOW_S = 10.0
#: Calls take different times on their way: by so much longer is our window, so that the CRM's own
#: never holds one call too many.
WAY_S = 0.25


def build_adapters(practice: Practice, secrets: Secrets) -> dict[str, Adapter]:
    """Return the adapter of each kind of delivery that an account may get."""
    adapters: dict[str, Adapter] = {}
    portals = [
        _portal(practice, account, secrets[account.name])
        for account in practice.accounts
        if isinstance(account, HubSpotAccount)
    ]
    if portals:
        # It also reads what is fetched from a journal; only who has an address can send to it.
        adapters["hubspot"] = HubSpotAdapter(portals)
    flows = [portal for portal in portals if portal.workflow_secret]
    if flows:
        adapters[WORKFLOW] = WorkflowAdapter(flows)
    orgs = [a for a in practice.accounts if isinstance(a, SalesforceAccount)]
    if orgs:
        adapters["salesforce"] = SalesforceAdapter(
            [_org(account, secrets[account.name]) for account in orgs]
        )
    signing = [account for account in orgs if account.callout_secret or account.events]
    if signing:
        # It also reads what is fetched; only who has a secret can send to it.
        adapters[SALESFORCE_EVENT] = EventAdapter(
            [_event_org(account, secrets[account.name]) for account in signing]
        )
    return adapters


def _portal(practice: Practice, account: HubSpotAccount, secrets: Mapping[str, str]) -> Portal:
    valid: Sequence[str] = [
        secrets[key] for key in ("client_secret", "client_secret_next") if secrets.get(key)
    ]
    return Portal(
        account=account.name,
        portal_id=account.portal_id,
        app_id=account.app_id,
        secrets=valid,
        webhook_url=account.webhook_url,
        written=frozenset(practice.outputs(account).values()),
        workflow_secret=secrets.get("workflow_secret", ""),
        workflow_url=account.workflow_address,
    )


def _org(account: SalesforceAccount, secrets: Mapping[str, str]) -> Org:
    return Org(
        account=account.name,
        organization_id=account.organization_id,
        path_token=secrets.get("path_token", ""),
        sender_ranges=tuple(ip_network(text) for text in account.sender_ranges),
        client_certificate_sha256=account.client_certificate_sha256,
        objects=_named(account),
    )


def _event_org(account: SalesforceAccount, secrets: Mapping[str, str]) -> EventOrg:
    return EventOrg(
        account=account.name,
        organization_id=account.organization_id,
        path_token=secrets.get("path_token", ""),
        secrets=[
            secrets[key] for key in ("callout_secret", "callout_secret_next") if secrets.get(key)
        ],
        objects=_named(account),
    )


def ways_in(account: SalesforceAccount) -> dict[str, str]:
    """Return how events of an org may reach us: kind of delivery -> the way, in words."""
    ways = {}
    if account.path_token and (account.sender_ranges or account.client_certificate_sha256):
        ways["salesforce"] = "Outbound Messages"
    named = {"signed callouts": account.callout_secret, "events that we fetch": account.events}
    if any(named.values()):
        ways[SALESFORCE_EVENT] = " and ".join(way for way, is_set in named.items() if is_set)
    return ways


def _named(account: SalesforceAccount) -> tuple[str, ...]:
    """Return the objects whose events make a record due."""
    return (*account.objects, *TYPES, *account.related)


#: What a person may call the record types of a CRM.
_TYPES = {"hubspot": ("contact",), "salesforce": ("Lead", "Contact", "Account")}


def record_ref(crm: str, object_type: str, record_id: str) -> RecordRef:
    """Return a record that a person named, in the spelling of the CRM's own events.

    Raises:
        PayloadError: no such type, or no id of this CRM.

    >>> record_ref("salesforce", "lead", "00Q8d0000001aBC").record_id
    '00Q8d0000001aBCEAY'
    """
    types = _TYPES[crm]
    own = next((name for name in types if name.lower() == object_type.lower()), None)
    if own is None:
        raise PayloadError(f"{object_type}: no record type here; must be {' or '.join(types)}")
    if crm == "hubspot":
        if not re.fullmatch(r"[1-9][0-9]{0,18}", record_id):
            raise PayloadError("the record id must be of 1 to 19 digits")
        return RecordRef(own, record_id)
    if not RECORD_ID.match(record_id):
        raise PayloadError("the record id must be 15 or 18 letters and digits")
    return RecordRef(own, full_id(record_id))


def build_client(
    account: HubSpotAccount | SalesforceAccount,
    secrets: Mapping[str, str],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    shelf: "Shelf | None" = None,
    now: Callable[[], datetime] | None = None,
) -> CrmClient:
    """Return a client of one account.

    Args:
        account: The account.
        secrets: Its secrets by key.
        shelf: The tokens of an account whose app is installed by OAuth.
        now: The clock on the wall, for these.
        clock: Monotonic seconds.
        sleep: Waits; the calling thread's other work waits with it.
    """
    # Imported here: a receiver makes no calls and need not load what makes them.
    from integrations.budget import DayBudget, RateBudget  # noqa: PLC0415
    from integrations.http import Caller, RetryPolicy  # noqa: PLC0415

    caller = Caller(
        account=account.name,
        budget=RateBudget(account.calls_per_10s, WINDOW_S + WAY_S, clock=clock, sleep=sleep),
        day=DayBudget(account.daily_reserve_percent / 100),
        retry=RetryPolicy(),
        sleep=sleep,
        apart={
            kind: RateBudget(limit, window_s, clock=clock, sleep=sleep)
            for kind, (limit, window_s) in _apart(account).items()
        },
    )
    if isinstance(account, HubSpotAccount):
        from integrations.hubspot.client import HubSpotClient  # noqa: PLC0415

        tokens = token_source(account, secrets, shelf=shelf, now=now, sleep=sleep)
        return HubSpotClient(base_url=account.base_url, tokens=tokens, caller=caller)
    from integrations.salesforce.client import SalesforceClient  # noqa: PLC0415

    calls = _org_calls(account, secrets, caller, clock=clock, now=now)
    return SalesforceClient(
        calls,
        sleep=sleep,
        related=account.related,
        only_record_types=account.only_record_types,
        objects=account.objects,
    )


def _org_calls(
    account: SalesforceAccount,
    secrets: Mapping[str, str],
    caller: "Caller",
    *,
    clock: Callable[[], float],
    now: Callable[[], datetime] | None,
) -> "OrgCalls":
    from integrations.salesforce.calls import OrgCalls  # noqa: PLC0415

    return OrgCalls(
        base_url=account.base_url,
        api_version=account.api_version,
        grant=salesforce_grant(account, secrets, now=now),
        caller=caller,
        clock=clock,
    )


def salesforce_grant(
    account: SalesforceAccount,
    secrets: Mapping[str, str],
    *,
    now: Callable[[], datetime] | None,
) -> "Grant":
    """Return how we log in to an org."""
    from integrations.salesforce.auth import client_credentials, jwt_bearer  # noqa: PLC0415

    if account.auth == "client_credentials":
        return client_credentials(secrets["consumer_key"], secrets["consumer_secret"])
    if now is None:
        raise TypeError("an account with a JWT needs a clock")
    return jwt_bearer(
        secrets["consumer_key"],
        secrets["private_key"],
        username=account.username or "",
        audience=account.login_url,
        now=now,
    )


def build_feeds(
    practice: Practice,
    secrets: Secrets,
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[str, Feed]:
    """Return the feeds of the accounts whose events we fetch; see `build_client`."""
    feeds: dict[str, Feed] = {}
    for account in practice.accounts:
        if isinstance(account, HubSpotAccount) and account.journal:
            from integrations.hubspot.journal import JournalFeed  # noqa: PLC0415

            journal = hubspot_journal(
                account, secrets[account.name], now=now, clock=clock, sleep=sleep
            )
            written = practice.outputs(account).values()
            feeds[account.name] = JournalFeed(journal, app_id=account.app_id, written=written)
        if isinstance(account, SalesforceAccount) and account.events:
            from integrations.salesforce.pubsub.feed import PubSubFeed  # noqa: PLC0415

            feeds[account.name] = PubSubFeed(
                salesforce_events(
                    account, secrets[account.name], now=now, clock=clock, sleep=sleep
                ),
                organization_id=account.organization_id,
                topic=account.topic,
                namespace=account.namespace,
                clock=clock,
            )
    return feeds


def salesforce_events(
    account: SalesforceAccount,
    secrets: Mapping[str, str],
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> "EventBus":
    """Return the event bus of one org. Needs the extra `pubsub`; see `config.load`."""
    from integrations.budget import DayBudget, RateBudget  # noqa: PLC0415
    from integrations.http import Caller, RetryPolicy  # noqa: PLC0415
    from integrations.salesforce.pubsub.stream import EventBus  # noqa: PLC0415

    caller = Caller(  # of logins only: the bus counts its calls nowhere
        account=account.name,
        budget=RateBudget(account.calls_per_10s, WINDOW_S + WAY_S, clock=clock, sleep=sleep),
        day=DayBudget(0.0),
        retry=RetryPolicy(),
        sleep=sleep,
    )
    return EventBus(
        account.events_endpoint,
        organization_id=account.organization_id,
        instance_url=account.base_url,
        calls=_org_calls(account, secrets, caller, clock=clock, now=now),
    )


def hubspot_journal(
    account: HubSpotAccount,
    secrets: Mapping[str, str],
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> "Journal":
    """Return the calls of one portal's journal."""
    from integrations.budget import DayBudget, RateBudget  # noqa: PLC0415
    from integrations.http import Caller, RetryPolicy  # noqa: PLC0415
    from integrations.hubspot.journal import SCOPES, Journal  # noqa: PLC0415
    from integrations.hubspot.oauth import ClientCredentials  # noqa: PLC0415

    return Journal(
        base_url=account.base_url,
        portal_id=account.portal_id,
        credentials=ClientCredentials(oauth_app(account, secrets), SCOPES, now=now),
        caller=Caller(
            account=account.name,
            budget=RateBudget(JOURNAL_PER_S, 1.0, clock=clock, sleep=sleep),
            day=DayBudget(0.0),
            retry=RetryPolicy(),
            sleep=sleep,
        ),
    )


def token_source(
    account: HubSpotAccount,
    secrets: Mapping[str, str],
    *,
    shelf: "Shelf | None",
    now: Callable[[], datetime] | None,
    sleep: Callable[[float], None],
) -> "TokenSource":
    """Return where the calls of one portal have their token from; see `build_client`."""
    from integrations.hubspot.client import StaticToken  # noqa: PLC0415

    if account.auth == "static":
        return StaticToken(secrets["access_token"])
    if shelf is None or now is None:
        raise TypeError("an account with OAuth needs the store's tokens and a clock")
    from integrations.hubspot.tokens import OAuthTokens  # noqa: PLC0415

    app = oauth_app(account, secrets)
    return OAuthTokens(account=account.name, app=app, shelf=shelf, now=now, sleep=sleep)


def oauth_app(account: HubSpotAccount, secrets: Mapping[str, str]) -> "OAuthApp":
    """Return the token calls of the app that an account with OAuth has."""
    from integrations.hubspot.oauth import OAuthApp  # noqa: PLC0415

    return OAuthApp(account.base_url, account.client_id or "", secrets["client_secret"])


def _apart(account: HubSpotAccount | SalesforceAccount) -> dict[str, tuple[int, float]]:
    """Return the kinds of calls that the CRM counts apart: how many, in how many seconds."""
    if not isinstance(account, HubSpotAccount):
        return {}
    is_small = account.calls_per_10s <= ASSOCIATIONS_SMALL
    links = ASSOCIATIONS_SMALL if is_small else ASSOCIATIONS_PER_10S
    return {
        "search": (SEARCHES_PER_S, SEARCH_WINDOW_S),
        "associations": (links, WINDOW_S + WAY_S),
    }


def activities_read(
    account: HubSpotAccount | SalesforceAccount, kinds: Collection[str]
) -> frozenset[str]:
    """Return the types of activities to read for a model that reads `kinds` of them.

    Besides, those that a first response may come from.
    """
    if isinstance(account, SalesforceAccount):
        return kinds_read(kinds, account.first_response_from)
    from integrations.hubspot.activities import ANSWERS, SOURCES  # noqa: PLC0415

    wanted = {SOURCES[kind] for kind in kinds if kind in SOURCES}
    return frozenset(wanted | {ANSWERS[medium] for medium in account.first_response_from})
