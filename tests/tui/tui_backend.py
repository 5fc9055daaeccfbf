"""The engine's side of the socket, scripted: answers from a world, and every call recorded."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tui_world import World

from supervisor.tui.link import CallError, LinkLostError, Notice


class ManualClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class ScriptedBackend:
    """A backend that answers from a world and records what it was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: dict[str, CallError] = {}
        """By method: what to refuse the next calls with."""
        self.is_up = True
        self._notices: asyncio.Queue[Notice | None] = asyncio.Queue()

    async def connect(self) -> None:
        if not self.is_up:
            raise LinkLostError("nothing listens there")
        self._notices = asyncio.Queue()

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        if not self.is_up:
            raise LinkLostError("nothing listens there")
        self.calls.append((method, dict(params)))
        if method in self.refusals:
            raise self.refusals[method]
        if method == "log":
            return self._log(params)
        if method in ("subscribe", "snapshot"):
            return self.world.snapshot()
        answer = self.world.answers.get(method, {})
        said = answer(params) if callable(answer) else answer
        return await said if inspect.isawaitable(said) else said

    def _log(self, params: Mapping[str, Any]) -> dict[str, Any]:
        data = self.world.logs.get((params["run"], params["stream"]), b"")
        offset = params["offset"]
        start = max(0, len(data) + offset) if offset < 0 else min(offset, len(data))
        part = data[start : start + params["limit"]]
        return {
            "data": part.decode("utf-8", "replace"),
            "offset": start + len(part),
            "start": start,
            "size": len(data),
        }

    async def notices(self) -> AsyncIterator[Notice]:
        while (notice := await self._notices.get()) is not None:
            yield notice

    async def close(self) -> None:
        self._notices.put_nowait(None)

    def tell(self, *plain_events: dict[str, Any]) -> None:
        """Send events."""
        self._notices.put_nowait(Notice("events", {"events": list(plain_events)}))

    def drop(self) -> None:
        """The engine is gone."""
        self.is_up = False
        self._notices.put_nowait(None)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Parameters of every call of that method."""
        return [params for name, params in self.calls if name == method]
