"""A relay in front of a server: at another address, or with TLS where the server has none."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress


class Relay:
    """Passes every connection on to a port of 127.0.0.1; in a thread, until ``close``."""

    def __init__(
        self, to_port: int, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._to_port, self._host, self._tls = to_port, host, tls
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._is_open.wait(20)

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        made = asyncio.start_server(self._pass_on, self._host, 0, ssl=self._tls)
        server = self._loop.run_until_complete(made)
        self._port = server.sockets[0].getsockname()[1]
        self._is_open.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.ensure_future(_carry(reader, ours)),
            asyncio.ensure_future(_carry(theirs, writer)),
        ]
        with suppress(asyncio.CancelledError):  # The library would log it as an error of ours.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (ours, writer):
            end.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
