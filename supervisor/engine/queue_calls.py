"""What clients may ask about tasks: submit them, see where they stand, deal with dead letters."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError, InvalidParamsError
from supervisor.core import task_events as t
from supervisor.core.ids import MIN_SUFFIX, is_run_id, ulid
from supervisor.core.pool import PoolSpec, entry, new_task
from supervisor.core.record import to_plain
from supervisor.core.task import MAX_PAYLOAD_BYTES, Counts, Look, NewTask, Task, TaskState
from supervisor.core.text import safe_text
from supervisor.engine.params import flag, optional_text, text, whole
from supervisor.protocol.bounded_json import parse_json
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_bytes
from supervisor.protocol.task import RESULT_BOUNDS
from supervisor.queue.port import TaskRefusedError

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine

MAX_SUBMITTED = 5_000
"""Tasks in one call; who has more calls again."""
MAX_LISTED = 1_000
MAX_SOUGHT = 200
"""Characters of a text that tasks are looked for by."""
MAX_TOLD = 20
"""Ids that an event names."""


class QueueCalls:
    """The calls about tasks, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def submit(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Take tasks for a pool or a pipeline; answered when they are stored."""
        pool, by = self._pool(text(params, "queue")), text(params, "by", default="client")
        entries = params.get("tasks")
        if not isinstance(entries, list) or not entries or len(entries) > MAX_SUBMITTED:
            raise InvalidParamsError(f"tasks: expected a list of 1 to {MAX_SUBMITTED}")
        group = optional_text(params, "group") or (
            self._new_group() if flag(params, "together") else None
        )
        tasks = [self._task(item, number, pool, group) for number, item in enumerate(entries, 1)]
        try:
            done = await self._engine.tasks.queue.submit(tasks)
        except TaskRefusedError as error:
            raise CallRefusedError(error.what, code="refused") from error
        for item in entries:
            if isinstance(name := item.get("payload_file"), str):
                (self._engine.project.payloads_dir / name).unlink(missing_ok=True)
        new = sum(item.is_new for item in done)
        self._engine.runs.note(t.TasksSubmitted(pool.name, new, len(done) - new, done[0].id, by))
        return {
            "queue": pool.name,
            "group": group,
            "tasks": [
                {"id": item.id, "new": item.is_new, "state": item.state.value} for item in done
            ],
        }

    def _new_group(self) -> str:
        return ulid(self._engine.clock().wall, secrets.randbits(80))

    def _task(self, item: Any, number: int, pool: PoolSpec, group: str | None) -> NewTask:
        if not isinstance(item, dict):
            raise InvalidParamsError(f"tasks[{number}]: expected an object")
        delay_s = item.get("delay_s", 0.0)
        if not isinstance(delay_s, int | float) or isinstance(delay_s, bool):
            raise InvalidParamsError(f"tasks[{number}].delay_s: expected a number of seconds")
        priority = None if item.get("priority") is None else whole(item, "priority")
        payload = item.get("payload")
        if (name := optional_text(item, "payload_file")) is not None:
            payload = self._from_file(name, number)
        task_id = optional_text(item, "id")
        if task_id is not None and not is_run_id(task_id):
            raise InvalidParamsError(f"tasks[{number}].id: expected a ULID")
        made = new_task(
            pool,
            json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
            key=optional_text(item, "key"),
            priority=priority,
            delay_s=float(delay_s),
            group=group or self._new_group(),
        )
        return replace(made, id=task_id)

    def _from_file(self, name: str, number: int) -> Any:
        """A payload too large for the socket; blocks for the reading."""
        data = read_bytes(
            self._engine.project.payloads_dir, name, limit_bytes=2 * MAX_PAYLOAD_BYTES
        )
        value = data if isinstance(data, Problem) else parse_json(data, RESULT_BOUNDS)
        if isinstance(value, Problem):
            raise InvalidParamsError(f"tasks[{number}].payload_file: {value}")
        return value

    def _pool(self, name: str) -> PoolSpec:
        pools = self._engine.specs.pools
        pool = pools.get(entry(name, pools) or "")
        if pool is None:
            pipelines = {pool.pipeline for pool in pools.values() if pool.pipeline}
            known = ", ".join(sorted({*pools, *pipelines})) or "none"
            raise CallRefusedError(
                f"no pool or pipeline {safe_text(name, limit=80)!r} in config.toml",
                code="refused",
                why=f"Nobody would ever work on it. Known: {known}",
                fix="Add [pools.NAME] with a command and a number of workers",
            )
        return pool

    async def queue(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        """Every queue with its workers and where its tasks stand."""
        pools, engine = self._engine.specs.pools, self._engine
        counts = await engine.tasks.queue.counts()
        rows = [
            {
                "name": pool.name,
                "pipeline": pool.pipeline,
                "workers": engine.pools.workers(pool),
                "busy": engine.pools.busy(pool.name),
                "intake": pool.intake,
                **_shape(pool, pools),
                **_counted(counts.get(pool.name, Counts()), engine.clock().wall),
                **self._served(pool.name, counts.get(pool.name, Counts())),
            }
            for pool in pools.values()
        ]
        # Tasks that nobody can work on are the one thing a person has to know.
        rows += [
            {
                "name": name, "pipeline": None, "workers": 0, "busy": 0, "intake": None,
                **_counted(count, engine.clock().wall),
                **self._served(name, count),
            }
            for name, count in counts.items()
            if name not in pools
        ]  # fmt: skip
        return {"queues": rows}

    def _served(self, queue: str, count: Counts) -> dict[str, Any]:
        """Who works on it: this machine, and the others of the fleet."""
        engine = self._engine
        pool = engine.specs.pools.get(queue)
        here = pool is not None and engine.pools.workers(pool) > 0
        member = engine.membership
        there = member.hosts_of(queue) if member is not None else None
        nobody = None
        if count.unfinished and not here and not there:
            if member is not None and there is None:
                nobody = None  # Not known yet, or the servers are away.
            elif member is not None:
                nobody = "no machine of the fleet has workers for it"
            elif pool is None:
                nobody = "no pool of that name in config.toml"
        return {"nobody": nobody, "hosts": there}

    async def hosts(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        """The fleet as it was heard of last; None without one."""
        member = self._engine.membership
        if member is None:
            return {"hosts": None}
        return {"hosts": [{"name": n, **asdict(card)} for n, card in member.members().items()]}

    async def tasks(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Tasks in one state, oldest first unless ``newest`` is set; with ``text`` only some."""
        state = text(params, "state", default="dead")
        if state not in {kind.value for kind in TaskState}:
            raise InvalidParamsError(f"state: expected one of {', '.join(TaskState)}")
        found = await self._engine.tasks.queue.listed(
            optional_text(params, "queue"),
            TaskState(state),
            after=text(params, "after", default=""),
            limit=min(MAX_LISTED, whole(params, "limit", default=100, minimum=1)),
            look=Look(text(params, "text", default="")[:MAX_SOUGHT], flag(params, "newest")),
        )
        return {"tasks": [task_report(task) for task in found]}

    async def task(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """One task with its payload and result."""
        wanted = text(params, "id")
        detail = await self._engine.tasks.queue.get(wanted.upper())
        if detail is None:
            raise CallRefusedError(f"no task {safe_text(wanted, limit=40)!r}", code="refused")
        return {
            **task_report(detail.task),
            "payload": json.loads(detail.payload),
            "result": None if detail.result is None else json.loads(detail.result),
        }

    async def requeue(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Dead letters are tried again."""
        ids, by = await self._dead(params), text(params, "by", default="client")
        moved = await self._engine.tasks.queue.requeue(ids)
        if moved:
            await self._engine.runs.note(t.DeadRequeued(tuple(moved[:MAX_TOLD]), len(moved), by))
        return {"tasks": moved}

    async def drop(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Dead letters are removed for good."""
        ids, by = await self._dead(params), text(params, "by", default="client")
        gone = await self._engine.tasks.queue.drop(ids)
        if gone:
            await self._engine.runs.note(t.DeadDropped(tuple(gone[:MAX_TOLD]), len(gone), by))
        return {"tasks": gone}

    async def _dead(self, params: dict[str, Any]) -> list[str]:
        """The dead letters that are meant: by ends of their ids, or all (of a queue)."""
        queue = optional_text(params, "queue")
        dead: list[Task] = []
        while page := await self._engine.tasks.queue.listed(
            queue, TaskState.DEAD, after=dead[-1].id if dead else "", limit=MAX_LISTED
        ):
            dead += page
        if flag(params, "all"):
            return [task.id for task in dead]
        wanted = params.get("ids")
        if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
            raise InvalidParamsError("ids: expected a list of strings")
        return [_one_of(item, dead) for item in wanted]

    async def pool(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Another number of workers, at once, until config.toml is applied anew."""
        pool = self._pool(text(params, "pool"))
        workers, by = whole(params, "workers"), text(params, "by", default="client")
        await self._engine.pools.resize(pool, workers, by)
        return {"pool": pool.name, "workers": workers, "configured": pool.workers}


def _one_of(suffix: str, dead: list[Task]) -> str:
    found = [
        task.id for task in dead if len(suffix) >= MIN_SUFFIX and task.id.endswith(suffix.upper())
    ]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} dead letters end with" if found else "no dead letter ends with"
    raise CallRefusedError(
        f"{what} {safe_text(suffix, limit=40)!r}", code="refused", fix="See: longwatch dead list"
    )


def _shape(pool: PoolSpec, pools: Mapping[str, PoolSpec]) -> dict[str, Any]:
    """What the configuration says of a pool, beyond its name."""
    return {
        "configured": pool.workers,
        "long_lived": pool.is_long_lived,
        "next": pool.next,
        "join": any(one.next == pool.name and one.is_next_join for one in pools.values()),
    }


def _counted(counts: Counts, now_wall: float) -> dict[str, Any]:
    oldest = counts.oldest_at
    return {
        "ready": counts.ready,
        "delayed": counts.delayed,
        "leased": counts.leased,
        "done": counts.done,
        "dead": counts.dead,
        "oldest_s": None if oldest is None else max(0.0, now_wall - oldest),
    }


def task_report(task: Task) -> dict[str, Any]:
    """A task as clients get it."""
    plain: dict[str, Any] = to_plain(task)
    return {"problem": None, "key": None, **plain}
