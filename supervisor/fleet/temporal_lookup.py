"""Finding tasks in Temporal: by search attributes, and then by asking their workflows.

Visibility is a moment behind the workflows (tens of milliseconds with the development server,
about a second with Elasticsearch): what is not found is looked for again before it is not there.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from supervisor.core.record import from_plain
from supervisor.core.task import MAX_ABOUT, Counts, Look, NewTask, Task, TaskState
from supervisor.fleet.temporal_connection import (
    TemporalSettings,
    is_missing,
    patiently,
    unreachable,
)
from supervisor.fleet.temporal_workflow import QUEUE, STATE, TASK_ID, TASK_TYPE

if TYPE_CHECKING:
    from temporalio.client import Client

LAG_S = 2.0
"""How far visibility may be behind."""
PAUSE_S = 0.1
QUEUES_LOOKED_AT = 500
"""Open tasks whose queues are learned for the counts, beside the queues that were used here."""
KNOWN = 20_000
"""Workflow ids kept by task."""
MAX_LISTED = 20_000
"""Visibility gives no order of its own: what is listed is put in order here."""
AT_ONCE = 10


class TemporalLookup:
    """Asks; changes nothing but by ``judge``."""

    def __init__(self, settings: TemporalSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._names: dict[str, str] = {}
        self._queues: set[str] = set()

    def learn(self, task_id: str, name: str, queue: str) -> None:
        """Which workflow is the task's: nobody has to look for it."""
        while len(self._names) >= KNOWN:
            self._names.pop(next(iter(self._names)))
        self._names[task_id] = name
        self._queues.add(queue)

    async def look(self, name: str) -> dict[str, Any]:
        """A workflow's answer, with its id. Raises EnvironmentFaultError; RPCError if missing."""
        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError

        handle = self._client.get_workflow_handle(name)
        try:
            plain: dict[str, Any] = await patiently(
                self._settings,
                lambda: handle.query("look", rpc_timeout=_seconds(self._settings.patience_s)),
            )
        except (RPCError, WorkflowQueryFailedError) as error:
            if is_missing(error):
                raise
            raise unreachable(self._settings, error) from error
        return {**plain, "workflow_id": name}

    async def look_by_id(self, task_id: str) -> dict[str, Any] | None:
        """None when nobody knows the task."""
        name = self._names.get(task_id)
        end = time.monotonic() + LAG_S
        while name is None:
            found = await self._names_of(f"LongwatchTask = {_quoted(task_id)}", 1)
            name = found[0] if found else None
            if name is None:
                if time.monotonic() > end:
                    return None
                await asyncio.sleep(PAUSE_S)
        try:
            look = await self.look(name)
        except Exception as error:
            if is_missing(error):
                self._names.pop(task_id, None)
                return None
            raise
        if look["task"]["id"] != task_id or look.get("is_dropped"):
            self._names.pop(task_id, None)
            return None
        self.learn(task_id, name, look["task"]["queue"])
        return look

    async def judge(self, task_id: str, verdict: str) -> bool:
        """A person's word about a dead letter; whether it was one."""
        from temporalio.client import WorkflowUpdateFailedError
        from temporalio.service import RPCError

        look = await self.look_by_id(task_id)
        if look is None or look["state"] != "dead":
            return False
        handle = self._client.get_workflow_handle(look["workflow_id"])
        try:
            done = bool(await patiently(self._settings, lambda: handle.execute_update(
                "judge", verdict, rpc_timeout=_seconds(self._settings.patience_s)
            )))  # fmt: skip
            if done and verdict == "drop":
                self._names.pop(task_id, None)
                with suppress(Exception):
                    await handle.result(rpc_timeout=_seconds(LAG_S))
        except WorkflowUpdateFailedError:
            return False
        except RPCError as error:
            if is_missing(error):
                return False
            raise unreachable(self._settings, error) from error
        return done

    async def signal(self, task_id: str, name: str, value: Any) -> None:
        """Tell the workflow of a task; EnvironmentFaultError when nobody has it."""
        from temporalio.service import RPCError

        look = await self.look_by_id(task_id)
        try:
            if look is not None:
                handle = self._client.get_workflow_handle(look["workflow_id"])
                await patiently(self._settings, lambda: handle.signal(name, value))
        except RPCError as error:
            raise unreachable(self._settings, error) from error

    async def asking(self, request_id: str) -> list[dict[str, Any]]:
        """Open tasks that have that open request."""
        query = f"LongwatchRequest = {_quoted(request_id)} AND ExecutionStatus = 'Running'"
        looks = await self._looks(await self._names_of(query, 10))
        return [one for one in looks if request_id in {asked["id"] for asked in one["asked"]}]

    async def of_worker(self, worker: str) -> list[dict[str, Any]]:
        """Open tasks that were given to ``worker`` last."""
        query = f"LongwatchWorker = {_quoted(worker)} AND ExecutionStatus = 'Running'"
        return await self._looks(await self._names_of(query, 10_000))

    async def listed(
        self, queue: str | None, state: TaskState, after: str, limit: int, look: Look
    ) -> list[Task]:
        """See the port."""
        is_back = look.newest_first and state not in {TaskState.DELAYED, TaskState.LEASED}
        query = f"LongwatchState = '{state.value}'"
        query += " AND ExecutionStatus IN ('Running', 'Completed')"
        if queue is not None:
            query += f" AND LongwatchQueue = {_quoted(queue)}"
        if after:
            query += f" AND LongwatchTask {'<' if is_back else '>'} {_quoted(after)}"
        names = await self._names_of(query, MAX_LISTED)
        if is_back:
            names.reverse()
        found: list[Task] = []
        for at in range(0, len(names), AT_ONCE):
            if len(found) >= limit:
                break
            for one in await self._looks(names[at : at + AT_ONCE]):
                payload = one["task"]["payload"]
                task = replace(task_of(one), about=payload[:MAX_ABOUT])
                told = (task.id, task.key, task.problem, payload)
                is_meant = any(look.text.lower() in text.lower() for text in told if text)
                if task.state is state and is_meant:
                    found.append(task)
        return found[:limit]

    async def counts(self) -> dict[str, Counts]:
        """See the port."""
        oldest = await self._learn_queues()
        found = {}
        for queue in sorted(self._queues):
            numbers = {}
            for state in TaskState:
                numbers[state.value] = await self._count(
                    f"LongwatchQueue = {_quoted(queue)} AND LongwatchState = '{state.value}'"
                    " AND ExecutionStatus IN ('Running', 'Completed')"
                )
            if any(numbers.values()):
                found[queue] = Counts(**numbers, oldest_at=oldest.get(queue))
        return found

    async def forget(self, finished_before: float, limit: int) -> int:
        """Delete tasks that were done before that Unix time; how many."""
        from temporalio.api.common.v1 import WorkflowExecution
        from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

        before = datetime.fromtimestamp(finished_before, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = await self._names_of(
            f"ExecutionStatus = 'Completed' AND CloseTime < '{before}'", limit
        )
        for name in names:
            request = DeleteWorkflowExecutionRequest(
                namespace=self._settings.namespace,
                workflow_execution=WorkflowExecution(workflow_id=name),
            )
            with suppress(Exception):  # Somebody else did, or the next round does.
                await self._client.workflow_service.delete_workflow_execution(request)
        if names:
            await asyncio.sleep(LAG_S / 2)  # Until they are not listed any more.
        return len(names)

    async def _learn_queues(self) -> dict[str, float]:
        """Which queues there are; since when the oldest ready task of each has waited, as far as
        it is among those that were looked at."""
        query = self._scoped("ExecutionStatus IN ('Running', 'Completed')")
        oldest: dict[str, float] = {}
        try:
            async with asyncio.timeout(self._settings.patience_s):
                async for found in self._client.list_workflows(query, limit=QUEUES_LOOKED_AT):
                    queue = found.typed_search_attributes.get(QUEUE)
                    if queue is None:
                        continue
                    self._queues.add(queue)
                    if found.typed_search_attributes.get(STATE) == "ready":
                        at = found.start_time.timestamp()
                        oldest[queue] = min(at, oldest.get(queue, at))
        except Exception as error:
            raise unreachable(self._settings, error) from error
        return oldest

    async def _count(self, query: str) -> int:
        from temporalio.service import RPCError

        scoped = self._scoped(query)
        try:
            found = await patiently(self._settings, lambda: self._client.count_workflows(scoped))
        except RPCError as error:
            raise unreachable(self._settings, error) from error
        return int(found.count)

    async def _names_of(self, query: str, limit: int) -> list[str]:
        from temporalio.service import RPCError

        scoped = self._scoped(query)

        async def ask() -> list[str]:
            found = [one async for one in self._client.list_workflows(scoped, limit=limit)]
            found.sort(key=lambda one: one.typed_search_attributes.get(TASK_ID) or "")
            return [one.id for one in found]

        try:
            return await patiently(self._settings, ask)
        except RPCError as error:
            raise unreachable(self._settings, error) from error

    async def _looks(self, names: list[str]) -> list[dict[str, Any]]:
        looks: list[dict[str, Any]] = []
        for at in range(0, len(names), AT_ONCE):
            found = await asyncio.gather(
                *(self.look(name) for name in names[at : at + AT_ONCE]), return_exceptions=True
            )
            for one in found:
                if isinstance(one, dict):
                    looks.append(one)
                elif not is_missing(one) if isinstance(one, Exception) else True:
                    raise one
        return looks

    def _scoped(self, query: str) -> str:
        prefix = f"{self._settings.prefix}/"
        return (
            f"WorkflowType = '{TASK_TYPE}' AND WorkflowId STARTS_WITH {_quoted(prefix)} AND {query}"
        )


def task_of(look: dict[str, Any]) -> Task:
    """A workflow's answer, or the start of one with its lease, as a task."""
    new = from_plain(NewTask, look["task"])
    lease = look["lease"]
    state = TaskState(look["state"])
    return Task(
        id=new.id or "",
        queue=new.queue,
        state=state,
        key=new.key,
        priority=new.priority,
        deliveries=lease["deliveries"],
        max_deliveries=new.max_deliveries,
        submitted_at=look["submitted_at"],
        worker=lease["worker"] if state is TaskState.LEASED else None,
        finished_at=look.get("finished_at"),
        problem=look.get("problem"),
        group=new.group,
        joins=new.joins,
    )


def _quoted(text: str) -> str:
    """As a string of a visibility query."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _seconds(seconds: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=seconds)
