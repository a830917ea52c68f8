"""A backfill of a whole Salesforce org: API calls per 1,000 leads, and what is left of the day.

`leadscore backfill` runs as a process of its own against the pretend Salesforce in this one, with
100,000 calls a day. Every call that the org counts is counted: listing, reading with activities,
writing.
"""

import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bench.backfill import watch
from bench.service import prepared_org
from integrations.simulator.people import invent_people
from integrations.simulator.salesforce import SalesforceSettings, SalesforceSimulator
from integrations.simulator.server import running as simulating
from webhooks.wiring import utc_now

COUNT = 20_000
DAILY = 100_000


def main() -> None:
    """Measure and print. Argument: the number of leads."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    settings = SalesforceSettings(daily_calls=DAILY)
    ago = [timedelta(days=30)]  # older than what the first sweep looks at
    simulator = SalesforceSimulator(settings, now=lambda: utc_now() - ago[0])
    people = [person.to_salesforce() for person in invent_people(1, 500, utc_now())]
    ids = simulator.create_leads(
        {k: v for k, v in people[n % len(people)].items() if k != "CreatedDate"}
        for n in range(count)
    )
    # A call logged for every other lead, a meeting for every tenth.
    task = {"Status": "Completed", "TaskSubtype": "Call", "CallType": "Inbound"}
    simulator.create_tasks({**task, "WhoId": one} for one in ids[::2])
    ago[0] = timedelta()
    with tempfile.TemporaryDirectory() as name, simulating(simulator) as url:
        env = prepared_org(Path(name), settings, url)
        before = simulator.calls_used()
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "backfill"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seen = watch(process)
        said = process.communicate()[0]
        seconds = time.perf_counter() - began
    used = simulator.calls_used() - before
    scored = sum(bool(lead.get("Lead_Score_Tier__c")) for lead in simulator.leads().values())
    print(said.strip())
    print(f"{scored} of {count} leads scored in {seconds:.1f} s: {scored / seconds:.0f}/s")
    print(f"{used} API calls: {used / scored * 1000:.1f} for 1,000 leads (target 12 at most)")
    print(f"{100 - used / DAILY * 100:.1f} % of a day of {DAILY:,} are left (target 90 at least)")
    print(
        f"CPU {seen['cpu'] / scored * 1e6:.0f} us a lead; resident at most {seen['rss']:.0f} MB;"
        f" calls by kind: { {k: v for k, v in simulator.counters.items() if v} }"
    )


if __name__ == "__main__":
    main()
