"""The one generic workflow of a task, and the one of a group. Replayed by Temporal: no I/O.

A task's workflow waits out its delay, schedules one activity (*a delivery to a worker*: Temporal
redelivers it), and then starts the tasks that follow as workflows of their own. A dead letter stays
open and waits for a person. Agents never meet the rules of replay: they are behind the activity.
Whoever changes what a workflow does puts it behind ``workflow.patched``: open ones are replayed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    TimeoutType,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as LeaseLostError
from temporalio.workflow import ParentClosePolicy

from supervisor.core.ids import ulid
from supervisor.core.record import from_plain, to_plain
from supervisor.core.task import Join, NewTask, join_key, joined_payload
from supervisor.fleet import temporal_door
from supervisor.fleet.presence import SILENT_S

TASK_TYPE = "Longwatch task"
GROUP_TYPE = "Longwatch group"
HOST_TYPE = "Longwatch host"
BE_THERE = "be there"
ACTIVITY = "work on a task"
RELEASED = "released"
CANCELLED = "cancelled in Temporal"
ROUND = 1_000_000
"""Between the fences of two activities of a task; within one it goes up by the attempt."""
LONGEST = timedelta(days=3650)
"""Temporal wants a limit; ours is kept by the keeper, which knows how long a person was awaited."""
REDELIVERY = timedelta(milliseconds=100)
"""After a lost lease, which has cost time enough; a failure names its own wait."""
MAX_JOINED_BYTES = 1_500_000
"""Of the results that a join hands on: Temporal takes 2 MB in one piece."""

MAX_ANSWERS = 200
"""Kept of a task, newest first to stay: its machine takes each within seconds."""

TASK_ID = SearchAttributeKey.for_keyword("LongwatchTask")
QUEUE = SearchAttributeKey.for_keyword("LongwatchQueue")
STATE = SearchAttributeKey.for_keyword("LongwatchState")
WORKER = SearchAttributeKey.for_keyword("LongwatchWorker")
REQUEST = SearchAttributeKey.for_keyword_list("LongwatchRequest")


def workflow_id(prefix: str, task: NewTask) -> str:
    """Readable, and the same for the same key: Temporal itself refuses the second one."""
    return f"{prefix}/{task.queue}/{task.key or task.id}"


def group_id(prefix: str, group: str) -> str:
    """Of the workflow that waits for a group."""
    return f"{prefix}/group/{group}"


def attributes_of(task: NewTask) -> TypedSearchAttributes:
    """What a task can be found by."""
    state = "delayed" if task.delay_s > 0 else "ready"
    return TypedSearchAttributes(
        [
            SearchAttributePair(TASK_ID, task.id or ""),
            SearchAttributePair(QUEUE, task.queue),
            SearchAttributePair(STATE, state),
        ]
    )


def summary_of(task: NewTask) -> str:
    """One line for the Temporal UI."""
    return f"{task.queue}: {task.key or task.id}"[:200]


def problem_of(cause: BaseException | None) -> str:
    """Why the last delivery was no success, in words for whoever reads the dead letters."""
    if isinstance(cause, LeaseLostError):
        is_late = cause.type is TimeoutType.SCHEDULE_TO_CLOSE
        return "not done by its deadline: [fleet] deadline" if is_late else "its worker was lost"
    if cause is not None and is_cancelled_exception(cause):
        return CANCELLED
    return str(getattr(cause, "message", cause))


@workflow.defn(name=TASK_TYPE)
class LongwatchTask:
    """One task, from its submission to its result; see the module."""

    @workflow.init
    def __init__(self, start: dict[str, Any]) -> None:
        self._start = start
        self._task = from_plain(NewTask, start["task"])
        self._state = "delayed" if self._task.delay_s > 0 else "ready"
        self._lease: dict[str, Any] = {"fence": 0, "deliveries": 0, "worker": None, "token": None}
        self._problem: str | None = None
        self._result: dict[str, Any] | None = None
        self._finished_at: float | None = None
        self._verdict: str | None = None
        self._round = 0
        self._counted = 0
        self._asked: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []

    @workflow.run
    async def run(self, _start: dict[str, Any]) -> dict[str, Any]:
        """See the module."""
        if self._task.delay_s > 0:
            await workflow.sleep(timedelta(seconds=self._task.delay_s), summary="not before")
            self._set("ready")
        while True:
            try:
                done = await self._deliver()
                return await self._finish(done)
            except ActivityError as error:
                cause = error.cause
                if isinstance(cause, ApplicationError) and cause.type == RELEASED:
                    self._counted += int(cause.details[0]) - 1
                    self._set("ready")
                    continue
                self._problem = problem_of(cause)
            await self._wait_for_a_person()

    async def _deliver(self) -> dict[str, Any]:
        self._round += 1
        deadline_s = self._start.get("deadline_s")
        done: dict[str, Any] = await workflow.execute_activity(
            ACTIVITY,
            {**self._start, "base": self._counted, "fence": self._round * ROUND},
            task_queue=f"{self._start['prefix']}.{self._task.queue}",
            start_to_close_timeout=LONGEST,
            schedule_to_close_timeout=timedelta(seconds=deadline_s) if deadline_s else None,
            heartbeat_timeout=timedelta(seconds=self._start["lease_s"]),
            retry_policy=RetryPolicy(
                initial_interval=REDELIVERY,
                backoff_coefficient=1.0,
                maximum_attempts=max(1, self._task.max_deliveries - self._counted),
            ),
            summary=summary_of(self._task),
            priority=Priority(priority_key=5 - self._task.priority // 2),
        )
        return done

    async def _finish(self, done: dict[str, Any]) -> dict[str, Any]:
        then = [from_plain(NewTask, plain) for plain in done["then"]]
        self._result = {"result": done["result"], "fence": done["fence"]}
        await self._tell_group("done", [task for task in then if task.group == self._task.group])
        begun = [begin(self._start, task) for task in then]
        await asyncio.gather(*begun)
        self._set("done")
        workflow.set_current_details(f"done; {len(then)} tasks followed")
        return {"state": "done", "then": [workflow_id(self._start["prefix"], t) for t in then]}

    async def _wait_for_a_person(self) -> None:
        self._set("dead")
        workflow.set_current_details(
            f"**dead letter**: {self._problem}\n\n"
            f"`longwatch dead requeue {self._task.id}` or `drop`"
        )
        await self._tell_group("dead", [])
        self._verdict = None
        await workflow.wait_condition(lambda: self._verdict is not None)
        if self._verdict == "drop":
            # A failed workflow's id may be used again: the key is free.
            raise ApplicationError("dropped by the operator", type="dropped")
        self._counted, self._finished_at = 0, None
        self._set("ready")
        workflow.set_current_details("requeued by the operator")

    async def _tell_group(self, state: str, then: Sequence[NewTask]) -> None:
        task = self._task
        if not task.joins or task.group is None:
            return
        handle = workflow.get_external_workflow_handle(group_id(self._start["prefix"], task.group))
        await handle.signal(
            "over",
            {
                "id": task.id,
                "queue": task.queue,
                "state": state,
                "result": self._result["result"] if self._result else None,
                "problem": self._problem,
                "then": [following.id for following in then],
                "joins": [to_plain(join) for join in task.joins],
                "priority": task.priority,
            },
        )

    def _set(self, state: str) -> None:
        self._state = state
        if state in {"done", "dead"}:
            self._finished_at = workflow.now().timestamp()
        workflow.upsert_search_attributes([STATE.value_set(state)])

    @workflow.signal
    def claimed(self, lease: dict[str, Any]) -> None:
        """A worker has it."""
        if lease["fence"] > self._lease["fence"] and self._state != "done":
            self._lease, self._state = lease, "leased"
            workflow.upsert_search_attributes(
                [STATE.value_set("leased"), WORKER.value_set(lease["worker"])]
            )
            workflow.set_current_details(
                f"delivery {lease['deliveries']} of {self._task.max_deliveries}, "
                f"on {lease['worker']}"
            )

    @workflow.signal
    def failed(self, told: dict[str, Any]) -> None:
        """A delivery failed; Temporal delivers it again after its wait."""
        if told["fence"] == self._lease["fence"] and self._state == "leased":
            self._problem = told["problem"]
            self._set("delayed")
            workflow.set_current_details(f"delivered again: {told['problem']}")

    @workflow.signal
    def asked(self, requests: list[dict[str, Any]]) -> None:
        """The open requests of its agent, all of them; none when everything was answered."""
        self._asked = requests
        workflow.upsert_search_attributes([REQUEST.value_set([one["id"] for one in requests])])
        lines = [f"**{one['id']}** waits for the operator: {one['title']}" for one in requests]
        workflow.set_current_details("\n\n".join(lines) or "answered")

    @workflow.signal
    def answered(self, answer: dict[str, Any]) -> None:
        """Somebody's answer, on its way to the agent: the parameters of the call ``answer``."""
        self._answers = [*self._answers[-MAX_ANSWERS:], answer]

    @workflow.update
    def judge(self, verdict: str) -> bool:
        """``requeue`` or ``drop``, by a person; whether it was a dead letter."""
        if self._state != "dead" or self._verdict is not None:
            return False
        self._verdict = verdict
        return True

    @workflow.query
    def look(self) -> dict[str, Any]:
        """Where it stands."""
        return {
            **self._start,
            "state": self._state,
            "is_dropped": self._verdict == "drop",
            "lease": self._lease,
            "problem": self._problem,
            "asked": self._asked,
            "answers": self._answers,
            "result": self._result,
            "finished_at": self._finished_at,
        }


async def begin(start: dict[str, Any], task: NewTask) -> None:
    """Start the workflow of a task that follows; one with a known key changes nothing."""
    try:
        await workflow.start_child_workflow(
            TASK_TYPE,
            {**start, "task": to_plain(task), "submitted_at": workflow.now().timestamp()},
            id=workflow_id(start["prefix"], task),
            parent_close_policy=ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            search_attributes=attributes_of(task),
            static_summary=summary_of(task),
        )
    except WorkflowAlreadyStartedError:
        pass


@workflow.defn(name=GROUP_TYPE)
class LongwatchGroup:
    """Waits for a group of tasks, and starts the join once nothing of it is unfinished."""

    @workflow.init
    def __init__(self, start: dict[str, Any]) -> None:
        self._start = start
        self._unfinished: set[str] = set()
        self._over: dict[str, dict[str, Any]] = {}
        self._ready: list[dict[str, Any]] = []

    @workflow.run
    async def run(self, _start: dict[str, Any]) -> int:
        """How many tasks it had."""
        while True:
            await workflow.wait_condition(lambda: bool(self._ready))
            last = self._ready.pop(0)
            joins = [from_plain(Join, plain) for plain in last["joins"]]
            if not joins:
                return len(self._over)
            task = self._joined(last, joins)
            self._unfinished.add(task.id or "")
            await begin(self._start, task)
            if not task.joins:
                return len(self._over)

    @workflow.signal
    def begun(self, ids: list[str]) -> None:
        """Tasks that belong to it, before they are there."""
        self._unfinished |= {one for one in ids if one not in self._over}

    @workflow.signal
    def over(self, ended: dict[str, Any]) -> None:
        """A task is done or dead, and these follow."""
        if ended["id"] in self._over:
            return  # A dead letter that was requeued: the join did not wait for it.
        self._over[ended["id"]] = ended
        self._unfinished |= {one for one in ended["then"] if one not in self._over}
        self._unfinished.discard(ended["id"])
        if not self._unfinished:
            self._ready.append(ended)
        workflow.set_current_details(f"{len(self._over)} over, {len(self._unfinished)} unfinished")

    def _joined(self, last: dict[str, Any], joins: Sequence[Join]) -> NewTask:
        join, *later = joins
        results, failed, size = [], [], 0
        for one in sorted(self._over.values(), key=lambda ended: str(ended["id"])):
            problem = one["problem"]
            if one["state"] == "done" and one["queue"] == join.of:
                text = one["result"]
                size += len((text or "").encode())
                if text is not None and size <= MAX_JOINED_BYTES:
                    results.append(text)
                    continue
                problem = "its result is too large to be handed on through Temporal"
            elif one["state"] == "done":
                continue
            failed.append((one["id"], json.dumps(problem)))
        group = self._start["group"]
        task_id = ulid(workflow.now().timestamp(), workflow.random().getrandbits(80))
        return NewTask(
            queue=join.queue,
            payload=joined_payload(results, failed),
            key=join_key(group),
            priority=last["priority"],
            max_deliveries=join.max_deliveries,
            id=task_id,
            group=group,
            joins=tuple(later),
        )


@workflow.defn(name=HOST_TYPE)
class LongwatchHost:
    """A machine of the fleet, for as long as it says so: see ``temporal_presence``."""

    @workflow.run
    async def run(self, start: dict[str, Any]) -> None:
        """Over when the machine leaves."""
        await workflow.execute_activity(
            BE_THERE,
            task_queue=start["queue"],
            start_to_close_timeout=LONGEST,
            heartbeat_timeout=timedelta(seconds=SILENT_S),
            retry_policy=RetryPolicy(initial_interval=REDELIVERY, backoff_coefficient=1.0),
        )

    @workflow.query
    def exchange(self, visit: str, number: int, sent: bytes) -> bytes:
        """A piece of a visitor's connection there and back; see ``temporal_door``."""
        return temporal_door.exchange(workflow.info().workflow_id, visit, number, sent)
