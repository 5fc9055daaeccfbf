"""What tasks have with them, kept in Temporal alone: signals of workflows that nobody runs.

A volume is a workflow whose task queue has no worker. Each signal is durable in its history, and
the history is read by who goes on with the task. Writers are fenced by the order of the signals:
who takes a task over signals its fence first, and what an earlier delivery wrote behind that counts
for nothing. An earlier writer learns it from its heartbeat, which comes after its signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from supervisor.errors import RefusedError
from supervisor.fleet.temporal_connection import TemporalSettings, is_missing, patiently
from supervisor.queue.port import StaleLeaseError

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

FILES_TYPE = "Longwatch files"
PIECE_BYTES = 512 * 1024
"""Temporal takes 2 MB in one piece and warns above 512 KB."""
VOLUME_BYTES = 16 << 20
"""A history may have 50 MB."""
VOLUME_PIECES = 4_000
"""A workflow may get 10,000 signals."""
FILES_MAX_AGE = timedelta(days=90)
"""Of what was left behind by tasks that nobody ever finished."""


@dataclass(slots=True)
class _Files:
    """Everything of a task, put together in the order of its pieces."""

    whole: dict[str, bytearray] = field(default_factory=dict)
    coming: dict[str, tuple[int, bytearray]] = field(default_factory=dict)
    """Versions of which pieces are missing yet: their whole size, and what is there."""
    fence: int = 0
    volume: int = 1
    volume_bytes: int = 0
    volume_pieces: int = 0

    def add(self, meta: dict[str, Any], data: bytes) -> None:
        self.volume_bytes += len(data)
        self.volume_pieces += 1
        if meta["fence"] < self.fence:
            return
        if meta["fence"] > self.fence:
            self.fence, self.coming = meta["fence"], {}
        name, offset, total = meta.get("name"), meta.get("offset", 0), meta.get("total")
        if name is None:
            return
        if total is None:
            held = self.whole.setdefault(name, bytearray())
            if offset <= len(held):  # Sent twice, after an answer that was lost.
                held[offset:] = data
            return
        if offset == 0:
            self.coming[name] = (total, bytearray())
        size, found = self.coming.get(name, (total, bytearray()))
        if offset == len(found):
            found += data
        if len(found) >= size:
            self.whole[name] = found
            self.coming.pop(name, None)


class TemporalTaskFiles:
    """``queue.port.TaskFiles``; ``is_held`` says whether a lease still holds, by a heartbeat."""

    def __init__(
        self,
        settings: TemporalSettings,
        client: Client,
        is_held: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._settings = settings
        self._client = client
        self._is_held = is_held
        self._known: dict[str, tuple[int, _Files]] = {}
        """By task: the fence we write with, and what is there; sizes only are kept."""
        self._locks: dict[str, asyncio.Lock] = {}

    async def keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        """See the port."""
        task_id, fence = _parts(token)
        async with self._lock(task_id):
            files = await self._writing(task_id, fence)
            if offset is None:
                pieces = range(0, max(1, len(data)), PIECE_BYTES)
                for at in pieces:
                    meta = {"name": name, "offset": at, "total": len(data), "fence": fence}
                    await self._send(task_id, files, meta, data[at : at + PIECE_BYTES])
            else:
                there = len(files.whole.get(name, b""))
                if offset > there:
                    raise RefusedError(
                        f"{name} has {there} bytes, and these would begin at {offset}"
                    )
                fresh = data[there - offset :]
                for at in range(0, len(fresh), PIECE_BYTES):
                    meta = {"name": name, "offset": there + at, "fence": fence}
                    await self._send(task_id, files, meta, fresh[at : at + PIECE_BYTES])
        if not await self._is_held(token):
            self._known.pop(task_id, None)
            raise StaleLeaseError(f"task {task_id} was given to another machine")

    async def prepare(self, task_id: str, name: str, data: bytes) -> None:
        """Store something before any delivery: a payload that is too large for a workflow."""
        files = _Files()
        for at in range(0, len(data), PIECE_BYTES):
            meta = {"name": name, "offset": at, "total": len(data), "fence": 0}
            await self._send(task_id, files, meta, data[at : at + PIECE_BYTES])

    async def take(self, token: str) -> dict[str, bytes]:
        """See the port."""
        task_id, fence = _parts(token)
        if not await self._is_held(token):
            return {}
        async with self._lock(task_id):
            self._known.pop(task_id, None)
            files = await self._writing(task_id, fence)
            return {name: bytes(data) for name, data in files.whole.items()}

    async def read(self, task_id: str) -> dict[str, bytes]:
        """All of it, without taking anything over."""
        return {name: bytes(data) for name, data in (await self._read(task_id)).whole.items()}

    async def kept_size(self, task_id: str, name: str) -> int:
        """See the port."""
        return len((await self._read(task_id)).whole.get(name, b""))

    async def drop(self, task_id: str) -> None:
        """Remove everything of a task that is over; what stays after a death ends by age."""
        from temporalio.api.common.v1 import WorkflowExecution
        from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

        self._known.pop(task_id, None)
        self._locks.pop(task_id, None)
        number = 1
        with suppress(Exception):  # The first that is not there ends it.
            while True:
                await self._client.workflow_service.delete_workflow_execution(
                    DeleteWorkflowExecutionRequest(
                        namespace=self._settings.namespace,
                        workflow_execution=WorkflowExecution(
                            workflow_id=self._volume_id(task_id, number)
                        ),
                    )
                )
                number += 1

    async def _writing(self, task_id: str, fence: int) -> _Files:
        """What is there, with our fence put behind it once."""
        fenced, files = self._known.get(task_id, (-1, _Files()))
        if fenced == fence:
            return files
        files = await self._read(task_id)
        if files.fence > fence:
            raise StaleLeaseError(f"task {task_id} was given to another machine")
        if files.volume_pieces or files.volume > 1:
            # Who had it before may write once more in between: that counts, so read it again.
            await self._send(task_id, files, {"fence": fence}, b"")
            files = await self._read(task_id)
        self._known[task_id] = (fence, files)
        return files

    async def _send(self, task_id: str, files: _Files, meta: dict[str, Any], data: bytes) -> None:
        if files.volume_bytes > VOLUME_BYTES or files.volume_pieces > VOLUME_PIECES:
            files.volume += 1
            files.volume_bytes = files.volume_pieces = 0
        volume = self._volume_id(task_id, files.volume)
        from temporalio.common import WorkflowIDReusePolicy

        await patiently(
            self._settings,
            lambda: self._client.start_workflow(
                FILES_TYPE,
                id=volume,
                task_queue=f"{self._settings.prefix}.files",
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                execution_timeout=FILES_MAX_AGE,
                start_signal="piece",
                start_signal_args=[meta, data],
                static_summary=f"journal and checkpoints of task {task_id}",
            ),
        )
        files.add(meta, data)

    async def _read(self, task_id: str) -> _Files:
        files: _Files = await patiently(self._settings, lambda: self._collect(task_id))
        return files

    async def _collect(self, task_id: str) -> _Files:
        files, number = _Files(), 1
        while True:
            handle = self._client.get_workflow_handle(self._volume_id(task_id, number))
            pieces = 0
            try:
                async for meta, data in self._pieces(handle):
                    if pieces == 0:
                        files.volume, files.volume_bytes, files.volume_pieces = number, 0, 0
                    pieces += 1
                    files.add(meta, data)
            except Exception as error:
                if not is_missing(error):
                    raise
                return files
            number += 1

    async def _pieces(
        self, handle: WorkflowHandle[Any, Any]
    ) -> AsyncIterator[tuple[dict[str, Any], bytes]]:
        converter = self._client.data_converter
        async for event in handle.fetch_history_events():
            if event.HasField("workflow_execution_signaled_event_attributes"):
                signal = event.workflow_execution_signaled_event_attributes
                meta, data = await converter.decode(list(signal.input.payloads), [dict, bytes])
                yield meta, data

    def _lock(self, task_id: str) -> asyncio.Lock:
        return self._locks.setdefault(task_id, asyncio.Lock())

    def _volume_id(self, task_id: str, number: int) -> str:
        return f"{self._settings.prefix}/files/{task_id}/{number}"


def _parts(token: str) -> tuple[str, int]:
    """Task and fence of a token."""
    task_id, fence, _rest = token.split(".", 2)
    return task_id, int(fence)
