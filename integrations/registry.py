"""CRM name -> adapter and client: the one place that knows them all."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from config.practice import HubSpotAccount, Practice, SalesforceAccount
from config.register import activity_kinds
from integrations.base import Adapter, CrmClient, Feed, Finding, Plan, RecordRef, Step
from integrations.errors import PayloadError, PermanentCrmError
from integrations.hubspot.adapter import HubSpotAdapter
from integrations.hubspot.events import Portal
from integrations.hubspot.wire import (
    ASSOCIATIONS_PER_10S,
    ASSOCIATIONS_SMALL,
    SEARCHES_PER_S,
)
from integrations.hubspot.workflow import WorkflowAdapter
from integrations.outputs import model_name
from integrations.salesforce.adapter import Org, SalesforceAdapter
from integrations.salesforce.around import TYPES, kinds_read
from integrations.salesforce.callouts import EVENT, EventAdapter, EventOrg
from integrations.salesforce.wire import RECORD_ID, full_id
from scoring.model import ScoringModel

if TYPE_CHECKING:
    from integrations.http import Caller
    from integrations.hubspot.client import TokenSource
    from integrations.hubspot.journal import Journal
    from integrations.hubspot.oauth import OAuthApp
    from integrations.hubspot.project import AppProject
    from integrations.hubspot.tokens import Shelf
    from integrations.hubspot.vendor import VendorClient
    from integrations.salesforce.auth import Grant
    from integrations.salesforce.calls import OrgCalls
    from integrations.salesforce.client import SalesforceClient
    from integrations.salesforce.project import Package
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


def hubspot_app(
    practice: Practice,
    account: HubSpotAccount,
    model: ScoringModel,
    *,
    support_email: str | None = None,
) -> "AppProject":
    """Return the app project for an account."""
    from integrations.hubspot.project import (  # noqa: PLC0415  only set-up needs it
        AppPlan,
        app_project,
    )

    plan = AppPlan(
        webhook_url="" if account.journal else account.webhook_url,
        read=[source.property for source in practice.fields[account.crm].values()],
        written=practice.outputs(account),
        activity_types=activities_read(account, activity_kinds(model)),
        caps={model_name(each.version): each.caps for each in (model, *model.lines.values())},
        redirect_url=account.redirect_address if account.auth == "oauth" else "",
        writes_sensitive=bool(account.sensitive_outputs),
        support_email=support_email,
    )
    return app_project(plan)


def salesforce_app(
    practice: Practice,
    account: SalesforceAccount,
    model: ScoringModel,
    *,
    url: str,
    integration_user: str = "",
    unwatched: Collection[str] = (),
) -> "Package":
    """Return the package for an account's org.

    Args:
        practice: Its field map, and what is written.
        account: Whose org it is for.
        model: Whose caps the card shows.
        url: Where Salesforce reaches our service, without a path.
        integration_user: The user that we log in as; empty: the account's, or told at deployment.
        unwatched: Fields whose change is left to the sweep.
    """
    from integrations.salesforce.messages import USER  # noqa: PLC0415  only set-up needs it
    from integrations.salesforce.project import (  # noqa: PLC0415
        PackagePlan,
        salesforce_package,
    )

    plan = PackagePlan(
        url=url,
        objects=account.objects,
        read=[source.property for source in practice.fields[account.crm].values()],
        written=practice.outputs(account),
        caps={model_name(each.version): each.caps for each in (model, *model.lines.values())},
        integration_user=integration_user or account.username or USER,
        unwatched=unwatched,
    )
    return salesforce_package(plan)


def check_account(
    practice: Practice,
    account: HubSpotAccount | SalesforceAccount,
    secrets: Mapping[str, str],
    *,
    kinds: Collection[str] = (),
    shelf: "Shelf | None" = None,
    now: Callable[[], datetime],
) -> list[Finding]:
    """Return what is right and wrong with an account; `kinds` as in `activities_read`.

    Raises:
        CrmError: the CRM does not answer, or refuses us.
    """
    if isinstance(account, HubSpotAccount):
        return _check_portal(practice, account, secrets, kinds=kinds, shelf=shelf, now=now)
    from integrations.salesforce import checks  # noqa: PLC0415

    wanted = checks.Wanted(
        organization_id=account.organization_id,
        api_version=account.api_version,
        objects=account.objects,
        read=_read_of(practice, account),
        written=practice.outputs(account),
        activities=activities_read(account, kinds),
        related=account.related,
        record_types=account.only_record_types,
    )
    with _salesforce_client(account, secrets, now=now) as client:
        found = checks.check(client, wanted)
    return [*found, *_check_events(account, secrets, now=now)]


@contextmanager
def _salesforce_client(
    account: SalesforceAccount, secrets: Mapping[str, str], *, now: Callable[[], datetime]
) -> "Iterator[SalesforceClient]":
    """Open a client of an org for the block."""
    from integrations.salesforce.client import SalesforceClient  # noqa: PLC0415

    client = build_client(account, secrets, clock=time.monotonic, sleep=time.sleep, now=now)
    if not isinstance(client, SalesforceClient):
        raise TypeError("a Salesforce account makes a Salesforce client")
    try:
        yield client
    finally:
        client.close()


def _check_events(
    account: SalesforceAccount, secrets: Mapping[str, str], *, now: Callable[[], datetime]
) -> list[Finding]:
    """Return whether the events of an org can be fetched; nothing where they are sent."""
    if not account.events:
        return []
    from integrations.salesforce.pubsub.feed import check  # noqa: PLC0415

    bus = salesforce_events(account, secrets, now=now, clock=time.monotonic, sleep=time.sleep)
    try:
        return [check(bus, account.topic)]
    except PermanentCrmError as error:
        return [Finding(f"fetches {account.topic}", ok=False, detail=str(error))]
    finally:
        bus.close()


def _read_of(practice: Practice, account: HubSpotAccount | SalesforceAccount) -> list[str]:
    """Return the properties of the field map, each once."""
    return list(dict.fromkeys(source.property for source in practice.fields[account.crm].values()))


def _check_portal(
    practice: Practice,
    account: HubSpotAccount,
    secrets: Mapping[str, str],
    *,
    kinds: Collection[str],
    shelf: "Shelf | None",
    now: Callable[[], datetime],
) -> list[Finding]:
    from integrations.hubspot import checks  # noqa: PLC0415

    with _vendor_client(account, secrets, shelf=shelf, now=now) as (client, token):
        granted = None
        if account.auth == "oauth":
            app = oauth_app(account, secrets)
            try:
                granted = app.introspect(token).scopes
            finally:
                app.close()
        wanted = checks.Wanted(
            portal_id=account.portal_id,
            webhook_url=account.webhook_url,
            calls_per_10s=account.calls_per_10s,
            read=_read_of(practice, account),
            written=practice.outputs(account),
            sensitive=account.sensitive_outputs,
            reads_email="email" in activities_read(account, kinds),
        )
        return checks.check(client, wanted, granted=granted, now=now)


def check_reach(account: HubSpotAccount) -> Finding:
    """Return whether our receiver answers at the account's webhook address."""
    from integrations.hubspot.checks import reach  # noqa: PLC0415

    return reach(account.webhook_url)


def needed_subscriptions(
    practice: Practice, account: HubSpotAccount, kinds: Collection[str]
) -> list[str]:
    """Return the subscriptions that the account's app needs, in words."""
    from integrations.hubspot.checks import subscriptions  # noqa: PLC0415

    return subscriptions(_read_of(practice, account), activities=activities_read(account, kinds))


def provision_account(
    practice: Practice,
    account: HubSpotAccount | SalesforceAccount,
    secrets: Mapping[str, str],
    *,
    dry_run: bool,
    kinds: Collection[str] = (),
    shelf: "Shelf | None" = None,
    now: Callable[[], datetime],
) -> Plan:
    """Make what is missing in a CRM; return what was, or would be. Raises: CrmError."""
    if isinstance(account, SalesforceAccount):
        from integrations.salesforce.setup import SalesforceSetup  # noqa: PLC0415

        with _salesforce_client(account, secrets, now=now) as org:
            making = SalesforceSetup(org)
            act_on = making.plan if dry_run else making.provision
            return act_on(account.objects, practice.outputs(account))
    from integrations.hubspot.setup import HubSpotSetup  # noqa: PLC0415

    with _vendor_client(account, secrets, shelf=shelf, now=now) as (client, _):
        setup = HubSpotSetup(client)
        act = setup.plan if dry_run else setup.provision
        plan = act(practice.outputs(account), account.sensitive_outputs)
    if not account.journal:
        return plan
    made = _subscribe_journal(practice, account, secrets, kinds=kinds, dry_run=dry_run, now=now)
    return Plan(steps=[*plan.steps, *made], problems=plan.problems)


def _subscribe_journal(
    practice: Practice,
    account: HubSpotAccount,
    secrets: Mapping[str, str],
    *,
    kinds: Collection[str],
    dry_run: bool,
    now: Callable[[], datetime],
) -> list[Step]:
    """Make the subscriptions of the journal that are missing; return them as steps."""
    from integrations.hubspot.journal import subscribe, wanted_subscriptions  # noqa: PLC0415
    from integrations.hubspot.project import ACTIVITY_CHANGES  # noqa: PLC0415
    from integrations.hubspot.wire import JOURNAL_SUBSCRIPTIONS, OBJECT_TYPES  # noqa: PLC0415

    read = activities_read(account, kinds)
    activities = {
        type_id: [each for each in (ACTIVITY_CHANGES[name],) if each]
        for type_id, name in OBJECT_TYPES.items()
        if name in read
    }
    wanted = wanted_subscriptions(account.portal_id, _read_of(practice, account), activities)
    journal = hubspot_journal(account, secrets, now=now, clock=time.monotonic, sleep=time.sleep)
    try:
        return [
            Step(text=f"journal subscription: {each}", method="POST", path=JOURNAL_SUBSCRIPTIONS)
            for each in subscribe(journal, wanted, dry_run=dry_run)
        ]
    finally:
        journal.close()


@contextmanager
def _vendor_client(
    account: HubSpotAccount,
    secrets: Mapping[str, str],
    *,
    shelf: "Shelf | None",
    now: Callable[[], datetime],
) -> "Iterator[tuple[VendorClient, str]]":
    """Open the vendor's client for the block, with the account's token."""
    from integrations.hubspot.vendor import VendorClient  # noqa: PLC0415

    tokens = token_source(account, secrets, shelf=shelf, now=now, sleep=time.sleep)
    token = tokens.token()
    client = VendorClient(account.base_url, access_token=token)
    try:
        yield client, token
    finally:
        client.close()
