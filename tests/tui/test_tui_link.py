"""The link and the real client against a real socket."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tui_script import World, busy_world

from supervisor.control.connection import Connection
from supervisor.control.messages import CallRefusedError, notice_line
from supervisor.control.server import Server
from supervisor.core.progress import Step
from supervisor.tui.client import SocketBackend
from supervisor.tui.link import CallError, EngineLink
from supervisor.tui.model import Link
from supervisor.tui.tail import Tail

AUDIT = "01KJQZ7C3B0000000000007F3K"


class Engine:
    """The control server over a scripted world."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.world: World = busy_world()
        self.missed: list[dict[str, Any]] = []
        self.server = Server(path)

    async def start(self) -> None:
        self.server = Server(self.path)
        for method in ("hello", "subscribe", "answer", "log"):
            self.server.register(method, getattr(self, method))
        await self.server.start()

    async def hello(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        return {"engine": {}}

    async def subscribe(self, connection: Connection, params: dict[str, Any]) -> Any:
        connection.subscribe()
        if params["since"] is None:
            return self.world.snapshot()
        return {"seq": self.world.seq, "events": self.missed}

    async def answer(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        raise CallRefusedError("it was already answered by cli", code="conflict", fix="Look.")

    async def log(self, _connection: Connection, params: dict[str, Any]) -> Any:
        data = "one\ntwo\n"
        start = max(0, len(data) + params["offset"]) if params["offset"] < 0 else params["offset"]
        return {"data": data[start:], "offset": len(data), "start": start, "size": len(data)}


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    directory = Path(tempfile.mkdtemp(prefix="lw", dir="/tmp"))
    made = Engine(directory / "s")
    await made.start()
    yield made
    await made.server.close()
    shutil.rmtree(directory)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def link(engine: Engine) -> AsyncIterator[EngineLink]:
    made = EngineLink(SocketBackend(engine.path), lambda: None)
    running = asyncio.create_task(made.run())
    await until(lambda: made.picture.link is Link.LIVE)
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_snapshot_and_then_events_make_the_picture(
    engine: Engine, link: EngineLink
) -> None:
    assert link.picture.runs == engine.world.runs
    event = engine.world.progress(AUDIT, -1, step=Step("documents", 63, 100, "documents"))
    engine.server.broadcast(notice_line("events", {"events": [event]}))
    await until(lambda: link.picture.seq == engine.world.seq)
    assert link.picture.runs == engine.world.runs


async def test_after_a_restart_of_the_engine_only_what_was_missed_is_fetched(
    engine: Engine, link: EngineLink
) -> None:
    await engine.server.close()
    await until(lambda: link.picture.link is Link.LOST)
    assert link.picture.runs, "the last picture stays"
    event = engine.world.progress(AUDIT, -1, step=Step("documents", 64, 100, "documents"))
    engine.missed = [event]
    await engine.start()
    await until(lambda: link.picture.link is Link.LIVE)
    assert link.picture.runs == engine.world.runs


async def test_another_log_than_before_is_read_from_the_start(
    engine: Engine, link: EngineLink
) -> None:
    await engine.server.close()
    engine.world = World()
    engine.world.start("BBBB", "fresh", -5)
    await engine.start()
    await until(lambda: link.picture.runs == engine.world.runs)


async def test_a_refusal_carries_its_code(link: EngineLink) -> None:
    with pytest.raises(CallError, match="already answered") as caught:
        await link.call("answer", id="7F3K-1", hash="ab", allow=True, by="tui")
    assert caught.value.code == "conflict"


async def test_a_call_without_an_engine_says_so(engine: Engine, link: EngineLink) -> None:
    await engine.server.close()
    await until(lambda: link.picture.link is Link.LOST)
    with pytest.raises(CallError):
        await link.call("answer", id="7F3K-1", hash="ab", allow=True, by="tui")


async def test_updates_are_told_at_most_ten_times_a_second(engine: Engine) -> None:
    told: list[float] = []
    loop = asyncio.get_running_loop()
    made = EngineLink(SocketBackend(engine.path), lambda: told.append(loop.time()))
    running = asyncio.create_task(made.run())
    await until(lambda: made.picture.link is Link.LIVE)
    for n in range(200):
        event = engine.world.progress(AUDIT, -1, step=Step("documents", n, 500, "documents"))
        engine.server.broadcast(notice_line("events", {"events": [event]}))
        await asyncio.sleep(0.002)
    await until(lambda: made.picture.seq == engine.world.seq)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert all(later - before >= 0.09 for before, later in itertools.pairwise(told))


async def test_a_log_is_followed(link: EngineLink) -> None:
    tail = Tail(AUDIT, "out")
    changed: list[int] = []
    following = asyncio.create_task(link.follow_log(tail, lambda: changed.append(1)))
    await until(lambda: [line.text for line in tail.lines] == ["one", "two"] and len(changed) >= 2)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
