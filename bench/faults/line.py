"""A line to the CRM that can go half-open, slow, or be reset; a relay in a thread of this process."""

import asyncio
import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit

#: What the line does with the CRM's answers.
GOOD, SILENT, SLOW, RESET = "good", "silent", "slow", "reset"


class Line:
    """Carries bytes to one address; `mode` says how badly."""

    def __init__(self) -> None:
        """Start the thread; `to` makes an address that leads over this line."""
        self.mode = GOOD
        self.struck = 0  #: Answers that were held, slowed or cut.
        self._far = ("", 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        start = asyncio.start_server(self._joined, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(5)
        self.port = self._server.sockets[0].getsockname()[1]

    def to(self, url: str) -> str:
        """Lead to `url` from now on; return the address to call instead."""
        parts = urlsplit(url)
        self._far = (parts.hostname or "", parts.port or 0)
        return f"http://127.0.0.1:{self.port}"

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(*self._far)
            there = asyncio.create_task(_carry(reader, far_writer))
            await self._back(far_reader, writer)
            there.cancel()
            far_writer.close()
        with contextlib.suppress(OSError):
            writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            mode = self.mode
            self.struck += mode != GOOD
            if mode == SILENT:
                await asyncio.sleep(3600)
            elif mode == SLOW:
                for byte in data:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1.0)
            elif mode == RESET:
                writer.write(data[: len(data) // 2])
                await writer.drain()
                own = writer.get_extra_info("socket")
                # Closing with time 0 sends a reset, not an end.
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            else:
                writer.write(data)
                await writer.drain()

    def close(self) -> None:
        """End the thread."""

        async def end() -> None:
            self._server.close()
            own = asyncio.current_task()
            for task in asyncio.all_tasks():
                if task is not own:
                    task.cancel()
            await asyncio.sleep(0.1)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
