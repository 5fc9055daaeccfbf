"""A process that works on task after task: waits for one, enters its room, leaves it.

The worker's directory has the delivery and the outcome; the task's directory, which follows it to
whichever worker gets it next, has its steps, its checkpoint and its result. While a task is worked
on, the agent's durable parts are those of that room. Nothing can be asked and nothing parks from
there: the process belongs to the tasks behind it too.
"""

from __future__ import annotations

import os
import time

from supervisor.agent.canonical import ascii_json
from supervisor.agent.faults import AgentFaultError
from supervisor.agent.fence import Fence
from supervisor.agent.launch import Launch
from supervisor.agent.positions import Positions
from supervisor.agent.run_files import CHECKPOINT, EPOCH, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from supervisor.agent.agent import Agent
    from supervisor.agent.task import Task

WORKER = "LONGWATCH_WORKER"
DELIVERY = "delivery.json"
OUTCOME = "outcome.json"
SHORTEST_POLL_S, LONGEST_POLL_S = 0.005, 0.05
_OF_A_ROOM = (
    "_checkpoint", "_fence", "_is_task_read", "_journal", "_launch_or_none", "_positions",
    "_requests", "_resumed", "_sleeps", "_steps", "_task", "_tracks", "_values",
)  # fmt: skip
"""The parts of an agent that belong to one run directory."""


class CannotAskError(AgentFaultError):
    """A question from a worker that keeps its process: whoever waits holds up the others."""


def is_worker(launch: Launch) -> bool:
    """Whether this process takes task after task."""
    return launch.is_supervised and os.environ.get(WORKER) == "1"


def deliveries(agent: Agent) -> Iterator[Task]:
    """Each task that is delivered to this process, for as long as it lives."""
    launch = agent._launch
    files = RunFiles(launch.run_dir)
    done = 0
    while True:
        delivery = _next_delivery(files, launch.epoch, done)
        done = delivery["serial"]
        room = {name: agent.__dict__.get(name) for name in _OF_A_ROOM}
        task = _enter(agent, launch, delivery["directory"])
        yield task
        if not task.is_completed:
            task.complete()
        agent._journal.close()
        agent.__dict__.update(room)
        outcome = ascii_json({"serial": done}, "the outcome")
        files.write(OUTCOME, outcome.encode(), durable=True)


def _next_delivery(files: RunFiles, epoch: int, done: int) -> dict[str, Any]:
    """The next one for this attempt; one for an attempt before was failed when that died."""
    pause_s = SHORTEST_POLL_S
    while True:
        delivery = files.read_object(DELIVERY)
        if delivery and delivery.get("epoch") == epoch and delivery.get("serial") != done:
            return delivery
        time.sleep(pause_s)
        pause_s = min(LONGEST_POLL_S, pause_s * 1.5)


def _enter(agent: Agent, worker: Launch, directory: str) -> Task:
    from supervisor.agent.task import read_task

    files = RunFiles(directory)
    files.prepare()
    launch = Launch(
        run_dir=directory,
        run_id=os.path.basename(directory),
        agent_name=worker.agent_name,
        epoch=int(files.read(EPOCH) or 0) + 1,
    )
    # A wait stays here, in the process: leaving it would take the worker away.
    launch.is_supervised = False
    launch.task_file = files.path("task.json")
    if os.path.exists(files.path(CHECKPOINT)):
        launch.resume_from = files.path(CHECKPOINT)
    fence = Fence(files, launch.run_id, launch.epoch)
    fence.claim()
    files.clear_leftovers()
    agent._launch_or_none = launch
    agent._fence = fence
    agent._positions = Positions()
    agent._positions.begin()
    agent._read(launch, files)
    agent._requests = _Nobody()  # type: ignore[assignment]
    task = read_task(launch)
    assert task is not None, "a delivery without a task"
    launch.attempt = task.delivery
    agent._task, agent._is_task_read = task, True
    return task


class _Nobody:
    """Stands where questions are asked."""

    def ask(self, question: Any, *, park: bool) -> NoReturn:
        """Refuse."""
        del question, park
        raise CannotAskError(
            "a long-lived worker cannot ask: its process would wait with every task behind this "
            'one. Set worker = "per-task" for this pool'
        )
