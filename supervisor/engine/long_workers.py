"""Workers that keep their process from task to task: who has which, and what each leaves.

A long-lived worker is a run of its pool's settings without a task of its own. A delivery is a file
in its directory; the outcome is another, beside the task's own directory, which follows the task
to whichever worker gets it next. What a worker has in hand is written down in its records before
it is told, so that an engine that dies finds the worker and its task together again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from supervisor.core import facts as f
from supervisor.core import task_events as t
from supervisor.core.pool import PoolSpec, decide_outcome
from supervisor.core.run import ALIVE, FINAL, RunState, Status
from supervisor.core.task import Lease, TaskRef
from supervisor.engine.retention import remove_tree
from supervisor.errors import LongwatchError
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object
from supervisor.protocol.task import (
    OUTCOME_NAME,
    RESULT_NAME,
    read_declared,
    read_outcome,
    write_delivery,
    write_task,
)

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine
    from supervisor.engine.tasks import Tasks

HAND_NAME = "delivery.json"
"""In the worker's records: what it has in hand."""
REPLACE_S = 10.0
"""Between two new workers of a pool in the place of ones that ended: a program that cannot even
start must not be started as fast as the machine can."""


@dataclass(frozen=True, slots=True)
class Hand:
    """A delivery in the hands of one attempt of a worker."""

    token: str
    serial: int
    epoch: int
    task: str
    queue: str
    delivery: int
    max_deliveries: int
    group: str | None

    def ref(self) -> TaskRef:
        """As the core knows a delivery."""
        return TaskRef(
            queue=self.queue,
            token=self.token,
            delivery=self.delivery,
            max_deliveries=self.max_deliveries,
            group=self.group,
        )


class LongWorkers:
    """All workers of this engine that outlive a task."""

    def __init__(self, engine: Engine, tasks: Tasks) -> None:
        self._engine = engine
        self._tasks = tasks
        self._hands: dict[str, Hand] = {}
        """By the worker's run id."""
        self._looking: set[str] = set()
        self._again: set[str] = set()
        self._works: set[asyncio.Task[None]] = set()
        self._replaced_at: dict[str, float] = {}

    # -- the workers --------------------------------------------------------------------------

    def of_pool(self, name: str) -> list[RunState]:
        """Workers of that pool that are not over."""
        return [s for s in self._engine.runs.active() if s.agent == name and s.task is None]

    def free(self, name: str) -> list[RunState]:
        """Those that can be given a task."""
        return [
            s for s in self.of_pool(name) if s.status is Status.RUNNING and s.id not in self._hands
        ]

    def busy(self, name: str) -> int:
        """How many have one in hand."""
        return sum(hand.queue == name for hand in self._hands.values())

    def tokens(self) -> list[str]:
        """The leases to be held."""
        return [hand.token for hand in self._hands.values()]

    def keep(self, pool: PoolSpec, wanted: int) -> None:
        """Have that many workers: missing ones are started, idle ones beyond it stopped."""
        there = self.of_pool(pool.name)
        for _ in range(len(there), wanted):
            if not self._may_start(pool.name):
                break
            run = self._engine.runs.create(pool.spec, f"a worker of {pool.name}").state
            self._engine.project.ensure_run(run.id)
            self._engine.feed(run.id, f.StartWanted())
        idle = [state for state in there if state.id not in self._hands]
        for state in idle[: max(0, len(there) - wanted)]:
            self._engine.feed(state.id, f.StopWanted("the pool", "it has fewer workers now"))

    def dismiss(self, name: str) -> None:
        """The pool is gone: idle workers end, the others when they are next looked at."""
        for state in self.of_pool(name):
            if state.id not in self._hands:
                self._engine.feed(state.id, f.StopWanted("the pool", "it is not in config.toml"))

    async def settled(self) -> None:
        """Wait until the queue was told of what is being looked at."""
        while self._works:
            await asyncio.gather(*self._works, return_exceptions=True)

    def _may_start(self, name: str) -> bool:
        newest = self._engine.runs.newest_of(name)
        ended_badly = newest is not None and newest.status in (Status.FAILED, Status.TIMED_OUT)
        if not ended_badly:
            return True
        now = time.monotonic()
        if now - self._replaced_at.get(name, -REPLACE_S) < REPLACE_S:
            return False
        self._replaced_at[name] = now
        return True

    # -- a delivery ---------------------------------------------------------------------------

    async def give(self, worker: RunState, lease: Lease) -> None:
        """Put a task into a worker's hands; raises LongwatchError or OSError when it cannot."""
        task = lease.task
        hand = Hand(
            lease.token,
            secrets.randbits(48),
            worker.epoch,
            task.id,
            task.queue,
            task.deliveries,
            task.max_deliveries,
            task.group,
        )
        self._hands[worker.id] = hand
        try:
            await asyncio.to_thread(self._hand_over, worker.id, hand, lease)
        except (LongwatchError, OSError):
            del self._hands[worker.id]
            raise
        self.see(worker.id)  # It may have died while the files were written.

    def _hand_over(self, worker: str, hand: Hand, lease: Lease) -> None:
        project = self._engine.project
        project.ensure_run(hand.task)
        task_dir = project.run_dir(hand.task)
        (task_dir / RESULT_NAME).unlink(missing_ok=True)
        write_task(task_dir, lease)
        written = json.dumps(asdict(hand)).encode()
        write_atomic(project.record_dir(worker) / HAND_NAME, written)
        write_delivery(project.run_dir(worker), hand.serial, hand.epoch, task_dir)

    def see(self, run_id: str) -> None:
        """An event of a run was stored: a worker that died has nothing in its hands any more."""
        hand, state = self._hands.get(run_id), self._engine.runs.published_state(run_id)
        if hand is not None and state is not None and not _holds(state, hand):
            self._look_soon(run_id)

    def look(self, run_id: str, hinted: Collection[str]) -> None:
        """Files of a run may have changed."""
        if run_id in self._hands and (not hinted or OUTCOME_NAME in hinted):
            self._look_soon(run_id)

    def _look_soon(self, run_id: str) -> None:
        if run_id in self._looking:
            self._again.add(run_id)
            return
        self._looking.add(run_id)
        work = asyncio.get_running_loop().create_task(self._look(run_id))
        self._works.add(work)
        work.add_done_callback(self._works.discard)

    async def _look(self, run_id: str) -> None:
        try:
            self._again.discard(run_id)
            await self._settle(run_id)
        except LongwatchError as error:
            sys.stderr.write(f"longwatch engine: worker {run_id}: {error}\n")
        finally:
            self._looking.discard(run_id)
            if run_id in self._again and run_id in self._hands:
                self._look_soon(run_id)

    async def _settle(self, run_id: str) -> None:
        """Tell the queue if the worker has left an outcome, or has died without one."""
        hand, project = self._hands.get(run_id), self._engine.project
        if hand is None:
            return
        # Before the file is read: what it wrote last is still its word.
        state = self._engine.runs.published_state(run_id)
        is_gone = state is None or not _holds(state, hand)
        is_left = await asyncio.to_thread(read_outcome, project.run_dir(run_id), hand.serial)
        if not is_left and not is_gone:
            return
        declared = None
        if is_left:
            declared = await asyncio.to_thread(read_declared, project.run_dir(hand.task))
        verdict = decide_outcome(hand.ref(), declared, state, self._tasks.pools, self._tasks.draw())
        over = await self._tasks.tell(hand.token, verdict)
        self._hands.pop(run_id, None)
        event = t.TaskWorked(
            hand.task, hand.queue, run_id, over.outcome, over.problem, over.followed
        )
        await self._engine.runs.note(event)
        if over.outcome in ("completed", "lost"):
            await asyncio.to_thread(self._forget, hand)
        self._tasks.ring()

    def _forget(self, hand: Hand) -> None:
        """The room of a task that is done: its result is in the queue."""
        project = self._engine.project
        if (project.record_dir(hand.task) / "run.json").exists():
            return  # It once had a run of its own, whose records are kept like any other's.
        for parent in (project.runs_dir, project.records_dir):
            remove_tree(parent, hand.task)

    # -- after a death of ours ----------------------------------------------------------------

    async def recover(self, lease: Lease) -> None:
        """Find who has this lease in hand; nobody: it goes back as if it had not been claimed."""
        for state in self._engine.runs.states():
            if state.agent != lease.task.queue or state.task is not None:
                continue
            hand = await asyncio.to_thread(self._hand_of, state.id)
            if hand is not None and hand.token == lease.token:
                self._hands[state.id] = hand
                self._look_soon(state.id)
                return
        await self._tasks.queue.release(lease.token)

    def _hand_of(self, run_id: str) -> Hand | None:
        value = read_object(self._engine.project.record_dir(run_id), HAND_NAME)
        if isinstance(value, Problem):
            return None
        try:
            return Hand(**value)
        except TypeError:
            return None


def _holds(state: RunState, hand: Hand) -> bool:
    """Whether the attempt that was given it still lives."""
    return state.epoch == hand.epoch and state.status in ALIVE and state.status not in FINAL
