"""Receivers and workers as processes of their own on one PostgreSQL, killed, stopped and cut off.

The pretend HubSpot lets inquiries arrive and change all the while. What happens when is drawn from
a seed, which is printed; SEED=… repeats a run as far as processes can be repeated. Afterwards the
invariants I1 to I5, I7 and I8 of SECURITY-REQUIREMENTS are looked at, one by one.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from config.load import load_practice
from config.models import packaged_model
from console.stage import free_port
from integrations.mapping import LeadReader
from integrations.simulator.hubspot import HubSpotSettings, HubSpotSimulator
from integrations.simulator.people import invent_people
from integrations.simulator.server import running
from scoring.engine import score
from store.accounts import LEASE_S
from store.engine import check_integrity, reading
from store.keys import keys_from_file
from store.rooms import open_store
from store.schema import instant
from webhooks.wiring import utc_now

MARK = "Qx8MARKER"
MASTER_KEY = "1 primary " + "5b" * 32 + "\n"
ENV = {"HUBSPOT_ACCESS_TOKEN": f"pat-{MARK}", "HUBSPOT_CLIENT_SECRET": f"secret-{MARK}"}
PEOPLE = 150
#: A stopped worker sleeps for this long: past its lease and past the 5 s of S26.
SLEEP_S = LEASE_S + 4.0


@pytest.fixture
def database_url(postgresql_url):
    return postgresql_url


class Part:
    """A process of the service, that may be ended and started again."""

    def __init__(self, folder, command, number, database_url, port):
        self.command, self.port = command, port
        self.log = folder / f"{command}-{number}.log"
        self._folder = folder
        self._env = {
            "PATH": os.environ["PATH"],  # noqa: TID251  a process of its own
            **ENV,
            "DATABASE_URL": database_url,
            "LEADSCORE_PRACTICE": str(folder / "practice.toml"),
            "LEADSCORE_MASTER_KEY_FILE": str(folder / "master.key"),
            "LEADSCORE_AUDIT_HEADS": str(folder / "heads"),
            "LEADSCORE_PORT": str(port),
        }
        self.process = None
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, "-m", "console", self.command],
                env=self._env,
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
            )

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.kill()

    def lines(self, message):
        lines = self.log.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if f'"{message}"' in line]


class Rig:
    """The CRM, the processes, and what happens to them."""

    def __init__(self, simulator, receivers, workers, store, postgres, rng):
        self.simulator, self.receivers, self.workers = simulator, receivers, workers
        self.store, self.postgres, self.rng = store, postgres, rng
        self.people = [person.to_hubspot() for person in invent_people(5, PEOPLE, utc_now())]
        self.records = []
        self.changes = 0
        self.faults = {"killed": 0, "cut": 0, "stopped": 0, "held": 0}

    def arrive(self, count):
        for _ in range(min(count, len(self.people))):
            person = self.people.pop()
            person.pop("createdate", None)
            person["message"] = f"{person.get('message', '')} {MARK}"
            self.records += self.simulator.create_contacts([person])
            self.changes += 1

    def change(self):
        record = self.rng.choice(self.records)
        message = self.rng.choice(["I want implants", "What does whitening cost?", "Just looking"])
        self.simulator.update_contact(record, {"message": f"{message} {MARK}"})
        self.changes += 1

    def aim(self):
        port = self.rng.choice(self.receivers).port
        url = self.simulator.settings.target_url
        self.simulator.set_target(url, connect_url=f"http://127.0.0.1:{port}/webhooks/hubspot")

    def holder(self):
        with reading(self.store.databases.ledger).connect() as connection:
            owner = connection.exec_driver_sql("SELECT lease_owner FROM account").scalar()
        pid = int(owner.split(":")[1]) if owner else None
        return next((w for w in self.workers if w.process.pid == pid), None)

    def connections(self):
        """Return the database's numbers of the service's connections, and of the rig's."""
        with reading(self.store.databases.ledger).connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'leadscore'"
                " AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
            ).all()
        return [row[0] for row in rows]

    def cut(self):
        """End one of the service's connections to the database, whichever it is."""
        pid = self.rng.choice(self.connections())
        with reading(self.store.databases.ledger).connect() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (pid,))
        self.faults["cut"] += 1

    def kill(self, part):
        part.kill()
        part.start()
        self.faults["killed"] += 1

    def run(self, seconds, spare=()):
        """Let inquiries come and faults happen for a while; parts in `spare` are left alone."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.aim()
            self.arrive(self.rng.randint(0, 3))
            for _ in range(self.rng.randint(0, 2)):
                self.change()
            dice = self.rng.random()
            if dice < 0.10:
                self.cut()
            elif dice < 0.14:
                self.kill(self.rng.choice(self.receivers))
            elif dice < 0.16:
                others = [worker for worker in self.workers if worker not in spare]
                self.kill(self.rng.choice(others))
            time.sleep(0.15)

    def wait(self, is_so, timeout_s=20.0):
        ends = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < ends, "it did not happen in time"
            time.sleep(0.05)


@pytest.fixture
def rig(tmp_path, database_url, postgres, wire):
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)  # noqa: TID251  to repeat a run
    print(f"SEED={seed}")  # noqa: T201  shown when the test fails
    ports = [free_port() for _ in range(6)]
    target = "https://scores.example.com/webhooks/hubspot"
    settings = HubSpotSettings(
        provisioned=True,
        rate_per_10s=None,
        retry_speedup=1_000.0,
        timeout_s=4.0,
        access_token=ENV["HUBSPOT_ACCESS_TOKEN"],
        client_secret=ENV["HUBSPOT_CLIENT_SECRET"],
        target_url=target,
        connect_url=f"http://127.0.0.1:{ports[0]}/webhooks/hubspot",
        seed=seed,
    )
    simulator = HubSpotSimulator(settings, now=utc_now)
    (tmp_path / "master.key").write_text(MASTER_KEY, "ascii")
    (tmp_path / "master.key").chmod(0o600)
    # Under another name, so that its own connections are not cut.
    watching = make_url(database_url).update_query_dict({"application_name": "watching"})
    watching = watching.render_as_string(hide_password=False)
    store = open_store(watching, keys_from_file(tmp_path / "master.key"), tmp_path / "audit.heads")
    parts = []
    with running(simulator) as crm_url, contextlib.ExitStack() as stack:
        (tmp_path / "practice.toml").write_text(practice_text(crm_url), "utf-8")
        stack.callback(lambda: [part.end() for part in parts])
        # One worker's line to the database can be held: for it, the network is gone.
        urls = [database_url, database_url, wire.through]
        for number in range(3):
            where = database_url, ports[number]
            parts.append(Part(tmp_path, "receive", number, *where))
            parts.append(Part(tmp_path, "work", number, urls[number], ports[3 + number]))
        found = Rig(
            simulator,
            parts[::2],
            parts[1::2],
            store,
            postgres,
            random.Random(seed),  # noqa: S311  dice
        )
        found.seed, found.wire = seed, wire
        yield found
    store.close()


def practice_text(crm_url):
    found = resources.files("console").joinpath("demo.toml").read_text("utf-8")
    start = found.index('[[accounts]]\nname = "salesforce"')
    found = found[:start] + found[found.index("[fields.hubspot]") :]
    return found.replace("{hubspot_url}", crm_url).replace(
        "{service_url}", "https://scores.example.com"
    )


def test_i001_to_i007_hold_on_many_processes_that_are_killed_stopped_and_cut_off(
    rig, tmp_path, dumped, capsys
):
    rig.wait(lambda: len(rig.connections()) >= len(rig.receivers + rig.workers))
    rig.arrive(20)
    rig.run(2.0)
    rig.wait(lambda: rig.holder() is not None)

    # The holder is stopped past its lease, in the middle of work; another one takes over.
    stopped = rig.holder()
    stopped.signal(signal.SIGSTOP)
    rig.faults["stopped"] += 1
    began = time.monotonic()
    rig.run(SLEEP_S, spare=[stopped])
    rig.wait(lambda: rig.holder() not in {None, stopped}, 20.0)
    taken_over_s = time.monotonic() - began
    stopped.signal(signal.SIGCONT)
    rig.run(1.0, spare=[stopped])
    # The worker with the long line hears nothing of the database for a while.
    rig.wire.hold()
    rig.faults["held"] += 1
    rig.run(3.0)
    rig.wire.release()
    rig.wire.cut()
    # The holder is killed outright.
    holder = rig.holder()
    if holder is not None:
        rig.kill(holder)
    rig.arrive(len(rig.people))

    settled = time.monotonic()
    rig.wait(lambda: rig.simulator.wait_until_idle(0.2), 40)
    rig.wait(lambda: is_settled(rig), LEASE_S + 15)
    with capsys.disabled():
        print(  # noqa: T201  a fault's line says what was tried (section J)
            f"\nSEED={rig.seed} {rig.faults} contacts={len(rig.records)} changes={rig.changes}"
            f" events={rig.simulator.counters['events_acknowledged']}"
            f" taken over after {taken_over_s:.0f} s, settled in {time.monotonic() - settled:.0f} s"
        )
    counters = rig.simulator.counters
    ledger = rows(rig, "SELECT record_id, score, tier, scored_at FROM lead")
    # I1: what was answered with success is stored. I2: and came to its end, none in doubt.
    assert counters["events_given_up"] == 0
    assert counters["deliveries_acknowledged"] <= rows(rig, "SELECT count(*) FROM delivery")[0][0]
    assert rig.store.inbox.counts() == {"waiting": 0, "quarantined": 0}
    assert rig.store.dead_letters.counts() == {}
    assert {row.record_id for row in ledger} == set(rig.records)
    # I3 and I7: the CRM shows the score of the newest facts.
    assert wrong_scores(rig, ledger, load_practice(tmp_path / "practice.toml")) == []
    # I4: a write for each change at most, and for each call whose result was not known.
    unknown = 100 * sum(rig.faults.values())
    assert counters["contacts_written"] <= rig.changes + unknown
    # S26: no two workers ever held the account under one number. (Who is killed may have lost the
    # log lines of its last moment.)
    fences = [line["fence"] for worker in rig.workers for line in worker.lines("lease.taken")]
    assert len(fences) == len(set(fences)) >= 2
    assert max(fences) <= rows(rig, "SELECT fence FROM account")[0][0]
    # I5: nothing of the inquiries or the secrets stands in clear. I8: the database is whole.
    dumped()
    (tmp_path / "master.key").unlink()
    marked = [
        path.name
        for path in tmp_path.rglob("*")
        if path.is_file() and MARK.encode() in path.read_bytes()
    ]
    assert marked == []
    assert check_integrity(rig.store.databases) == []


def rows(rig, query):
    with reading(rig.store.databases.ledger).connect() as connection:
        return connection.execute(text(query)).all()


def is_settled(rig):
    if rig.store.inbox.counts()["waiting"] or rig.store.due.waiting("hubspot", utc_now()):
        return False
    return all(rig.simulator.contact(record).get("lead_score_tier") for record in rig.records)


def wrong_scores(rig, ledger, practice):
    """Return the records whose score in the CRM or ledger is not that of what the CRM holds."""
    reader = LeadReader(practice.fields["hubspot"])
    model = practice.own(packaged_model())
    wrong = []
    for row in ledger:
        contact = rig.simulator.contact(row.record_id)
        lead = reader.read({name: contact.get(name) for name in reader.properties}).lead
        right = score(lead, model, instant(row.scored_at))
        shown = contact.get("lead_score") or None
        in_crm = (None if shown is None else int(shown), contact["lead_score_tier"])
        if not in_crm == (row.score, row.tier) == (right.score, right.tier):
            wrong.append((row.record_id, in_crm, (row.score, row.tier), (right.score, right.tier)))
    return wrong
