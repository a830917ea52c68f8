"""A load of one prepared request over kept connections. Runs as a process of its own.

Usage: python -m bench.loader PORT CONNECTIONS SECONDS < request  ->  one JSON line
"""

import json
import re
import selectors
import socket
import sys
import time

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def is_whole(answer: bytes) -> bool:
    """Tell whether header and body have come; every server here says how long the body is."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    return bool(end) and (length is None or len(body) >= int(length.group(1)))


def main() -> None:
    """Send the request on standard input as fast as it is answered; print what happened."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    request = sys.stdin.buffer.read()
    chooser = selectors.DefaultSelector()
    sent: dict[int, float] = {}
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        chooser.register(sock, selectors.EVENT_READ)
    pending: dict[int, bytes] = {}
    codes: dict[str, int] = {}
    waits: list[float] = []
    began = time.perf_counter()
    for key in chooser.get_map().values():
        sent[key.fd] = time.perf_counter()
        key.fileobj.sendall(request)
    while time.perf_counter() - began < seconds:
        for key, _events in chooser.select(timeout=1.0):
            answer = key.fileobj.recv(65_536)
            if not answer:
                raise SystemExit("the server closed a connection")
            answer = pending.pop(key.fd, b"") + answer
            if not is_whole(answer):
                pending[key.fd] = answer
                continue
            code = answer[9:12].decode()
            codes[code] = codes.get(code, 0) + 1
            now = time.perf_counter()
            waits.append(now - sent[key.fd])
            sent[key.fd] = now
            key.fileobj.sendall(request)
    elapsed = time.perf_counter() - began
    waits.sort()
    print(
        json.dumps(
            {
                "per_second": len(waits) / elapsed,
                "codes": codes,
                "p50_ms": waits[len(waits) // 2] * 1000,
                "p99_ms": waits[int(len(waits) * 0.99)] * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
