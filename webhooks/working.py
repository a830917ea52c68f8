"""Builds the worker's objects: clients, readers, pipeline. Apart, so that a receiver stays small."""

import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from config.practice import HubSpotAccount, Practice, SalesforceAccount
from config.register import activity_kinds
from integrations.base import MEDIA, ActivityClient, Adapter
from integrations.mapping import LeadReader
from integrations.registry import Secrets, activities_read, build_client, build_feeds
from scoring.model import ScoringModel
from scoring.text.semantic import Meaning
from store.installs import AccountTokens
from store.retention import Periods
from store.rooms import Store
from webhooks.bell import Bell, CountingBell
from webhooks.feeds import FeedReader
from webhooks.health import Health
from webhooks.housekeeping import Housekeeping
from webhooks.pipeline import AccountWork, Pipeline
from webhooks.sweep import Sweeper
from webhooks.unpack import Unpacker
from webhooks.worker import Worker


def build_worker(
    *,
    store: Store,
    practice: Practice,
    secrets: Secrets,
    model: ScoringModel,
    meaning: Meaning | None,
    adapters: Mapping[str, Adapter],
    health: Health,
    bell: CountingBell,
    clock: Callable[[], datetime],
) -> tuple[list[AccountWork], Worker]:
    """Return the accounts' work and the worker that does it, not yet started."""
    own_model = practice.own(model)
    works = [
        account_work(
            practice,
            account,
            secrets[account.name],
            own_model,
            meaning,
            shelf=store.installs.of(account.name),
            clock=clock,
        )
        for account in practice.accounts
    ]
    rng = random.Random()  # noqa: S311  jitter, not a secret
    worker = Worker(
        owner=f"{socket.gethostname()[:50]}:{os.getpid()}:{rng.randrange(2**32):08x}",
        works=works,
        unpacker=Unpacker(
            adapters=adapters,
            inbox=store.inbox,
            due=store.due,
            dead_letters=store.dead_letters,
            erasure=store.erasure,
            merging=store.merging,
            health=health,
            clock=clock,
        ),
        pipeline=Pipeline(
            leads=store.leads, merging=store.merging, health=health, clock=clock, rng=rng
        ),
        due=store.due,
        accounts=store.accounts,
        health=health,
        bell=bell,
        wakeups=store.wakeups,
        clock=clock,
        rng=rng,
        sweeper=Sweeper(listings=store.listings, due=store.due, clock=clock),
        poll_s=store.wakeups.poll_s,
    )
    return works, worker


def build_feed_reader(
    *,
    store: Store,
    practice: Practice,
    secrets: Secrets,
    health: Health,
    bell: Bell,
    clock: Callable[[], datetime],
) -> FeedReader:
    """Return what fetches the events of accounts that nothing is sent to, not yet started."""
    rng = random.Random()  # noqa: S311  jitter, not a secret
    return FeedReader(
        owner=f"{socket.gethostname()[:50]}:{os.getpid()}:{rng.randrange(2**32):08x}",
        feeds=build_feeds(practice, secrets, now=clock, clock=time.monotonic, sleep=time.sleep),
        states=store.feeds,
        inbox=store.inbox,
        accounts=store.accounts,
        installs=store.installs,
        health=health,
        bell=bell,
        clock=clock,
        rng=rng,
    )


def build_housekeeping(
    *, store: Store, practice: Practice, health: Health, clock: Callable[[], datetime]
) -> Housekeeping:
    """Return what deletes old data, not yet started."""
    kept = practice.retention
    return Housekeeping(
        retention=store.retention,
        audit=store.audit,
        erasure=store.erasure,
        periods=Periods(
            deliveries=timedelta(days=kept.deliveries_days),
            facts=timedelta(days=kept.facts_days),
            history=timedelta(days=kept.history_days),
        ),
        health=health,
        clock=clock,
    )


def account_work(
    practice: Practice,
    account: HubSpotAccount | SalesforceAccount,
    secrets: Mapping[str, str],
    model: ScoringModel,
    meaning: Meaning | None = None,
    *,
    shelf: AccountTokens | None = None,
    clock: Callable[[], datetime] | None = None,
) -> AccountWork:
    """Return all that is needed to work `account`."""
    client = build_client(
        account, secrets, clock=time.monotonic, sleep=time.sleep, shelf=shelf, now=clock
    )
    answered_by = getattr(account, "first_response_from", MEDIA)
    return AccountWork(
        name=account.name,
        crm=account.crm,
        client=client,
        activities=client if isinstance(client, ActivityClient) else None,
        activity_types=activities_read(account, activity_kinds(model)),
        reader=LeadReader(practice.fields[account.crm], answered_by=answered_by),
        model=model,
        meaning=meaning,
        outputs=practice.outputs(account),
        object_types=account.record_types,
        sweep_every=timedelta(minutes=account.swept_every_minutes),
    )
