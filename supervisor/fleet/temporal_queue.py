"""The task queue of several machines on Temporal: a workflow a task, an activity a delivery.

A claim polls Temporal for an activity, extending a lease is its heartbeat, and completing or
failing it are the activity's ends; so a lease that was lost is refused by Temporal itself. The
token holds Temporal's own, and outlives the engine. What stands where is asked of the workflows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from supervisor.cancelling import cancelled
from supervisor.core.record import to_plain
from supervisor.core.task import (
    MAX_PAYLOAD_BYTES,
    MAX_PROBLEM_LENGTH,
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
from supervisor.errors import EnvironmentFaultError, RefusedError
from supervisor.fleet.temporal_activities import TemporalActivities, token_of
from supervisor.fleet.temporal_connection import (
    TemporalSettings,
    connect,
)
from supervisor.fleet.temporal_files import TemporalTaskFiles
from supervisor.fleet.temporal_lookup import TemporalLookup, task_of
from supervisor.fleet.temporal_submission import IN_FILES, LARGE_BYTES, TemporalSubmission
from supervisor.fleet.temporal_token import make_token
from supervisor.fleet.temporal_workflow import (
    RELEASED,
    LongwatchGroup,
    LongwatchTask,
)
from supervisor.queue.port import StaleLeaseError, TaskRefusedError

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.worker import Worker

SETTLE_S = 5.0
"""How long a completion waits to be seen; it is durable before that."""


class TemporalTaskQueue:
    """``queue.port.TaskQueue`` and ``TaskFiles``; from ``open`` to ``close``."""

    def __init__(self, settings: TemporalSettings, client: Client, worker: Worker) -> None:
        self._settings = settings
        self._client = client
        self._worker = worker
        self._running = asyncio.get_running_loop().create_task(worker.run())
        self._activities = TemporalActivities(settings, client)
        self._files = TemporalTaskFiles(settings, client, self._activities.is_held)
        self._lookup = TemporalLookup(settings, client)
        self._submission = TemporalSubmission(settings, client, self._files, self._lookup)
        self._closed = asyncio.Event()
        self._holding: dict[str, tuple[float, asyncio.Task[None]]] = {}
        """Leases that are longer than the heartbeat timeout, until which time, and who holds."""

    @classmethod
    async def open(cls, settings: TemporalSettings) -> TemporalTaskQueue:
        """Connect, and begin to work on workflows."""
        client = await connect(settings)
        from temporalio.worker import UnsandboxedWorkflowRunner, Worker

        worker = Worker(
            client,
            task_queue=settings.prefix,
            workflows=[LongwatchTask, LongwatchGroup],
            # The sandbox would import our modules anew for every task; what it guards against is
            # guarded by a test that replays histories.
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=200,
            graceful_shutdown_timeout=timedelta(seconds=1),
        )
        return cls(settings, client, worker)

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """See the port; after a death of ours in between a part may be there."""
        return await self._submission.submit(tasks)

    # -- leases -------------------------------------------------------------------------------

    async def claim(
        self,
        queue: str,
        worker: str,
        lease_s: float,
        *,
        limit: int = 1,  # noqa: ARG002  # The port's.
        wait_s: float = 0.0,
    ) -> list[Lease]:
        """See the port; one at a time: a poll that is given up may cost a delivery."""
        if self._closed.is_set():
            return []
        polling = asyncio.ensure_future(
            self._activities.poll(f"{self._settings.prefix}.{queue}", worker, wait_s)
        )
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({polling, closing}, return_when=asyncio.FIRST_COMPLETED)
            answer = polling.result() if polling.done() else None
        finally:
            await cancelled(polling, closing)
        if answer is None or not answer.task_token:
            return []
        return [await self._leased(answer, worker, lease_s)]

    async def _leased(self, answer: Any, worker: str, lease_s: float) -> Lease:
        decode = self._client.data_converter.decode
        (start,) = await decode(list(answer.input.payloads), [dict])
        told = await decode(list(answer.heartbeat_details.payloads))
        name = answer.workflow_execution.workflow_id
        deliveries = start["base"] + answer.attempt
        fence = start["fence"] + answer.attempt
        task_id = start["task"]["id"]
        token = make_token(task_id, fence, answer.attempt, answer.task_token)
        self._lookup.learn(task_id, name, start["task"]["queue"])
        lease = {"fence": fence, "deliveries": deliveries, "worker": worker, "token": token}
        if lease_s > self._settings.lease_s:
            self._hold(token, lease_s)
        handle = self._client.get_workflow_handle(name)
        with suppress(Exception):  # It is for looking, and for our own next life.
            await handle.signal("claimed", lease)
        problem = told[0].get("problem") if told and isinstance(told[0], dict) else None
        task = task_of({**start, "state": "leased", "lease": lease, "problem": problem})
        payload = await self._heavy(task_id, start["task"]["payload"])
        return Lease(token, task, payload)

    async def _heavy(self, task_id: str, text: str) -> str:
        if not text.startswith(IN_FILES):
            return text
        data = (await self._files.read(task_id)).get(text[1:])
        if data is None:
            raise EnvironmentFaultError(
                f"the {text[1:]} of task {task_id} is not there any more",
                why="it was too large for a workflow and was kept beside it",
                fix="Drop the task and submit it again.",
            )
        return data.decode()

    def _hold(self, token: str, lease_s: float) -> None:
        """Heartbeats for a lease that is longer than the time between two of them."""
        self._let_go(token)
        end = time.monotonic() + lease_s

        async def hold() -> None:
            while time.monotonic() + self._settings.lease_s < end:
                await asyncio.sleep(self._settings.lease_s / 3)
                with suppress(EnvironmentFaultError):
                    if not await self._activities.is_held(token):
                        return

        self._holding[token] = (end, asyncio.get_running_loop().create_task(hold()))

    def show_progress(self, token: str, progress: Mapping[str, Any]) -> None:
        """See ``queue.port.TaskShows``: the details of its heartbeats."""
        self._activities.show(token, progress)

    def _let_go(self, token: str) -> None:
        held = self._holding.pop(token, None)
        if held is not None:
            held[1].cancel()

    async def extend(self, tokens: Sequence[str], lease_s: float) -> list[str]:
        """See the port."""
        held = await asyncio.gather(*(self._activities.is_held(token) for token in tokens))
        for token, is_held in zip(tokens, held, strict=True):
            if is_held and lease_s > self._settings.lease_s:
                self._hold(token, lease_s)
            else:
                self._let_go(token)
        return [token for token, is_held in zip(tokens, held, strict=True) if not is_held]

    # -- ends ---------------------------------------------------------------------------------

    async def complete(self, token: str, result: str, then: Sequence[NewTask] = ()) -> bool:
        """See the port. What follows is started by the workflow, a moment later."""
        held = token_of(token)
        named = await self._submission.following(then)
        data = result.encode()
        if len(data) > MAX_PAYLOAD_BYTES:
            raise TaskRefusedError(f"a result of {len(data)} bytes; at most {MAX_PAYLOAD_BYTES}")
        if is_large := len(data) > LARGE_BYTES:
            await self._files.keep(token, "result", None, data)
        plain = {
            "result": f"{IN_FILES}result" if is_large else result,
            "then": [to_plain(task) for task in named],
            "fence": held.fence,
        }
        try:
            await self._activities.complete(token, plain)
        except StaleLeaseError:
            look = await self._lookup.look_by_id(held.task_id)
            if look is not None and (look["result"] or {}).get("fence") == held.fence:
                return False
            raise
        self._over(token)
        await self._until(held.task_id, {"done"})
        if not is_large:
            await self._files.drop(held.task_id)
        return True

    async def fail(self, token: str, problem: str, retry_in_s: float | None) -> TaskState:
        """See the port; the wait is Temporal's, named by us for each failure."""
        held = token_of(token)
        problem = problem[:MAX_PROBLEM_LENGTH]
        look = await self._lookup.look_by_id(held.task_id)
        limit = look["task"].get("max_deliveries", 5) if look else 0
        is_last = look is not None and look["lease"]["deliveries"] >= limit
        if look is not None and retry_in_s is not None and not is_last:
            handle = self._client.get_workflow_handle(look["workflow_id"])
            with suppress(Exception):  # For looking only.
                await handle.signal("failed", {"fence": held.fence, "problem": problem})
        await self._activities.fail(token, problem, retry_in_s)
        self._over(token)
        if retry_in_s is not None and not is_last:
            return TaskState.DELAYED
        await self._until(held.task_id, {"dead"})
        return TaskState.DEAD

    async def release(self, token: str) -> None:
        """See the port."""
        await self._activities.fail(token, "given back", None, kind=RELEASED)
        self._over(token)

    def _over(self, token: str) -> None:
        self._let_go(token)
        self._activities.forget(token)

    async def _until(self, task_id: str, states: set[str]) -> None:
        """Wait until it is seen, a few seconds at most: what was acknowledged is durable."""
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            with suppress(EnvironmentFaultError):
                look = await self._lookup.look_by_id(task_id)
                if look is None or look["state"] in states:
                    return
            await asyncio.sleep(0.05)

    # -- people and looking -------------------------------------------------------------------

    async def held_by(self, worker: str) -> list[Lease]:
        """See the port."""
        leases = []
        for look in await self._lookup.of_worker(worker):
            token = look["lease"]["token"]
            is_ours = look["lease"]["worker"] == worker and look["state"] == "leased"
            if is_ours and await self._activities.is_held(token):
                payload = await self._heavy(look["task"]["id"], look["task"]["payload"])
                leases.append(Lease(token, task_of(look), payload))
        return leases

    async def requeue(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        return [one for one in task_ids if await self._lookup.judge(one, "requeue")]

    async def drop(self, task_ids: Sequence[str]) -> list[str]:
        """See the port."""
        gone = [one for one in task_ids if await self._lookup.judge(one, "drop")]
        for one in gone:
            await self._files.drop(one)
        return gone

    async def get(self, task_id: str) -> TaskDetail | None:
        """See the port."""
        look = await self._lookup.look_by_id(task_id)
        if look is None:
            return None
        result = (look["result"] or {}).get("result")
        if result is not None:
            result = await self._heavy(task_id, result)
        payload = look["task"]["payload"]
        with suppress(EnvironmentFaultError):  # It went with the task's end.
            payload = await self._heavy(task_id, payload)
        return TaskDetail(task_of(look), payload, result)

    async def listed(
        self,
        queue: str | None,
        state: TaskState,
        *,
        after: str = "",
        limit: int = 100,
        look: Look = USUAL,
    ) -> list[Task]:
        """See the port; as Temporal's visibility has it, which is a moment behind."""
        return await self._lookup.listed(queue, state, after, limit, look)

    async def counts(self) -> dict[str, Counts]:
        """See the port; as Temporal's visibility has it, which is a moment behind."""
        return await self._lookup.counts()

    async def forget(self, finished_before: float, limit: int = 1000) -> int:
        """See the port; the retention of Temporal's namespace may be shorter."""
        return await self._lookup.forget(finished_before, limit)

    async def show_asked(self, task_id: str, asked: Sequence[dict[str, Any]]) -> None:
        """See ``queue.port.TaskAsks``."""
        await self._lookup.signal(task_id, "asked", list(asked))

    async def answers(self, task_id: str) -> list[dict[str, Any]]:
        """See ``queue.port.TaskAsks``."""
        look = await self._lookup.look_by_id(task_id)
        return list(look["answers"]) if look is not None else []

    async def answer(self, request_id: str, params: dict[str, Any]) -> bool:
        """See ``queue.port.TaskAsks``."""
        found = await self._lookup.asking(request_id)
        if len(found) != 1:
            return False
        asked = next(one for one in found[0]["asked"] if one["id"] == request_id)
        if params.get("hash") and not str(asked["hash"]).startswith(str(params["hash"])):
            raise RefusedError(
                f"{request_id} is not what was shown: its hash is {asked['hash'][:12]}"
            )
        told = {**params, "hash": asked["hash"], "id": request_id}
        await self._lookup.signal(found[0]["task"]["id"], "answered", told)
        return True

    # -- files --------------------------------------------------------------------------------

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
        if self._closed.is_set():
            return
        self._closed.set()
        for token in list(self._holding):
            self._let_go(token)
        with suppress(Exception):
            await self._worker.shutdown()
        await cancelled(self._running)
