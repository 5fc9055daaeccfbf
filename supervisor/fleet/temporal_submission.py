"""Submitting: a task becomes a workflow, its key the workflow's id, and what is large a file.

Temporal itself refuses the second workflow of one id for as long as it knows the first.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from supervisor.core.ids import next_ulid
from supervisor.core.record import to_plain
from supervisor.core.task import NewTask, Submitted, TaskState, task_fault
from supervisor.fleet.temporal_connection import TemporalSettings, patiently
from supervisor.fleet.temporal_files import TemporalTaskFiles
from supervisor.fleet.temporal_lookup import TemporalLookup, task_of
from supervisor.fleet.temporal_workflow import (
    GROUP_TYPE,
    TASK_TYPE,
    attributes_of,
    group_id,
    summary_of,
    workflow_id,
)
from supervisor.queue.port import TaskRefusedError

if TYPE_CHECKING:
    from temporalio.client import Client

LARGE_BYTES = 200_000
"""A payload or result above this travels as a file of the task: Temporal takes 2 MB in one piece,
and every copy of it is in the history again."""
IN_FILES = "@"
"""What a payload or result begins with that is a file of the task; no JSON text does."""
MAX_NEXT_BYTES = 1_500_000
MAX_NEXT = 1_000
"""Tasks that follow one task: a workflow may have 2,000 children that are open."""
AT_ONCE = 20


class TemporalSubmission:
    """Starts workflows."""

    def __init__(
        self,
        settings: TemporalSettings,
        client: Client,
        files: TemporalTaskFiles,
        lookup: TemporalLookup,
    ) -> None:
        self._settings = settings
        self._client = client
        self._files = files
        self._lookup = lookup
        self._newest_id = ""

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """See the port; after a death of ours in between a part may be there."""
        for number, task in enumerate(tasks, 1):
            if (fault := task_fault(task)) is not None:
                raise TaskRefusedError(f"task {number} for {task.queue}: {fault}")
        named = [await self._light(self._named(task)) for task in tasks]
        for group in {task.group for task in named if task.joins and task.group is not None}:
            await self._begin_group(group, [t.id or "" for t in named if t.group == group])
        done: list[Submitted] = []
        for at in range(0, len(named), AT_ONCE):
            part = named[at : at + AT_ONCE]
            keyed = {(task.queue, task.key) for task in part if task.key}
            if len(keyed) < len([task for task in part if task.key]):
                done += [await self._start(task) for task in part]
            else:
                done += await asyncio.gather(*(self._start(task) for task in part))
        return done

    async def _start(self, task: NewTask) -> Submitted:
        from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
        from temporalio.exceptions import WorkflowAlreadyStartedError

        name = workflow_id(self._settings.prefix, task)
        try:
            await patiently(
                self._settings,
                lambda: self._client.start_workflow(
                    TASK_TYPE,
                    {**self._start_values(), "task": to_plain(task), "submitted_at": time.time()},
                    id=name,
                    task_queue=self._settings.prefix,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=attributes_of(task),
                    static_summary=summary_of(task),
                ),
            )
        except WorkflowAlreadyStartedError:
            known = task_of(await self._lookup.look(name))
            self._lookup.learn(known.id, name, known.queue)
            return Submitted(known.id, known.id == task.id and task.key is not None, known.state)
        self._lookup.learn(task.id or "", name, task.queue)
        state = TaskState.DELAYED if task.delay_s > 0 else TaskState.READY
        return Submitted(task.id or "", True, state)

    async def _begin_group(self, group: str, ids: list[str]) -> None:
        from temporalio.common import WorkflowIDReusePolicy

        with suppress(Exception):
            await patiently(
                self._settings,
                lambda: self._client.start_workflow(
                    GROUP_TYPE,
                    {**self._start_values(), "group": group},
                    id=group_id(self._settings.prefix, group),
                    task_queue=self._settings.prefix,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    start_signal="begun",
                    start_signal_args=[ids],
                    static_summary=f"group {group}",
                ),
            )

    def _start_values(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "prefix": settings.prefix,
            "lease_s": settings.lease_s,
            "deadline_s": settings.deadline_s,
        }

    def _named(self, task: NewTask) -> NewTask:
        if task.id:
            return task
        self._newest_id = next_ulid(time.time(), secrets.randbits(80), self._newest_id)
        return replace(task, id=self._newest_id)

    async def _light(self, task: NewTask) -> NewTask:
        data = task.payload.encode()
        if len(data) <= LARGE_BYTES or task.id is None:
            return task
        await self._files.prepare(task.id, "payload", data)
        return replace(task, payload=f"{IN_FILES}payload")

    async def following(self, then: Sequence[NewTask]) -> list[NewTask]:
        """What follows a task, as it travels in its completion; raises TaskRefusedError."""
        for task in then:
            if (fault := task_fault(task)) is not None:
                raise TaskRefusedError(f"a next task for {task.queue}: {fault}")
        if len(then) > MAX_NEXT:
            raise TaskRefusedError(f"{len(then)} next tasks; Temporal takes {MAX_NEXT} at once")
        named = [await self._light(self._named(task)) for task in then]
        size = sum(len(task.payload.encode()) + 500 for task in named)
        if size > MAX_NEXT_BYTES:
            raise TaskRefusedError(f"next tasks of {size} bytes; Temporal takes {MAX_NEXT_BYTES}")
        return named
