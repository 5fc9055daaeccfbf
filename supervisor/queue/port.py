"""What a task queue promises, whatever is behind it: one contract, one suite, several backends.

The suite is ``tests/queue/queue_suite.py``: a backend is done when it passes. docs/queue.md tells
the same to people. What every backend promises:

- **Durable**: when ``submit``, ``complete``, ``fail``, ``requeue`` or ``drop`` has returned, what
  it did survives the death of everybody.
- **One worker a task**: a claim gives out a new token. Every later write carries it, and is
  refused (StaleLeaseError) once the lease was lost and the task given out again, or settled by
  somebody else. At least once: a worker that dies has its task delivered again.
- **One step**: ``complete`` stores the result, ends the task and submits the next ones, all or
  nothing as far as anybody can see. Calling it again with the same token changes nothing.
- **Order**: of the tasks that are ready, the higher priority first; within a priority in the order
  they were submitted, as one claimer sees it. Several claimers, several machines, delays and
  redeliveries move tasks against each other: nobody may rely on an order between two *completions*.
- **Time** is the backend's own and never the wall clock of a worker: a clock that is set moves no
  delay and no lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

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
)
from supervisor.errors import RefusedError

LEASE_S = 30.0
"""How long a dead engine's tasks wait for another one; a living one extends its leases at a third
of this. A worker's own death is seen at once by its engine and needs no lease."""


class StaleLeaseError(RefusedError):
    """The token is of a lease that was lost or settled; nothing was changed."""


class TaskRefusedError(RefusedError):
    """The task cannot be taken as it is (its size, its key, its numbers); nothing was changed."""


class TaskFiles(Protocol):
    """What a task has with it when another machine goes on with it: journal, checkpoint, results.

    Offered by backends that several machines share. Everything goes when the task is done.
    """

    async def keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        """Store ``data`` as the whole of ``name``, or with ``offset`` behind what is there.

        ``offset`` is where the data begins: what is stored already changes nothing, a gap is
        refused (RefusedError). Raises StaleLeaseError.
        """
        ...

    async def take(self, token: str) -> dict[str, bytes]:
        """All of it by name; whoever wrote it under an earlier lease writes no more.

        Raises StaleLeaseError.
        """
        ...

    async def kept_size(self, task_id: str, name: str) -> int:
        """Bytes of one; 0 when it is not there."""
        ...


@runtime_checkable
class TaskAsks(Protocol):
    """Questions of tasks, so that they can be answered on any machine. Not every backend has it."""

    async def show_asked(self, task_id: str, asked: Sequence[dict[str, Any]]) -> None:
        """All open requests of the task's agent: ``id``, ``title``, ``hash`` and what is asked."""
        ...

    async def answers(self, task_id: str) -> list[dict[str, Any]]:
        """What was answered elsewhere: parameters of the call ``answer``, oldest first."""
        ...

    async def answer(self, request_id: str, params: dict[str, Any]) -> bool:
        """Send an answer to the machine that has the task; False when nobody asks that.

        RefusedError when its hash is not that of the request.
        """
        ...


@runtime_checkable
class TaskShows(Protocol):
    """Where a task is in its work, for the backend's own screens. Not every backend has them."""

    def show_progress(self, token: str, progress: Mapping[str, Any]) -> None:
        """Goes out with the next extension of that lease; nothing depends on it."""
        ...


class TaskQueue(Protocol):
    """Tasks from submission to result. Every call may be made from several tasks at once."""

    async def submit(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        """Take ``tasks``, all or none, in this order; one answer each.

        A key that its queue knows adds nothing and gives back the task that has it, done and dead
        ones included; so does an id that is known. Raises TaskRefusedError.
        """
        ...

    async def claim(
        self, queue: str, worker: str, lease_s: float, *, limit: int = 1, wait_s: float = 0.0
    ) -> list[Lease]:
        """Up to ``limit`` tasks that are ready, each leased to ``worker`` for ``lease_s``.

        With none there it waits up to ``wait_s`` for the first. Being cancelled it may have taken
        tasks that nobody got: their lease runs out.
        """
        ...

    async def extend(self, tokens: Sequence[str], lease_s: float) -> list[str]:
        """Hold these leases for ``lease_s`` from now; the tokens that are not valid any more."""
        ...

    async def complete(self, token: str, result: str, then: Sequence[NewTask] = ()) -> bool:
        """Store ``result`` (JSON text), end the task and submit ``then``, in one step.

        If the task has a join and nothing of its group is unfinished after this, the task of
        ``core.task.joined_task`` is submitted as well. False when this very token completed it
        before: nothing happens twice. Raises StaleLeaseError, TaskRefusedError.
        """
        ...

    async def fail(self, token: str, problem: str, retry_in_s: float | None) -> TaskState:
        """This delivery failed: delivered again after ``retry_in_s``, or dead when None or when
        it was the last one. Where the task stands now. A death may complete a join as well.

        Raises StaleLeaseError.
        """
        ...

    async def release(self, token: str) -> None:
        """Give the task back as if it had not been claimed: the delivery is not counted.

        Raises StaleLeaseError.
        """
        ...

    async def held_by(self, worker: str) -> list[Lease]:
        """The leases of ``worker``, also those that ran out and were given to nobody yet: what it
        goes on with after a death of its own."""
        ...

    async def requeue(self, task_ids: Sequence[str]) -> list[str]:
        """Make dead letters ready again, deliveries counted anew; the ids that were dead."""
        ...

    async def drop(self, task_ids: Sequence[str]) -> list[str]:
        """Remove dead letters for good; the ids that were dead. Their keys are free again."""
        ...

    async def get(self, task_id: str) -> TaskDetail | None:
        """One task with its payload and result."""
        ...

    async def listed(
        self,
        queue: str | None,
        state: TaskState,
        *,
        after: str = "",
        limit: int = 100,
        look: Look = USUAL,
    ) -> list[Task]:
        """Tasks in that state, oldest submission first, those behind the task ``after``; with a
        ``look`` only some of them, or the newest first."""
        ...

    async def counts(self) -> dict[str, Counts]:
        """How many tasks of each queue stand where; its cost does not grow with the backlog."""
        ...

    async def forget(self, finished_before: float, limit: int = 1000) -> int:
        """Remove up to ``limit`` done tasks that ended before that Unix time; how many went."""
        ...

    async def close(self) -> None:
        """Let go; waiting claims return with nothing. May be called twice."""
        ...
