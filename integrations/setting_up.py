"""Sets an account up: what is installed in its CRM, what is made there, what is wrong with it.

Rare work of a person at a console; `registry` has what runs.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from config.practice import HubSpotAccount, Practice, SalesforceAccount
from config.register import activity_kinds
from integrations.base import Finding, Plan, Step
from integrations.errors import PermanentCrmError
from integrations.outputs import model_name
from scoring.model import ScoringModel

if TYPE_CHECKING:
    from integrations.hubspot.project import AppProject
    from integrations.hubspot.tokens import Shelf
    from integrations.hubspot.vendor import VendorClient
    from integrations.salesforce.client import SalesforceClient
    from integrations.salesforce.project import Package

from integrations.registry import (
    activities_read,
    build_client,
    hubspot_journal,
    oauth_app,
    salesforce_events,
    token_source,
)


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
    practice: Practice, account: HubSpotAccount, model: ScoringModel
) -> Sequence[str]:
    """Return the subscriptions that `leadscore app hubspot` writes for the account, in words."""
    return hubspot_app(practice, account, model).subscriptions


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
