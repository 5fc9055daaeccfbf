"""Tasks and the runs that work on them: one begins the other, and its end settles the first.

A task's run has the task's id, so its directory, checkpoints and journal follow it over all
deliveries. The queue is told only after the run's end is stored; a death of ours in between is
made up for by ``recover``, from the leases that the queue still shows as ours. What to tell it is
decided in ``core.pool``.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from supervisor.config.defaults import RETENTION_S
from supervisor.core import facts as f
from supervisor.core.ids import ulid
from supervisor.core.pool import (
    Complete,
    Declared,
    PoolSpec,
    Release,
    Settlement,
    following,
    place_of,
    settle,
)
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.task import Lease, NewTask, TaskRef, TaskState
from supervisor.engine.checkpoints import adopt_checkpoint
from supervisor.engine.long_workers import LongWorkers
from supervisor.errors import EnvironmentFaultError, LongwatchError
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object
from supervisor.protocol.task import (
    RESULT_BOUNDS,
    RESULT_LIMIT_BYTES,
    RESULT_NAME,
    TASK_NAME,
    read_declared,
    write_task,
)
from supervisor.queue.port import (
    LEASE_S,
    StaleLeaseError,
    TaskQueue,
    TaskRefusedError,
    TaskShows,
)

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine
    from supervisor.engine.shared_asks import SharedAsks

REST_S = 1.0
"""Until something that may pass is tried again."""
QUEUE = "the queue"
LOST = "its task was taken away, or given to another worker"
"""Who starts and stops a task's run, in the log."""


class Tasks:
    """Between the queue and the runs."""

    def __init__(
        self, engine: Engine, queue: TaskQueue, worker: str, *, lease_s: float = LEASE_S
    ) -> None:
        self._engine = engine
        self.queue = queue
        self.worker = worker
        self.lease_s = lease_s
        self.asks: SharedAsks | None = None
        """Questions that can be answered on any machine, where the backend has that."""
        self.is_recovered = False
        """Whether what this machine held was looked through; before that nothing is claimed."""
        self.long = LongWorkers(engine, self)
        self._settling: dict[str, asyncio.Task[None]] = {}
        self._random = random.SystemRandom()
        self.bell = asyncio.Event()
        """Set when a worker may have become free; a waiter takes the event it found before."""

    @property
    def pools(self) -> Mapping[str, PoolSpec]:
        """By queue."""
        return self._engine.specs.pools

    def ring(self) -> None:
        """Whoever waits for a free worker looks again."""
        self.bell.set()
        self.bell = asyncio.Event()

    # -- a delivery begins --------------------------------------------------------------------

    async def begin(self, lease: Lease, spec: PoolSpec) -> None:
        """Have the task's run work on this delivery; raises LongwatchError when it cannot."""
        engine, task, luggage = self._engine, lease.task, self._engine.luggage
        state = engine.runs.state(task.id) or await engine.runs.bring_back(task.id)
        floor = 0
        if state is None or state.status in FINAL - {Status.SUCCEEDED}:
            await asyncio.to_thread(self._prepare, lease)
            floor = await luggage.unpack(lease.token) if luggage is not None else 0
        came = None
        if floor:
            generation = state.next_generation if state is not None else 1
            name = (state.spec if state is not None else spec.spec).checkpoint
            came = await asyncio.to_thread(
                adopt_checkpoint, engine.project, task.id, name, generation
            )
        ref = TaskRef(
            queue=task.queue,
            token=lease.token,
            delivery=task.deliveries,
            max_deliveries=task.max_deliveries,
            group=task.group,
            is_shared=luggage is not None,
            epoch_floor=floor,
        )
        if state is None:
            engine.runs.create_for(task.id, spec.spec, ref)
            if came is not None:
                engine.feed(task.id, came)
            engine.feed(task.id, f.StartWanted())
        elif state.status not in FINAL:
            engine.feed(task.id, f.TaskGiven(ref))  # It works on it already: only the token is new.
        elif state.status is Status.SUCCEEDED:
            # Its outcome is there, but the queue could not take it then: ``see`` settles it.
            engine.feed(task.id, f.TaskGiven(ref))
        else:
            by = f"{QUEUE}, delivery {task.deliveries}"
            engine.feed(task.id, f.RestartWanted(by, task=ref))
            if came is not None:  # Before anybody looks for what to resume from.
                engine.feed(task.id, came)
            engine.feed(task.id, f.SpecWanted(spec.spec))

    def _prepare(self, lease: Lease) -> None:
        """What has to be on disk before a delivery; the outcome of an earlier one is taken away."""
        self._engine.project.ensure_run(lease.task.id)
        run_dir = self._engine.project.run_dir(lease.task.id)
        (run_dir / RESULT_NAME).unlink(missing_ok=True)
        write_task(run_dir, lease)

    # -- and ends -----------------------------------------------------------------------------

    def see(self, run_id: str) -> None:
        """An event of a run was stored."""
        # What is decided may be ahead of it: the queue is told of nothing that a crash could lose.
        state = self._engine.runs.published_state(run_id)
        if state is None:
            return
        if state.task is None:
            if state.agent in self.pools:
                self.long.see(run_id)
                self.ring()
            return
        self.ring()
        if state.status in FINAL and not state.task.outcome:
            self._settle_soon(state.id)

    def left(self, state: RunState) -> Declared | None:
        """What a finished attempt left as its task's outcome, with what is wrong with it; None
        for a run without a task. Blocks for the reading."""
        if state.task is None:
            return None
        declared = read_declared(self._engine.project.run_dir(state.id))
        try:
            following(state.task, declared, self.pools, self._new_group())
        except ValueError as error:
            return replace(declared, problem=declared.problem or str(error))
        return declared

    def draw(self) -> tuple[float, str]:
        """What a decision needs of chance: a number in [0, 1) and an id that no group has."""
        return self._random.random(), self._new_group()

    def _new_group(self) -> str:
        return ulid(self._engine.clock().wall, secrets.randbits(80))

    def _settle_soon(self, run_id: str) -> None:
        if run_id in self._settling:
            return
        task = asyncio.get_running_loop().create_task(self._settle(run_id))
        self._settling[run_id] = task
        task.add_done_callback(lambda _done: self._settling.pop(run_id, None))

    async def _settle(self, run_id: str) -> None:
        state = self._engine.runs.published_state(run_id)
        if state is None or state.task is None or state.status not in FINAL:
            return
        try:
            declared = Declared()
            if state.status is Status.SUCCEEDED:
                run_dir = self._engine.project.run_dir(run_id)
                declared = await asyncio.to_thread(read_declared, run_dir)
            verdict = settle(
                state,
                declared,
                self.pools,
                random_unit=self._random.random(),
                new_group=self._new_group(),
            )
            over = await self.tell(state.task.token, verdict)
            if over.outcome == "lost":
                await self._return_one(state)
            await self._engine.feed(run_id, over).stored
        except EnvironmentFaultError as error:
            # The servers of a shared queue are away: told again, or refused once they are back.
            sys.stderr.write(f"longwatch engine: task {run_id}: {error}\n")
            asyncio.get_running_loop().call_later(REST_S, self._settle_soon, run_id)
        except LongwatchError as error:
            # Still leased to us: the next engine settles it.
            sys.stderr.write(f"longwatch engine: task {run_id}: {error}\n")

    async def tell(self, token: str, verdict: Settlement) -> f.TaskOver:
        """Tell the queue; what the log is told."""
        try:
            if isinstance(verdict, Complete):
                try:
                    await self.queue.complete(token, verdict.result, verdict.then)
                except TaskRefusedError as error:
                    await self.queue.fail(token, str(error), None)
                    return f.TaskOver(token, "dead", str(error))
                return f.TaskOver(token, "completed", followed=len(verdict.then))
            if isinstance(verdict, Release):
                await self.queue.release(token)
                return f.TaskOver(token, "released")
            state = await self.queue.fail(token, verdict.problem, verdict.retry_in_s)
            if state is TaskState.DEAD:
                return f.TaskOver(token, "dead", verdict.problem)
            return f.TaskOver(token, "retried", verdict.problem, verdict.retry_in_s)
        except StaleLeaseError as error:
            return f.TaskOver(token, "lost", str(error))

    async def settled(self) -> None:
        """Wait until the queue was told of every run that is over."""
        while self._settling:
            await asyncio.gather(*self._settling.values(), return_exceptions=True)
        await self.long.settled()

    async def has_work(self) -> bool:
        """Whether a task is waiting for a worker or has one."""
        counts = await self.queue.counts()
        return any(counts[name].unfinished for name in counts if name in self.pools)

    async def forget(self) -> None:
        """Remove what has been done for longer than the stated retention."""
        before = self._engine.clock().wall - RETENTION_S
        while await self.queue.forget(before):
            await asyncio.sleep(0)

    # -- leases -------------------------------------------------------------------------------

    async def follow_leases(self) -> None:
        """Hold every lease for as long as its run is not settled."""
        while True:
            await asyncio.sleep(self.lease_s / 3)
            await self._extend()

    async def _extend(self) -> None:
        held = {}
        for state in self._engine.runs.states():
            if state.task is not None and not state.task.outcome:
                held[state.task.token] = state.id
                if isinstance(self.queue, TaskShows):
                    self.queue.show_progress(state.task.token, place_of(state))
        tokens = [*held, *self.long.tokens()]
        for token in await self.queue.extend(tokens, self.lease_s):
            if token in held:
                await self._lost(held[token], token)

    async def _lost(self, run_id: str, token: str) -> None:
        """Another worker may have the task: ours ends, and what it leaves counts for nothing."""
        state = self._engine.runs.state(run_id)
        if state is None or state.task is None or state.task.token != token:
            return
        if run_id in self._settling or await self._return_one(state):
            return
        self._engine.feed(run_id, f.TaskOver(token, "lost", "its lease is over"))
        if state.status not in FINAL:
            self._engine.feed(run_id, f.StopWanted(QUEUE, LOST))

    # -- after a death of ours ----------------------------------------------------------------

    async def recover(self) -> None:
        """Go on with every lease of ours, and with the runs whose task the queue has lost.

        While the servers of a shared queue are away nothing of it happens; it is tried again.
        """
        try:
            await self._return_lost()
            held = await self.queue.held_by(self.worker)
            await self.queue.extend([lease.token for lease in held], self.lease_s)
            for lease in held:
                await self._recover_one(lease)
            if self._engine.luggage is not None:
                await self._give_up_lost({lease.token for lease in held})
        except EnvironmentFaultError as error:
            sys.stderr.write(f"longwatch engine: tasks: {error}\n")
        else:
            self.is_recovered = True

    async def _give_up_lost(self, held: set[str]) -> None:
        """Runs of a task that another machine was given while nobody here extended the lease."""
        for state in self._engine.runs.active():
            task = state.task
            if task is not None and not task.outcome and task.token not in held:
                await self._lost(state.id, task.token)

    async def _recover_one(self, lease: Lease) -> None:
        pool = self.pools.get(lease.task.queue)
        if pool is not None and pool.is_long_lived:
            await self.long.recover(lease)
            return
        run_id = lease.task.id
        runs = self._engine.runs
        state = runs.state(run_id) or await runs.bring_back(run_id)
        is_known = state is not None and state.task is not None
        if is_known and state and state.task and state.task.token == lease.token:
            if state.status not in FINAL:
                return
            if not state.task.outcome:
                self._settle_soon(run_id)
                return
        if pool is None:
            await self.queue.release(lease.token)
            return
        await self.begin(lease, pool)  # Claimed, and then we died.

    async def _return_lost(self) -> None:
        """Tasks of unfinished runs that a lost ``state.db`` took with it are submitted again."""
        for state in self._engine.runs.active():
            if state.task is not None and not state.task.outcome:
                await self._return_one(state)

    async def _return_one(self, state: RunState) -> bool:
        """Submit the task of ``state`` again if the queue does not know it: its run goes on, and
        is attached to it by the next claim. Whether it was so."""
        if await self.queue.get(state.id) is not None:
            return False
        task = await asyncio.to_thread(self._from_file, state)
        await self.queue.submit([task])
        sys.stderr.write(f"longwatch engine: task {state.id} was put back into its queue\n")
        return True

    def _from_file(self, state: RunState) -> NewTask:
        assert state.task is not None
        value = read_object(
            self._engine.project.run_dir(state.id),
            TASK_NAME,
            limit_bytes=RESULT_LIMIT_BYTES,
            bounds=RESULT_BOUNDS,
        )
        payload = None if isinstance(value, Problem) else value.get("payload")
        pool = self.pools.get(state.task.queue)
        return NewTask(
            queue=state.task.queue,
            payload=json.dumps(payload),
            max_deliveries=state.task.max_deliveries,
            id=state.id,
            group=state.task.group,
            joins=pool.joins if pool and state.task.group else (),
        )
