"""Accepted Outbound Messages per second, against a bare Flask view; see `bench/accept.py`.

One notification and a hundred in one message. Verify, read the XML, seal and commit are all done:
every acknowledgement is a row on the disk.
"""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.accept import CONNECTIONS, ROUNDS, SECONDS, THREADS, in_turns, load
from bench.service import PATH_TOKEN, peer, prepared_org, started
from console.stage import free_port
from integrations.simulator.salesforce import SalesforceSettings

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
    "<OrganizationId>00D8d000000HLs1EAG</OrganizationId>"
    '<ActionId>04k8d0000000LeaAAE</ActionId><SessionId xsi:nil="true"/>'
    "<EnterpriseUrl>https://clinic-demo.my.salesforce.com/services/Soap/c/63.0</EnterpriseUrl>"
    "<PartnerUrl>https://clinic-demo.my.salesforce.com/services/Soap/u/63.0</PartnerUrl>"
)
_ONE = (
    '<Notification><Id>04l8d{0:010d}AAA</Id><sObject xsi:type="sf:Lead"'
    ' xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>00Q8d{0:010d}AAA</sf:Id>'
    "</sObject></Notification>"
)
_TAIL = "</notifications></soapenv:Body></soapenv:Envelope>"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        ports = {kind: free_port() for kind in ("ours", "waitress")}
        env = prepared_org(
            Path(name), SalesforceSettings(), "http://127.0.0.1:1", port=ports["ours"]
        )
        log = Path(name) / "log"
        stack.enter_context(started("receive", env, port=ports["ours"], log=log))
        bare = [sys.executable, "-m", "bench.bare", str(ports["waitress"]), str(THREADS)]
        stack.enter_context(peer(bare, ports["waitress"]))
        print(f"{ROUNDS} rounds of {SECONDS:.0f} s, {CONNECTIONS} connections")
        for notifications in (1, 100):
            request = _request(notifications)
            rates, p99_ms = in_turns(ports, request)
            ours, other = rates["ours"], rates["waitress"]
            print(
                f"{notifications:3} notification(s), {len(request)} bytes: {ours:.0f} messages/s,"
                f" bare {other:.0f}/s, ours / bare {ours / other:.2f};"
                f" {CONNECTIONS / ours * 1000:.1f} ms with {CONNECTIONS} waiting,"
                f" p99 {p99_ms:.1f} ms"
            )
        alone = load(ports["ours"], _request(100), connections=1)
        print(f"100 notifications, one at a time: p99 {alone['p99_ms']:.1f} ms (target 10)")


def _request(notifications: int) -> bytes:
    parts = [_ONE.format(number) for number in range(1, notifications + 1)]
    body = (_HEAD + "".join(parts) + _TAIL).encode()
    head = (
        f"POST /webhooks/salesforce/{PATH_TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        'Content-Type: text/xml; charset=utf-8\r\nSOAPAction: ""\r\n'
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
