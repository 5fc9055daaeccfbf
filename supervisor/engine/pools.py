"""The workers of each pool: as many deliveries at a time as it has workers, claimed as they end.

One loop a pool. A pool that is new in config.toml gets one, a pool that is gone loses it; the
number of workers is looked at before every claim, so a change counts at once. Draining is leaving
the loops: what runs goes on, nothing new is claimed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from supervisor.cancelling import cancelled
from supervisor.core.pool import PoolSpec, workers_busy
from supervisor.core.task import Lease
from supervisor.core.task_events import PoolResized
from supervisor.engine.tasks import Tasks
from supervisor.errors import EnvironmentFaultError, LongwatchError
from supervisor.store.ports import EventLog

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine

WAIT_S = 5.0
"""Longest a claim waits before the pool is looked at again."""
AT_ONCE = 16
"""Deliveries begun from one claim: the first of them need not wait for a hundred others."""
REST_S = 1.0
"""After something failed that may pass, such as a full disk."""


class Pools:
    """The loops, from ``follow`` to ``stop``."""

    def __init__(self, engine: Engine, tasks: Tasks) -> None:
        self._engine = engine
        self._tasks = tasks
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._leases: asyncio.Task[None] | None = None
        self._recovering = asyncio.Lock()
        self._said: dict[str, str] = {}
        """What is wrong with each pool was said once."""
        self._resized: dict[str, PoolResized] = {}
        """Numbers of workers set by hand; each holds until config.toml says another one."""

    async def recover(self, log: EventLog) -> None:
        """Take over what was set by hand before a death of ours."""
        for recorded in await log.of_no_run([PoolResized.__name__]):
            if isinstance(recorded.event, PoolResized):
                self._resized[recorded.event.pool] = recorded.event

    def start(self) -> None:
        """Begin to work."""
        self._leases = asyncio.get_running_loop().create_task(self._hold())
        self.follow()

    def follow(self) -> None:
        """The configuration was applied: every pool in it, and no other, has its loop."""
        wanted = self._tasks.pools
        for name in [name for name in self._loops if name not in wanted]:
            self._loops.pop(name).cancel()
            self._tasks.long.dismiss(name)
        for name in wanted:
            if name not in self._loops:
                self._loops[name] = asyncio.get_running_loop().create_task(self._serve(name))
        self._tasks.ring()

    async def stop(self) -> None:
        """Claim nothing any more; a claim that was under way is found by the next engine."""
        loops = [*self._loops.values(), *([self._leases] if self._leases else [])]
        self._loops.clear()
        await cancelled(*loops)

    async def resize(self, pool: PoolSpec, workers: int, by: str) -> None:
        """Another number of workers from now on; what runs beyond it is not ended."""
        event = PoolResized(pool.name, workers, by, pool.workers)
        self._resized[pool.name] = event
        self._tasks.ring()
        await self._engine.runs.note(event)

    def workers(self, pool: PoolSpec) -> int:
        """How many it may have now."""
        by_hand = self._resized.get(pool.name)
        holds = by_hand is not None and by_hand.configured == pool.workers
        return by_hand.workers if by_hand is not None and holds else pool.workers

    def busy(self, name: str) -> int:
        """How many of them work."""
        in_hand = self._tasks.long.busy(name)
        return in_hand + workers_busy(self._engine.runs.states(), name)

    async def _hold(self) -> None:
        while True:
            try:
                await self._tasks.follow_leases()
            except LongwatchError as error:
                _say(f"leases: {error}")

    async def _serve(self, name: str) -> None:
        while (pool := self._tasks.pools.get(name)) is not None:
            try:
                if not self._tasks.is_recovered:
                    await self._recover()
                    continue
                await self._fill(pool)
            except (LongwatchError, OSError) as error:
                if str(error) != self._said.get(name):
                    self._said[name] = str(error)
                    _say(f"pool {name}: {error}")
                await asyncio.sleep(REST_S)

    async def _recover(self) -> None:
        """Again what failed at the start; one pool does it for all."""
        async with self._recovering:
            if not self._tasks.is_recovered:
                await self._tasks.recover()
        if not self._tasks.is_recovered:
            await asyncio.sleep(REST_S)

    async def _give(self, pool: PoolSpec) -> None:
        """The same for workers that live longer than a task."""
        bell, long = self._tasks.bell, self._tasks.long
        if self._engine.luggage is not None:
            # A task's steps would stay here when another machine gets it, and run again there.
            raise EnvironmentFaultError(
                "long-lived workers take no tasks that machines share",
                fix='Set worker = "per-task" for this pool',
            )
        long.keep(pool, self.workers(pool))
        if not (free := long.free(pool.name)[: self.workers(pool)]):
            try:
                async with asyncio.timeout(WAIT_S):
                    await bell.wait()
            except TimeoutError:
                pass  # A worker that ended badly may be replaced by now.
            return
        found = await self._tasks.queue.claim(
            pool.name, self._tasks.worker, self._tasks.lease_s, limit=len(free), wait_s=WAIT_S
        )
        await self._each(found, lambda lease: self._hand(pool, lease))

    async def _hand(self, pool: PoolSpec, lease: Lease) -> None:
        if free := self._tasks.long.free(pool.name):
            await self._tasks.long.give(free[0], lease)
        else:
            await self._tasks.queue.release(lease.token)

    async def _each(self, found: list[Lease], begin: Callable[[Lease], Awaitable[None]]) -> None:
        """Begin each; one that cannot goes back, and so do those behind it: nobody else would
        give them back before their leases end."""
        for number, lease in enumerate(found):
            try:
                await begin(lease)
            except (LongwatchError, OSError):
                for left in found[number:]:
                    await self._tasks.queue.release(left.token)
                raise

    async def _fill(self, pool: PoolSpec) -> None:
        if pool.is_long_lived:
            await self._give(pool)
            return
        bell = self._tasks.bell
        free = self.workers(pool) - self.busy(pool.name)
        if free <= 0:
            await bell.wait()
            return
        found = await self._tasks.queue.claim(
            pool.name,
            self._tasks.worker,
            self._tasks.lease_s,
            limit=min(free, AT_ONCE),
            wait_s=WAIT_S,
        )
        # The number may have been lowered while the claim waited.
        free = max(0, self.workers(pool) - self.busy(pool.name))
        for lease in found[free:]:
            await self._tasks.queue.release(lease.token)
        await self._each(found[:free], lambda lease: self._tasks.begin(lease, pool))


def _say(words: str) -> None:
    sys.stderr.write(f"longwatch engine: {words}\n")
