"""The task queue of several machines: every call is a command in the shared log.

Owns the waiting of claims and the following of the log. A command's outcome is read off this
machine's replica, once it has come to that command; so all machines agree on who got a task, and
one that was cut off is refused by the very rules that refuse a stale worker of its own.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supervisor.cancelling import cancelled
from supervisor.core.ids import next_ulid
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
    task_fault,
)
from supervisor.fleet.command import TooNewError, encode, tasks_to_plain
from supervisor.fleet.nats_connection import NatsSettings
from supervisor.fleet.nats_log import NatsLog
from supervisor.fleet.replica import Position, Replica, outcome_unknown
from supervisor.queue.port import TaskRefusedError
from supervisor.store import task_rows as rows

SNAPSHOT_EVERY = 20_000
"""Commands between two snapshots; as many again stay in the log for replicas that are behind."""
PAUSE_S = 0.02
"""Between two claims of which the first found nothing."""


class SharedTaskQueue:
    """``queue.port.TaskQueue`` on a NATS log and a replica; from ``open`` to ``close``."""

    def __init__(
        self, log: NatsLog, replica: Replica, path: Path, snapshot_every: int, patience_s: float
    ) -> None:
        self._log = log
        self._files = log.files()
        self._replica = replica
        self._path = path
        self._snapshot_every = snapshot_every
        self._patience_s = patience_s
        self._newest_id = ""
        self._said = ""
        self._snapshot: Position | None = None
        """Where the log stood at the last look at whether a snapshot is due."""
        self._is_closed = False
        self._following = asyncio.get_running_loop().create_task(self._follow())

    @classmethod
    async def open(
        cls, settings: NatsSettings, path: Path, *, snapshot_every: int = SNAPSHOT_EVERY
    ) -> SharedTaskQueue:
        """Connect, and bring the copy at ``path`` up to what the log holds now."""
        log = await NatsLog.connect(settings)
        try:
            extent = await log.extent()
            replica = await Replica.open(path, extent.log)
            made = cls(log, replica, path, snapshot_every, settings.patience_s)
            await made._reach(extent.last)
        except BaseException:
            await log.close()
            raise
        return made

    @property
    def problem(self) -> str | None:
        """Why nothing can be claimed or settled just now; None when all is well."""
        if self._replica.problem is not None:
            return self._replica.problem
        return None if self._log.is_connected else "the NATS servers cannot be reached"

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """See the port."""
        for number, task in enumerate(tasks, 1):
            if (fault := task_fault(task)) is not None:
                raise TaskRefusedError(f"task {number} for {task.queue}: {fault}")
        done: list[Submitted] = await self._do("submit", tasks=self._named(tasks))
        return done

    async def claim(
        self, queue: str, worker: str, lease_s: float, *, limit: int = 1, wait_s: float = 0.0
    ) -> list[Lease]:
        """See the port. While nothing is ready nothing is sent."""
        end = time.monotonic() + wait_s
        is_first = True
        while not self._is_closed:
            replica = self._replica
            changed = replica.changed
            due_s = await replica.look(lambda scene: rows.ready_in(scene, queue))
            if due_s == 0.0 or (is_first and wait_s <= 0):
                found: list[Lease] = await self._do(
                    "claim", queue=queue, worker=worker, lease=lease_s, limit=limit
                )
                if found:
                    return found
            is_first = False
            left_s = end - time.monotonic()
            if left_s <= 0:
                return []
            try:
                # Our idea of the server's time may be a little ahead: never ask without a pause.
                nap_s = left_s if due_s is None else min(left_s, max(due_s, PAUSE_S))
                async with asyncio.timeout(nap_s):
                    await changed.wait()
            except TimeoutError:
                pass  # Something may be due by now, or the wait is over.
        return []

    async def extend(self, tokens: Sequence[str], lease_s: float) -> list[str]:
        """See the port."""
        if not tokens:
            return []
        lost: list[str] = await self._do("extend", tokens=list(tokens), lease=lease_s)
        return lost

    async def complete(self, token: str, result: str, then: Sequence[NewTask] = ()) -> bool:
        """See the port."""
        done = await self._do("complete", token=token, result=result, then=self._named(then))
        await self._files.drop(token.split(".", maxsplit=1)[0])
        return bool(done)

    async def fail(self, token: str, problem: str, retry_in_s: float | None) -> TaskState:
        """See the port."""
        state: TaskState = await self._do("fail", token=token, problem=problem, retry=retry_in_s)
        return state

    async def release(self, token: str) -> None:
        """See the port."""
        await self._do("release", token=token)

    async def held_by(self, worker: str) -> list[Lease]:
        """See the port."""
        await self._reach((await self._log.extent()).last)
        return await self._replica.look(lambda scene: rows.held_by(scene, worker))

    async def requeue(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        moved: list[str] = await self._do("requeue", ids=list(task_ids))
        return moved

    async def drop(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        gone: list[str] = await self._do("drop", ids=list(task_ids))
        for task_id in gone:
            await self._files.drop(task_id)
        return gone

    async def get(self, task_id: str) -> TaskDetail | None:
        """See the port; as this machine's copy has it."""
        return await self._replica.look(lambda scene: rows.detail(scene, task_id))

    async def listed(
        self,
        queue: str | None,
        state: TaskState,
        *,
        after: str = "",
        limit: int = 100,
        look: Look = USUAL,
    ) -> list[Task]:
        """See the port; as this machine's copy has it."""
        return await self._replica.look(
            lambda scene: rows.listed(scene, queue, state, (after, limit), look)
        )

    async def counts(self) -> dict[str, Counts]:
        """See the port; as this machine's copy has it."""
        return await self._replica.look(rows.counts)

    async def forget(self, finished_before: float, limit: int = 1000) -> int:
        """See the port."""
        return int(await self._do("forget", before=finished_before, limit=limit))

    async def keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        """See ``queue.port.TaskFiles``."""
        await self._files.keep(token, name, offset, data)

    async def take(self, token: str) -> dict[str, bytes]:
        """See ``queue.port.TaskFiles``."""
        return await self._files.take(token)

    async def kept_size(self, task_id: str, name: str) -> int:
        """See ``queue.port.TaskFiles``."""
        return await self._files.kept_size(task_id, name)

    async def close(self) -> None:
        """See the port."""
        if self._is_closed:
            return
        self._is_closed = True
        await cancelled(self._following)
        await self._log.close()
        await self._replica.close()

    def _named(self, tasks: Sequence[NewTask]) -> list[Any]:
        """The tasks for a command, each with an id: a command that is sent twice is one."""
        plain = tasks_to_plain(tasks)
        for one in plain:
            if not one.get("id"):
                self._newest_id = next_ulid(time.time(), secrets.randbits(80), self._newest_id)
                one["id"] = self._newest_id
        return plain

    async def _do(self, kind: str, **values: Any) -> Any:
        """Send a command and wait for what it comes to."""
        call = secrets.token_hex(16)
        replica = self._replica
        outcome = replica.expect(call)
        try:
            seq = await self._log.append(encode(kind, **values), call, replica.now())
            if seq <= replica.position.seq and not outcome.done():
                # Sent twice, and the first one was applied before anybody waited.
                raise outcome_unknown(f"the command {kind} was applied before")
            async with asyncio.timeout(self._patience_s):
                return await outcome
        except TimeoutError as error:
            raise outcome_unknown(f"what became of {kind} did not arrive") from error
        finally:
            replica.forget(call)

    async def _follow(self) -> None:
        """Apply what comes, for ever; when the log was cut before our place, take a snapshot."""
        while not self._is_closed:
            replica = self._replica
            try:
                async for entries in self._log.entries(replica.position.seq):
                    await replica.take(entries)
                    await self._snapshot_if_due()
                await self._start_over()
            except TooNewError as error:
                self._say(f"the shared queue stands still: {error}")
                return
            except Exception as error:  # noqa: BLE001  # Nothing of the server's may end this.
                self._say(f"the shared queue is behind: {error!r}")
                await asyncio.sleep(1.0)

    def _say(self, words: str) -> None:
        """Once, however often it is tried again."""
        if words != self._said:
            self._said = words
            sys.stderr.write(f"longwatch: {words}\n")

    async def _start_over(self) -> None:
        """Our place is not in the log: it was cut, or is another one. Go on from its snapshot."""
        extent = await self._log.extent()
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        up_to = await self._log.get_snapshot(fresh) or 0
        if up_to + 1 < extent.first:
            raise outcome_unknown(
                f"the log begins at {extent.first}, and no snapshot goes that far: "
                "somebody else has cut it"
            )
        await self._replica.close()
        for side in ("", "-wal", "-shm"):
            Path(f"{self._path}{side}").unlink(missing_ok=True)
        if up_to:
            fresh.replace(self._path)
        self._replica = await Replica.open(self._path, extent.log)

    async def _snapshot_if_due(self) -> None:
        """Keep the outcome so far and cut the log behind the snapshot before this one."""
        position, before = self._replica.position, self._snapshot
        if before is None:
            self._snapshot = position
        if before is None or position.seq < before.seq + self._snapshot_every:
            return
        self._snapshot = position
        if (await self._log.extent()).first > before.seq:
            return  # Another machine has just done it.
        path = self._path.with_name(f"{self._path.name}.snapshot")
        path.unlink(missing_ok=True)
        try:
            kept = await self._replica.write_to(path)
            await self._log.put_snapshot(kept.seq, path)
            await self._log.cut(before.seq, before.time)
        finally:
            path.unlink(missing_ok=True)

    async def _reach(self, seq: int) -> None:
        """Until the replica holds everything up to ``seq``."""
        try:
            async with asyncio.timeout(self._patience_s):
                while (replica := self._replica).position.seq < seq and not self._is_closed:
                    changed = replica.changed
                    if replica.position.seq >= seq:
                        return
                    try:
                        async with asyncio.timeout(0.2):
                            await changed.wait()
                    except TimeoutError:
                        pass
                    # A copy that is just being replaced has its event set already.
                    await asyncio.sleep(0)
        except TimeoutError as error:
            raise outcome_unknown("the copy of the shared log does not catch up") from error
