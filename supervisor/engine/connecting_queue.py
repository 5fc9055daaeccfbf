"""The shared queue before, while and after its servers can be reached: the engine starts anyway.

Until it is connected every call says so, as it would while the servers are away; what runs goes on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from supervisor.cancelling import cancelled
from supervisor.core.task import (
    USUAL,
    Counts,
    Lease,
    Look,
    NewTask,
    Submitted,
    Task,
    TaskDetail,
    TaskState,
)
from supervisor.errors import EnvironmentFaultError, LongwatchError
from supervisor.queue.port import TaskAsks, TaskFiles, TaskQueue, TaskShows

PAUSE_S = 2.0
"""Between two tries to connect."""
FIRST_WAIT_S = 10.0
"""What an operator's call waits for the outcome of the first try: the engine may be just up."""


class SharedQueue(TaskQueue, TaskFiles, Protocol):
    """A queue that several machines share."""


class ConnectingQueue:
    """``SharedQueue`` that connects by itself, for as long as it takes."""

    def __init__(self, connect: Callable[[], Awaitable[SharedQueue]]) -> None:
        self._connect = connect
        self._queue: SharedQueue | None = None
        self._problem = "the connection to the servers of the shared queue is being made"
        self._tried = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._try())

    async def _try(self) -> None:
        said = ""
        while True:
            try:
                self._queue = await self._connect()
            except LongwatchError as error:
                self._problem = str(error)
                self._tried.set()
                if said != self._problem:
                    said = self._problem
                    sys.stderr.write(f"longwatch engine: {said}\n")
                await asyncio.sleep(PAUSE_S)
            else:
                self._tried.set()
                return

    async def _first(self) -> SharedQueue:
        """For calls of people: what is being made is waited for once, what failed is said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WAIT_S):
                await self._tried.wait()
        return self._there

    @property
    def _there(self) -> SharedQueue:
        if self._queue is None:
            raise EnvironmentFaultError(self._problem)
        return self._queue

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """See the port."""
        return await (await self._first()).submit(tasks)

    async def claim(
        self, queue: str, worker: str, lease_s: float, *, limit: int = 1, wait_s: float = 0.0
    ) -> list[Lease]:
        """See the port."""
        return await self._there.claim(queue, worker, lease_s, limit=limit, wait_s=wait_s)

    async def extend(self, tokens: Sequence[str], lease_s: float) -> list[str]:
        """See the port."""
        return await self._there.extend(tokens, lease_s) if tokens else []

    async def complete(self, token: str, result: str, then: Sequence[NewTask] = ()) -> bool:
        """See the port."""
        return await self._there.complete(token, result, then)

    async def fail(self, token: str, problem: str, retry_in_s: float | None) -> TaskState:
        """See the port."""
        return await self._there.fail(token, problem, retry_in_s)

    async def release(self, token: str) -> None:
        """See the port."""
        await self._there.release(token)

    async def held_by(self, worker: str) -> list[Lease]:
        """See the port."""
        return await self._there.held_by(worker)

    async def requeue(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        return await (await self._first()).requeue(task_ids)

    async def drop(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        return await (await self._first()).drop(task_ids)

    async def get(self, task_id: str) -> TaskDetail | None:
        """See the port."""
        return await self._there.get(task_id)

    async def listed(
        self,
        queue: str | None,
        state: TaskState,
        *,
        after: str = "",
        limit: int = 100,
        look: Look = USUAL,
    ) -> list[Task]:
        """See the port."""
        return await self._there.listed(queue, state, after=after, limit=limit, look=look)

    async def counts(self) -> dict[str, Counts]:
        """See the port."""
        return await self._there.counts()

    async def forget(self, finished_before: float, limit: int = 1000) -> int:
        """See the port."""
        return await self._there.forget(finished_before, limit)

    async def keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        """See the port."""
        await self._there.keep(token, name, offset, data)

    async def take(self, token: str) -> dict[str, bytes]:
        """See the port."""
        return await self._there.take(token)

    async def kept_size(self, task_id: str, name: str) -> int:
        """See the port."""
        return await self._there.kept_size(task_id, name)

    def show_progress(self, token: str, progress: Mapping[str, Any]) -> None:
        """See ``queue.port.TaskShows``; nothing where the backend has no screens."""
        shows: object = self._queue
        if isinstance(shows, TaskShows):
            shows.show_progress(token, progress)

    def asks(self) -> TaskAsks | None:
        """Where questions can be answered from any machine: there, once it is connected."""
        return self._queue if isinstance(self._queue, TaskAsks) else None

    async def close(self) -> None:
        """See the port."""
        await cancelled(self._task)
        if self._queue is not None:
            await self._queue.close()
