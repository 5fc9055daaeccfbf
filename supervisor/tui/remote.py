"""The way to an engine on another machine: one ssh after another, each as short as it lives.

Owns: the thread that waits for ssh, the first connection (made before the screen, when ssh could
still ask), and what ssh said when a connection ended. Must never let ssh ask anything.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from supervisor.control.client import Client
from supervisor.control.dialing import Dialled, Dialling
from supervisor.control.host import RemoteHost
from supervisor.errors import LongwatchError
from supervisor.tui.client import ClientBackend
from supervisor.tui.link import LinkLostError, Notice

END_WAIT_S = 0.5
"""How long ssh gets to say why, after the connection ended."""


class HostBackend(ClientBackend):
    """The engine of one machine."""

    def __init__(self, host: RemoteHost, first: Dialled | None = None) -> None:
        """``first`` is a connection that stands already; it is used once."""
        super().__init__(self._open)
        self._host = host
        self._first = first
        self._dialled: Dialled | None = None
        self._was_there = first is not None

    async def _open(self) -> Client:
        dialled, self._first = self._first, None
        if dialled is None:
            # Who ended the engine there meant it: it is started for the first contact only.
            dialled = await _dial(Dialling(self._host, starts_engine=not self._was_there))
        self._dialled, self._was_there = dialled, True
        return await Client.over(dialled.connection)

    async def connect(self) -> None:
        """Connect and say hello; LinkLostError with what to do when that fails."""
        try:
            await super().connect()
        except LinkLostError as error:
            cause = error.__cause__
            what = str(cause) if isinstance(cause, LongwatchError) else str(error)
            raise LinkLostError(await self._why() or what) from cause

    async def notices(self) -> AsyncIterator[Notice]:
        """Notices in order; LinkLostError with what ssh said when the connection is gone."""
        try:
            async for notice in super().notices():
                yield notice
        except LinkLostError as error:
            raise LinkLostError(await self._why() or str(error)) from error

    async def _why(self) -> str:
        dialled, self._dialled = self._dialled, None
        if dialled is None:
            return ""
        await asyncio.sleep(END_WAIT_S)
        return dialled.why_ended()


async def _dial(dialling: Dialling) -> Dialled:
    """In a thread of its own, which no shutdown waits for; a cancelled one ends its ssh."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Dialled] = loop.create_future()

    def finish(dialled: Dialled | None, error: Exception | None) -> None:
        if done.done():
            if dialled is not None:
                dialled.connection.close()
        elif dialled is not None:
            done.set_result(dialled)
        else:
            done.set_exception(error or RuntimeError("nothing came of it"))

    def work() -> None:
        dialled, failed = None, None
        try:
            dialled = dialling.run()
        except Exception as error:  # noqa: BLE001 - carried to the loop, which raises it
            failed = error
        with suppress(RuntimeError):  # The loop is closed: the interface was left meanwhile.
            loop.call_soon_threadsafe(finish, dialled, failed)

    threading.Thread(target=work, name="dial", daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        dialling.abandon()
        raise
