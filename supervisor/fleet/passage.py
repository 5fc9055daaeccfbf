"""A connection carried over NATS, piece by piece: each is a request, the next waits for its reply.

So nothing is lost, doubled or out of order without both sides noticing, and a slow reader holds
the writer. An end that hears nothing for ``SILENT_S`` is over: the client connects again and asks
for the events it has not seen, as after any other cut.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor.cancelling import cancelled

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

PIECE_BYTES = 256 * 1024
"""Of a server's usual 1 MB for a message."""
REPLY_TIMEOUT_S = 20.0
"""How long the other side may take to make room for a piece."""
PING_EVERY_S = 5.0
SILENT_S = 20.0
DATA, PING, END = b"d", b"p", b"e"


class Passage:
    """One end of a connection: a stream pair here, a subject of theirs, a subject of ours."""

    def __init__(
        self,
        client: Client,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        ours: str,
        theirs: str,
    ) -> None:
        self._client = client
        self._reader, self._writer = reader, writer
        self._ours, self._theirs = ours, theirs
        self._heard_at = time.monotonic()
        self._over = asyncio.Event()
        self._subscription: Subscription | None = None

    async def listen(self) -> None:
        """Before the other end may send."""
        self._subscription = await self._client.subscribe(self._ours, cb=self._take)

    async def carry(self) -> None:
        """Until one side ends or is not heard of any more."""
        works = [asyncio.create_task(work) for work in (self._send(), self._watch())]
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait([*works, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled(*works, over)
            await self._close()

    async def _take(self, message: Msg) -> None:
        kind, data = message.data[:1], message.data[1:]
        self._heard_at = time.monotonic()
        try:
            if kind == DATA:
                self._writer.write(data)
                await self._writer.drain()
            elif kind == END:
                self._over.set()
            await message.respond(b"")
        except (OSError, RuntimeError):
            self._over.set()

    async def _send(self) -> None:
        """What is read here, to them. NATS errors end it: a piece whose reply is missing may have
        arrived, and to send it again could double it."""
        with suppress(Exception):
            while data := await self._reader.read(PIECE_BYTES):
                await self._client.request(self._theirs, DATA + data, timeout=REPLY_TIMEOUT_S)

    async def _watch(self) -> None:
        with suppress(Exception):
            while time.monotonic() - self._heard_at < SILENT_S:
                await asyncio.sleep(PING_EVERY_S)
                await self._client.request(self._theirs, PING, timeout=REPLY_TIMEOUT_S)
                self._heard_at = time.monotonic()

    async def _close(self) -> None:
        with suppress(Exception):
            await self._client.publish(self._theirs, END)
            await self._client.flush(1)
        if self._subscription is not None:
            with suppress(Exception):
                await self._subscription.unsubscribe()
        with suppress(OSError):
            self._writer.close()
