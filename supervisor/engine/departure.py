"""How an engine leaves when it is asked to: for another one, or for good with its keeper.

Nothing new begins from then on; what was decided is carried out first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.pool import STOPPED_WITH_ENGINE
from supervisor.core.run import ALIVE
from supervisor.engine.perform import Performer
from supervisor.engine.pools import Pools
from supervisor.engine.runs import Runs
from supervisor.engine.tasks import Tasks
from supervisor.process.keeper_link import KeeperError, KeeperLink

LEAVE_TIMEOUT_S = 50.0
"""Longest wait for the runs to end when asked to stop them, below what a call may take; what
lives longer has a grace that says so, and the keeper ends it."""
REPLY_S = 0.05
"""The reply to the client goes out first."""


class Departure:
    """The two ways out."""

    def __init__(
        self,
        runs: Runs,
        performer: Performer,
        keeper: KeeperLink,
        work: tuple[Tasks, Pools],
        leave: Callable[[], None],
    ) -> None:
        self._runs = runs
        self._performer = performer
        self._keeper = keeper
        self._tasks, self._pools = work
        self._leave = leave
        self.is_keeper_told = False

    async def hand_over(self, *, by: str, with_keeper: bool) -> None:
        """End this engine alone: the keeper starts another one, which adopts what lives.

        ``with_keeper``: first the keeper executes itself anew, as the same process. KeeperError
        (``bad``) from a keeper too old for that; then nothing happens.
        """
        if with_keeper:
            await self._keeper.upgrade()
        await self._pools.stop()
        await self._runs.note(e.EngineStopping(f"{by}, for another engine"))
        await self._performer.settle()
        asyncio.get_running_loop().call_later(REPLY_S, self._leave)

    async def leave(self, *, stop_agents: bool, by: str) -> tuple[bool, list[str]]:
        """End keeper and engine; whether they leave, and the runs that go on."""
        # A retry or a sleep that ends from now on is for the next engine to begin.
        self._runs.close()
        await self._pools.stop()
        try:
            if stop_agents:
                await self._stop_all(by)
            left = [state.id for state in self._runs.active() if state.status in ALIVE]
            await self._runs.note(e.EngineStopping(by))
            await self._performer.settle()
            await self._tasks.settled()
            self.is_keeper_told = True
            await self._keeper.leave()
        except KeeperError:
            self._runs.reopen()
            self._pools.start()
            raise
        asyncio.get_running_loop().call_later(REPLY_S, self._leave)
        return True, left

    async def _stop_all(self, by: str) -> None:
        reason = f"{STOPPED_WITH_ENGINE} (shutdown by {by})"
        for state in self._runs.active():
            if state.status in ALIVE:
                self._runs.feed(state.id, f.StopWanted(by, reason))
        end = time.monotonic() + LEAVE_TIMEOUT_S
        while time.monotonic() < end and any(s.status in ALIVE for s in self._runs.active()):
            await asyncio.sleep(0.02)
