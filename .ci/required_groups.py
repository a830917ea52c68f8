"""Fails when a group of tests that must run did not, or when a test was skipped.

Usage: required_groups.py JUNIT_XML [--closing-line]
"""

import sys
from xml.etree import ElementTree as ET

#: The same for tests that ran on PostgreSQL, by their id or because they are for it alone.
REQUIRED_ON_POSTGRESQL = {
    "tests.store": 60,
    "tests.store.test_postgres_rules": 17,
    "tests.webhooks": 90,
    "tests.end_to_end": 24,
    "tests.end_to_end.test_many_processes": 1,
}
#: Files of tests that know no other database.
POSTGRESQL_ONLY = ("test_postgres_rules", "test_many_processes", "TestServerThatIsSilent")

#: Where the tests stand -> how many must have run at least.
REQUIRED = {
    "tests.end_to_end.test_path": 20,  # the whole path against the simulator
    "tests.end_to_end.test_marker_scan": 2,  # no PHI in clear, anywhere
    "tests.integrations.simulator.test_simulator_clients": 4,  # the vendors' SDKs, unmodified
    "tests.node.test_node": 106,  # the cards, the app project, Apex, the deployment: with the CRMs' own packages
    "tests.integrations.salesforce.test_salesforce_metadata": 70,  # the Metadata API's WSDL
    "tests.integrations.salesforce.test_salesforce_package": 70,
    "tests.integrations.salesforce.test_salesforce_jsforce": 6,  # an unmodified client
    "tests.integrations.hubspot.test_hubspot_node_sdk": 5,  # the vendor's Node SDK
    "tests.integrations.hubspot": 300,
    "tests.integrations.hubspot.test_hubspot_journal": 25,
    "tests.integrations.hubspot.test_hubspot_oauth": 10,
    "tests.end_to_end.test_install": 5,
    "tests.end_to_end.test_journal": 4,
    "tests.integrations.salesforce": 180,
    "tests.integrations.test_contract": 30,  # one suite for both CRMs
    "tests.integrations.salesforce.test_salesforce_callouts": 50,
    "tests.integrations.salesforce.test_salesforce_pubsub": 45,  # gRPC, by the published proto
    "tests.integrations.simulator.test_simulator_salesforce_events": 12,
    "tests.webhooks.test_feed_reader_pubsub": 10,  # a crash at any step, on both databases
    "tests.end_to_end.test_salesforce_events": 10,  # no inbound port; signed callouts
    "tests.webhooks.test_server_limits": 10,  # raw sockets against the shipped server
    "tests.store": 40,
    "tests.webhooks": 40,
    "tests.scoring.test_random_models": 9,  # sums, exact valid-until, the text cap
    "tests.config.test_packs": 8,  # every case of every pack
    "tests.scoring": 100,
    "tests.config": 80,
    "tests.config.test_meaning": 35,  # the real model, from the registry
    "tests.console.test_semantic_commands": 11,
    "tests.scoring.text.test_semantic_adds": 22,
    "tests.console": 35,
    "tests.bench": 20,  # the fault rig finds what it is there to find
}


def on_postgresql(place: str, name: str) -> bool:
    """Tell whether a test ran on PostgreSQL, by its file and its id."""
    parameters = name.partition("[")[2].rstrip("]").split("-")
    return "postgresql" in parameters or any(part in place for part in POSTGRESQL_ONLY)


def main() -> int:
    """Check the report; return the exit code."""
    suite = ET.parse(sys.argv[1]).getroot()  # noqa: S314  our own test report
    suite = suite[0] if suite.tag == "testsuites" else suite
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    if "--closing-line" in sys.argv:
        passed = count["tests"] - count["failures"] - count["errors"] - count["skipped"]
        failed = count["failures"] + count["errors"]
        print(f"{passed} passed, {failed} failed, {count['skipped']} skipped")
        return 0
    cases = [(c.get("classname", ""), c.get("name", "")) for c in suite.iter("testcase")]
    problems = []
    for required, where, wanted in (
        (REQUIRED, "", [place for place, _ in cases]),
        (REQUIRED_ON_POSTGRESQL, " on PostgreSQL", [c[0] for c in cases if on_postgresql(*c)]),
    ):
        for group, least in required.items():
            ran = sum(place == group or place.startswith(group + ".") for place in wanted)
            print(f"{ran:5} {group}{where}")
            if ran < least:
                problems.append(f"{group}{where}: {ran} tests ran, at least {least} must")
    if count["skipped"]:
        problems.append(f"{count['skipped']} tests were skipped; none may be")
    for problem in problems:
        print(f"WRONG {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
