"""The demo's stage: pretend CRMs and the real service, in one process, in a folder of their own."""

import dataclasses
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from config.load import load_models, load_secrets, parse_practice
from config.practice import Practice
from config.settings import Settings
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running
from store.keys import new_key_file
from webhooks.wiring import Service, master_keys, utc_now

#: What the CRM's own clock would take a day for, the stage does in about a minute.
RETRY_SPEEDUP = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRecord:
    """A record as the CRM shows it after the write-back."""

    crm: str
    record: str
    name: str = field(repr=False)
    score: int | None
    tier: str
    reasons: tuple[str, ...]
    respond_by: str


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that runs."""

    service: Service
    hubspot: HubSpotSimulator | None
    salesforce: SalesforceSimulator | None
    urls: Mapping[str, str]  #: Page of each pretend CRM.
    env: Mapping[str, str] = field(repr=False)  #: The secrets, by variable.
    records: dict[str, list[str]] = field(default_factory=dict)  #: Record ids by CRM.

    def arrive(self, leads: int, seed: int) -> int:
        """Let `leads` invented inquiries arrive, spread over the CRMs; return how many did."""
        people = invent_people(seed, leads, utc_now())
        crms = [name for name in ("hubspot", "salesforce") if getattr(self, name) is not None]
        for place, crm in enumerate(crms):
            own = people[place :: len(crms)]
            if crm == "hubspot" and self.hubspot is not None:
                ids = self.hubspot.create_contacts([person.to_hubspot() for person in own])
            elif self.salesforce is not None:
                ids = self.salesforce.create_leads([person.to_salesforce() for person in own])
            else:
                continue
            self.records.setdefault(crm, []).extend(ids)
        return sum(map(len, self.records.values()))

    def scored(self) -> list[ScoredRecord]:
        """Return the records that hold a tier by now: clinical first, then by score."""
        found = []
        values: Mapping[str, Any]
        if self.hubspot is not None:
            for record_id in self.records.get("hubspot", []):
                values = self.hubspot.contact(record_id)
                found.append(_record("hubspot", record_id, values, "lead_score", ""))
        if self.salesforce is not None:
            for record_id in self.records.get("salesforce", []):
                values = self.salesforce.record("Lead", record_id)
                found.append(_record("salesforce", record_id, values, "Lead_Score", "__c"))
        shown = [record for record in found if record is not None]
        return sorted(shown, key=lambda r: (r.tier != "clinical", -(r.score or -1), r.record))

    def calls(self) -> dict[str, dict[str, int]]:
        """Return the calls to each CRM, by kind, as our own clients counted them."""
        return {work.name: dict(work.client.calls()) for work in self.service.works}

    def counters(self) -> dict[str, dict[str, Any]]:
        """Return what each pretend CRM counted."""
        sims = {"hubspot": self.hubspot, "salesforce": self.salesforce}
        return {name: dict(sim.counters) for name, sim in sims.items() if sim is not None}


def _record(
    crm: str, record_id: str, values: Mapping[str, Any], stem: str, end: str
) -> ScoredRecord | None:
    def value(tail: str) -> Any:
        name = f"{stem}{tail}{end}" if crm == "hubspot" else f"{stem}{_camel(tail)}{end}"
        return values.get(name)

    if not value("_tier"):
        return None
    score = value("")
    first, last = ("firstname", "lastname") if crm == "hubspot" else ("FirstName", "LastName")
    return ScoredRecord(
        crm=crm,
        record=record_id,
        name=f"{values.get(first) or ''} {values.get(last) or ''}".strip(),
        score=int(float(score)) if score not in (None, "") else None,
        tier=str(value("_tier")),
        reasons=tuple(str(value("_reasons") or "").splitlines()),
        respond_by=str(value("_respond_by") or ""),
    )


def _camel(tail: str) -> str:
    return "".join("_" + word.capitalize() for word in tail.split("_") if word)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def stage(
    folder: Path,
    *,
    crm: str = "both",
    hubspot: HubSpotSettings | None = None,
    salesforce: SalesforceSettings | None = None,
    database_url: str | None = None,
) -> Iterator[Stage]:
    """Run pretend CRMs and the service until the block ends.

    Args:
        folder: Where database and key are kept.
        crm: hubspot, salesforce or both.
        hubspot: Other settings of the pretend HubSpot; its secrets and target are filled in here.
        salesforce: The same for Salesforce.
        database_url: Another database than a SQLite file in `folder`.
    """
    port = free_port()
    service_url = f"http://127.0.0.1:{port}"
    env = {
        "HUBSPOT_ACCESS_TOKEN": "pat-" + secrets.token_hex(16),
        "HUBSPOT_CLIENT_SECRET": secrets.token_hex(16),
        "SALESFORCE_CONSUMER_KEY": secrets.token_hex(16),
        "SALESFORCE_CONSUMER_SECRET": secrets.token_hex(16),
        "SALESFORCE_PATH_TOKEN": secrets.token_urlsafe(32),
    }
    with ExitStack() as stack:
        urls = {}
        portal = org = None
        if crm != "salesforce":
            portal = HubSpotSimulator(
                dataclasses.replace(
                    hubspot or HubSpotSettings(provisioned=True, retry_speedup=RETRY_SPEEDUP),
                    access_token=env["HUBSPOT_ACCESS_TOKEN"],
                    client_secret=env["HUBSPOT_CLIENT_SECRET"],
                    target_url=f"{service_url}/webhooks/hubspot",
                ),
                now=utc_now,
            )
            urls["hubspot"] = stack.enter_context(running(portal))
        if crm != "hubspot":
            token = env["SALESFORCE_PATH_TOKEN"]
            org = SalesforceSimulator(
                dataclasses.replace(
                    salesforce or SalesforceSettings(retry_speedup=RETRY_SPEEDUP),
                    consumer_key=env["SALESFORCE_CONSUMER_KEY"],
                    consumer_secret=env["SALESFORCE_CONSUMER_SECRET"],
                    target_url=f"{service_url}/webhooks/salesforce/{token}",
                ),
                now=utc_now,
            )
            urls["salesforce"] = stack.enter_context(running(org))
        service = _service(
            folder,
            database_url=database_url or f"sqlite:///{folder / 'data' / 'leadscore.db'}",
            port=port,
            service_url=service_url,
            urls=urls,
            env=env,
            crm=crm,
        )
        service.start()
        stack.callback(service.stop)
        yield Stage(service=service, hubspot=portal, salesforce=org, urls=urls, env=env)


def _service(
    folder: Path,
    *,
    database_url: str,
    port: int,
    service_url: str,
    urls: Mapping[str, str],
    env: Mapping[str, str],
    crm: str,
) -> Service:
    practice = demo_practice(
        hubspot_url=urls.get("hubspot", "http://127.0.0.1:1"),
        salesforce_url=urls.get("salesforce", "http://127.0.0.1:1"),
        service_url=service_url,
    )
    if crm != "both":
        own = [account for account in practice.accounts if account.crm == crm]
        practice = practice.model_copy(update={"accounts": own})
    key_file = folder / "keys" / "master.key"
    new_key_file(key_file)
    settings = Settings(
        database_url=database_url,
        master_key_file=key_file,
        listen_port=port,
        disk_reserve_mb=0,
    )
    return Service(
        settings=settings,
        practice=practice,
        secrets=load_secrets(practice, env),
        model=load_models(practice, Path()),
        keys=master_keys(settings),
    )


def demo_practice(**urls: str) -> Practice:
    """Return the demo's practice with its addresses filled in."""
    text = resources.files("console").joinpath("demo.toml").read_text("utf-8")
    for name, url in urls.items():
        text = text.replace("{" + name + "}", url)
    return parse_practice(text, "demo.toml")


def wait_for(stage_: Stage, expected: int, timeout_s: float) -> Iterator[int]:
    """Yield how many records are scored, until all are or the time is over."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        count = len(stage_.scored())
        yield count
        if count >= expected:
            return
        time.sleep(0.05)
