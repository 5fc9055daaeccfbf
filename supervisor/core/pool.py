"""Pools and the stages of pipelines: who works on which queue, and what follows a task's end.

A stage is a pool whose queue is ``PIPELINE.STAGE`` and whose tasks lead to the next stage. Every
decision about a task's end is here; who tells the queue is ``engine.tasks``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.core.describe import stage_words, step_words
from supervisor.core.run import ExitKind, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.core.task import (
    MAX_NEXT,
    NORMAL_PRIORITY,
    DeliveryPolicy,
    Join,
    NewTask,
    TaskRef,
    decide_redelivery,
    task_fault,
)
from supervisor.core.text import visible_text

STOPPED_WITH_ENGINE = "stopped with the engine"
"""How the reason of a stop begins that is no verdict on the task: the next engine goes on."""
FREE_OF_A_WORKER = frozenset({Status.PARKED, Status.HELD})
"""Unfinished, but nothing of it runs and only a person moves it on: its worker is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A number of workers for one queue; the queue has the pool's name."""

    name: str
    spec: AgentSpec
    """How a worker is launched; its name is the pool's."""
    workers: int
    """Tasks that are worked on at the same time; 0 takes none."""
    delivery: DeliveryPolicy
    is_long_lived: bool = False
    """A worker keeps its process from task to task."""
    intake: str | None = None
    """Absolute directory whose files become tasks."""
    pipeline: str | None = None
    """For a stage: which pipeline it is of."""
    next: str | None = None
    """The queue of the stage behind it."""
    joins: tuple[Join, ...] = ()
    """The joins ahead of a task in this queue."""
    is_next_join: bool = False
    """The stage behind it gets one task for the whole group, made by the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTask:
    """A task that an agent declares as the next one."""

    payload: str
    """JSON text."""
    queue: str | None = None
    """None is the next stage."""
    key: str | None = None
    priority: int | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an agent left behind as the outcome of its task."""

    result: str = "null"
    """JSON text."""
    next: tuple[NextTask, ...] | None = None
    """None when it says nothing of next tasks: the result itself goes to the next stage."""
    problem: str | None = None
    """Why what it left cannot be used."""
    is_missing: bool = False
    """It left nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The task is done."""

    result: str
    then: tuple[NewTask, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """The delivery failed."""

    problem: str
    retry_in_s: float | None
    """None: a dead letter."""


@dataclass(frozen=True, slots=True)
class Release:
    """The task goes back to its queue."""


Settlement = Complete | Fail | Release


def workers_busy(states: Iterable[RunState], pool: str) -> int:
    """Workers of that pool that a task occupies."""
    return sum(
        state.task is not None
        and state.task.queue == pool
        and not state.task.outcome
        and state.status not in FREE_OF_A_WORKER
        for state in states
    )


def decide_outcome(
    task: TaskRef,
    declared: Declared | None,
    worker: RunState | None,
    pools: Mapping[str, PoolSpec],
    drawn: tuple[float, str],
) -> Settlement:
    """What the queue is told of a delivery to a long-lived worker.

    ``declared`` is what it left, None when it died without; ``worker`` then says how. ``drawn`` is
    a number in [0, 1) and an id that no group has.
    """
    random_unit, new_group = drawn
    pool = pools.get(task.queue)
    if declared is None:
        if worker is not None and worker.reason.startswith(STOPPED_WITH_ENGINE):
            return Release()
        newest = worker.newest_attempt if worker is not None else None
        ended = newest.exit if newest is not None else None
        problem = f"its worker died: {ended.cause if ended else 'it is gone'}"
        is_permanent = ended is not None and ended.kind is ExitKind.PERMANENT
        return _failed(task, pool, problem, is_permanent=is_permanent, random_unit=random_unit)
    problem = declared.problem or ""
    try:
        then = following(task, declared, pools, new_group)
    except ValueError as error:
        problem = problem or str(error)
    if problem:
        return _failed(task, pool, problem, is_permanent=False, random_unit=random_unit)
    return Complete(result=declared.result, then=then)


def place_of(state: RunState) -> dict[str, Any]:
    """Where a task's run is in its work, in a few words for the screens of other systems.

    ``percent`` is of the step, where the agent counts one. What an earlier attempt said is left
    out, and so is everything that was not said.
    """
    said = state.progress if state.progress_epoch == state.epoch else None
    step = said.step if said is not None else None
    percent = None
    if step is not None and step.completed is not None and step.total:
        percent = round(100 * max(0.0, min(1.0, step.completed / step.total)))
    found = {
        "run": state.status.value,
        "epoch": state.epoch,
        "status": visible_text(said.status, limit=80) if said is not None else "",
        "stage": stage_words(said),
        "step": step_words(step),
        "percent": percent,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def settle(
    state: RunState,
    declared: Declared,
    pools: Mapping[str, PoolSpec],
    *,
    random_unit: float,
    new_group: str,
) -> Settlement:
    """What the queue is told of the task of a run that is over.

    ``random_unit`` is uniform in [0, 1); ``new_group`` an id that no group has.
    """
    task = state.task
    assert task is not None, "a run without a task"
    pool = pools.get(task.queue)
    if state.status is Status.SUCCEEDED and declared.problem is None:
        try:
            return Complete(
                result=declared.result, then=following(task, declared, pools, new_group)
            )
        except ValueError as error:
            return _failed(task, pool, str(error), is_permanent=False, random_unit=random_unit)
    if state.status is Status.STOPPED:
        if state.reason.startswith(STOPPED_WITH_ENGINE):
            return Release()
        return Fail(_problem(state), None)
    newest = state.newest_attempt
    kind = newest.exit.kind if newest and newest.exit else ExitKind.CRASH
    is_permanent = state.status is Status.FAILED and kind is ExitKind.PERMANENT
    problem = _problem(state) if state.status is not Status.SUCCEEDED else str(declared.problem)
    return _failed(task, pool, problem, is_permanent=is_permanent, random_unit=random_unit)


def _problem(state: RunState) -> str:
    """Why the run is over, in the agent's own words too if this attempt had any."""
    progress = state.progress if state.progress_epoch == state.epoch else None
    said = progress.last_error.message if progress and progress.last_error else ""
    return f"{state.reason}: {said}" if said else state.reason


def _failed(
    task: TaskRef, pool: PoolSpec | None, problem: str, *, is_permanent: bool, random_unit: float
) -> Fail:
    if pool is None:
        return Fail(problem, None)  # Nobody is there to try again; a requeue waits for the pool.
    retry_in_s = decide_redelivery(
        pool.delivery, task.delivery, is_permanent=is_permanent, random_unit=random_unit
    )
    return Fail(problem, None if task.delivery >= task.max_deliveries else retry_in_s)


def following(
    task: TaskRef, declared: Declared, pools: Mapping[str, PoolSpec], new_group: str
) -> tuple[NewTask, ...]:
    """The tasks that follow; ValueError names what is wrong with a declared one."""
    pool = pools.get(task.queue)
    if declared.next is None:
        if pool is None or pool.next is None or pool.is_next_join:
            return ()
        wanted: tuple[NextTask, ...] = (NextTask(payload=declared.result),)
    else:
        wanted = declared.next
    if len(wanted) > MAX_NEXT:
        raise ValueError(f"result.json declares {len(wanted)} next tasks; at most {MAX_NEXT}")
    return tuple(
        _next(number, item, task, pools, new_group) for number, item in enumerate(wanted, 1)
    )


def _next(
    number: int, item: NextTask, task: TaskRef, pools: Mapping[str, PoolSpec], new_group: str
) -> NewTask:
    where = f"result.json: next task {number}"
    own = pools.get(task.queue)
    name = item.queue or (own.next if own else None)
    if name is None:
        raise ValueError(f"{where} names no queue, and {task.queue} has no stage behind it")
    target = pools.get(entry(name, pools) or "")
    if target is None:
        raise ValueError(f"{where}: no pool or pipeline {name[:80]!r} in config.toml")
    is_same = own is not None and own.pipeline is not None and own.pipeline == target.pipeline
    made = new_task(
        target,
        item.payload,
        key=item.key,
        priority=item.priority,
        delay_s=item.delay_s,
        group=task.group if is_same and task.group else f"{new_group}-{number}",
    )
    if (fault := task_fault(made)) is not None:
        raise ValueError(f"{where}: {fault}")
    return made


def new_task(
    pool: PoolSpec,
    payload: str,
    *,
    key: str | None = None,
    priority: int | None = None,
    delay_s: float = 0.0,
    group: str,
) -> NewTask:
    """A task for that pool's queue; ``group`` counts only where the pool is of a pipeline."""
    return NewTask(
        queue=pool.name,
        payload=payload,
        key=key,
        priority=NORMAL_PRIORITY if priority is None else priority,
        delay_s=delay_s,
        max_deliveries=pool.delivery.max_deliveries,
        group=group if pool.pipeline is not None else None,
        joins=pool.joins,
    )


def entry(name: str, pools: Mapping[str, PoolSpec]) -> str | None:
    """The queue that ``name`` means: a pool, a stage, or a pipeline's first stage."""
    if name in pools:
        return name
    return next((pool.name for pool in pools.values() if pool.pipeline == name), None)
