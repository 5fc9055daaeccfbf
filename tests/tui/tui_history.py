"""A world whose event log is a real one: what the screens of the past ask is answered by the code
of the engine, from a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tui_places import places_world
from tui_world import World

from supervisor.control.messages import CallRefusedError
from supervisor.core.events import Recorded
from supervisor.core.ids import ulid
from supervisor.engine.past_calls import PastCalls
from supervisor.store.event_log import SqliteEventLog
from supervisor.tui.link import CallError


class History:
    """The events of a world in the order of their time, in a file of their own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._room = tempfile.TemporaryDirectory(prefix="lw-")
        in_order = sorted(world.recorded, key=lambda recorded: recorded.at.wall)
        self._ids: dict[str, str] = {"": ""}
        """Ids of the world to ids that say when the run began, as real ones do."""
        self.log: list[Recorded] = []
        for recorded in in_order:
            self.more(recorded)
        self._stored = 0
        world.answers["events"] = lambda params: self._ask("events", params)
        world.answers["past"] = lambda params: self._ask("past", params)

    def more(self, recorded: Recorded) -> None:
        """Something that happens later."""
        run_id = recorded.run_id
        self._ids.setdefault(run_id, ulid(recorded.at.wall, 0)[:10] + run_id[10:])
        self.log.append(replace(recorded, seq=len(self.log) + 1, run_id=self._ids[run_id]))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[SqliteEventLog]:
        log = await SqliteEventLog.open(Path(self._room.name) / "state.db")
        try:
            if self._stored < len(self.log):
                runs = self.world.runs.values()
                states = [replace(state, id=self._ids[state.id]) for state in runs]
                log.append(self.log[self._stored :], states)
                self._stored = len(self.log)
                await log.durable(log.last_seq)
            yield log
        finally:
            await log.close()

    async def _ask(self, method: str, params: dict[str, Any]) -> Any:
        async with self._opened() as log:
            engine = SimpleNamespace(
                log=log,
                specs={spec.name: spec for spec in self.world.agents},
                describe=lambda: self.world.snapshot()["engine"],
                resolve=self._resolve,
            )
            try:
                return await getattr(PastCalls(engine), method)(None, params)  # type: ignore[arg-type]
            except CallRefusedError as error:
                raise CallError(error.what, error.code, error.fix) from error

    async def _resolve(self, run: str) -> SimpleNamespace:
        return SimpleNamespace(id=run)


def told_world() -> World:
    """The busy morning with answers for every screen, its log with it."""
    world = places_world()
    History(world)
    return world
