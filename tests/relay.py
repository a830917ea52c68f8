"""Carries bytes between a free loopback port, which it prints, and a PostgreSQL server.

A process of its own, so that a test can hold the line (SIGSTOP), cut it (SIGUSR1) and end it.
Usage: relay.py HOST PORT, where HOST may be a folder with the server's socket.
"""

import asyncio
import contextlib
import signal
import sys


async def main() -> None:
    """Serve until killed."""
    host, port = sys.argv[1:]
    open_ends: set[asyncio.StreamWriter] = set()

    def cut() -> None:
        for end in open_ends:
            end.transport.abort()
        open_ends.clear()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            far = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far = await asyncio.open_connection(host, int(port))
        ends = {writer, far[1]}
        open_ends.update(ends)
        await asyncio.gather(carry(reader, far[1]), carry(far[0], writer))
        open_ends.difference_update(ends)

    server = await asyncio.start_server(joined, "127.0.0.1", 0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, cut)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  who started it waits for it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
