"""The real way to an engine: the control client, in the form the link asks for.

Owns: finding the socket anew at each connection (an engine that was restarted may have moved),
hello, and translating errors. Must never reconnect by itself: the link decides when.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from supervisor.config.paths import Project
from supervisor.control import locate
from supervisor.control.client import Client
from supervisor.control.greeting import OTHER_PROTOCOL, hello_params
from supervisor.control.messages import CallRefusedError
from supervisor.errors import LongwatchError
from supervisor.tui.link import CALL_TIMEOUT_S, CallError, LinkLostError, Notice


class ClientBackend:
    """An engine reached by whatever ``open_client`` opens; a remote one too."""

    def __init__(self, open_client: Callable[[], Awaitable[Client]]) -> None:
        self._open_client = open_client
        self._client: Client | None = None

    async def connect(self) -> None:
        """Connect and say hello; LinkLostError when nobody is there."""
        await self.close()
        try:
            self._client = await self._open_client()
        except LongwatchError as error:
            raise LinkLostError(error.what) from error
        try:
            await self.call("hello", hello_params("tui"), CALL_TIMEOUT_S)
        except CallError as error:
            if error.code != OTHER_PROTOCOL:
                raise
            await self.call("hello", hello_params("tui", read_only=True), CALL_TIMEOUT_S)

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        """One call; CallError when refused, LinkLostError when the connection is gone."""
        if self._client is None:
            raise LinkLostError("not connected")
        try:
            return await self._client.call(method, dict(params), timeout_s)
        except CallRefusedError as error:
            raise CallError(error.what, error.code, error.fix) from error
        except LongwatchError as error:
            raise LinkLostError(error.what) from error

    async def notices(self) -> AsyncIterator[Notice]:
        """Notices in order; LinkLostError when the connection is gone."""
        if self._client is None:
            raise LinkLostError("not connected")
        try:
            async for notice in self._client.notices():
                yield Notice(notice.method, notice.params)
        except LongwatchError as error:
            raise LinkLostError(error.what) from error

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class SocketBackend(ClientBackend):
    """The engine of a project directory, or the one behind a socket path."""

    def __init__(self, where: Project | Path | str) -> None:
        super().__init__(self._open)
        self._where = where if isinstance(where, Project) else Path(where)

    async def _open(self) -> Client:
        where = self._where
        if isinstance(where, Path):
            if where.is_socket():
                return await Client.connect(where)
            where = Project(where.resolve())
        return await Client.connect(locate.find(where))
