"""The task queue in ``state.db``: the default, nothing to start.

Owns the waiting of claims; what a call does to the rows is in ``task_rows``, in one transaction of
the writing thread, so the answer comes after the commit (synchronous=FULL). One engine at a time
has the file, but nothing here relies on it: a lease is a lease.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from supervisor.core.ids import next_ulid
from supervisor.core.moment import Moment
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
from supervisor.store import task_rows as rows
from supervisor.store.database import Database
from supervisor.store.task_rows import Scene

T = TypeVar("T")


class Bell:
    """Rung when a task may have become ready; who waits takes the event it found before."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self.event.set()
        self.event = asyncio.Event()


class SqliteTaskQueue:
    """``queue.port.TaskQueue`` on a ``Database`` that somebody else opens and closes."""

    def __init__(
        self, database: Database, clock: Callable[[], Moment], bell: Bell | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._newest_id = ""
        self._bell = bell or Bell()
        self._is_closed = False

    @classmethod
    async def open(cls, database: Database, clock: Callable[[], Moment]) -> SqliteTaskQueue:
        """The queue of that database, its waits carried over from another boot."""
        made = cls(database, clock)
        await made.renew()
        return made

    def another(self) -> SqliteTaskQueue:
        """A second client of the same tasks in this process."""
        return SqliteTaskQueue(self._database, self._clock, self._bell)

    async def renew(self) -> None:
        """After the file was opened, or replaced by another one."""
        await self._write(rows.renew_clocks)

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """See the port."""
        taken = tuple(tasks)
        done = await self._write(lambda scene: rows.submit(scene, taken))
        self._bell.ring()
        return done

    async def claim(
        self, queue: str, worker: str, lease_s: float, *, limit: int = 1, wait_s: float = 0.0
    ) -> list[Lease]:
        """See the port."""
        end = time.monotonic() + wait_s
        while not self._is_closed:
            changed = self._bell.event
            found, due_s = await self._write(
                lambda scene: rows.claim(scene, queue, worker, lease_s, limit)
            )
            left_s = end - time.monotonic()
            if found or left_s <= 0:
                return found
            try:
                nap_s = left_s if due_s is None else min(left_s, due_s)
                async with asyncio.timeout(nap_s):
                    await changed.wait()
            except TimeoutError:
                pass  # Something may be due by now, or the wait is over.
        return []

    async def extend(self, tokens: Sequence[str], lease_s: float) -> list[str]:
        """See the port."""
        held = tuple(tokens)
        return await self._write(lambda scene: rows.extend(scene, held, lease_s)) if held else []

    async def complete(self, token: str, result: str, then: Sequence[NewTask] = ()) -> bool:
        """See the port."""
        following = tuple(then)
        done = await self._write(lambda scene: rows.complete(scene, token, result, following))
        self._bell.ring()
        return done

    async def fail(self, token: str, problem: str, retry_in_s: float | None) -> TaskState:
        """See the port."""
        state = await self._write(lambda scene: rows.fail(scene, token, problem, retry_in_s))
        self._bell.ring()
        return state

    async def release(self, token: str) -> None:
        """See the port."""
        await self._write(lambda scene: rows.release(scene, token))
        self._bell.ring()

    async def held_by(self, worker: str) -> list[Lease]:
        """See the port."""
        return await self._write(lambda scene: rows.held_by(scene, worker))

    async def requeue(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        wanted = tuple(task_ids)
        moved = await self._write(lambda scene: rows.requeue(scene, wanted))
        self._bell.ring()
        return moved

    async def drop(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        wanted = tuple(task_ids)
        return await self._write(lambda scene: rows.drop(scene, wanted))

    async def get(self, task_id: str) -> TaskDetail | None:
        """See the port."""
        return await self._read(lambda scene: rows.detail(scene, task_id))

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
        page = (after, limit)
        if not look.text:
            return await self._read(lambda scene: rows.listed(scene, queue, state, page, look))
        # A text is held against every row: 50 ms for 100,000 of them.
        return await self._database.read_aside(
            lambda connection: rows.listed(self._scene(connection), queue, state, page, look)
        )

    async def counts(self) -> dict[str, Counts]:
        """See the port."""
        return await self._read(rows.counts)

    async def forget(self, finished_before: float, limit: int = 1000) -> int:
        """See the port."""
        return await self._write(lambda scene: rows.forget(scene, finished_before, limit))

    async def close(self) -> None:
        """See the port; the database goes on."""
        self._is_closed = True
        self._bell.ring()

    async def _write(self, work: Callable[[Scene], T]) -> T:
        return await self._database.write(lambda connection: work(self._scene(connection)))

    async def _read(self, work: Callable[[Scene], T]) -> T:
        return await self._database.read(lambda connection: work(self._scene(connection)))

    def _scene(self, connection: sqlite3.Connection) -> Scene:
        now = self._clock()
        return Scene(connection, now, lambda: self._new_id(now))

    def _new_id(self, now: Moment) -> str:
        """Newer than every other of ours; only the writing thread asks for one."""
        self._newest_id = next_ulid(now.wall, secrets.randbits(80), self._newest_id)
        return self._newest_id
