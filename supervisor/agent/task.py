"""The task a run works on: what was submitted, and the outcome it leaves.

The outcome is a file that the supervisor reads when the process has left with exit status 0; it
is no outcome before that. A task that is delivered again finds the run as it was left: its steps,
its loops and its checkpoint.
"""

from __future__ import annotations

import json

from supervisor.agent.canonical import plain
from supervisor.agent.faults import TaskFileError, TaskRejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from supervisor.agent.agent import Agent
    from supervisor.agent.launch import Launch
    from supervisor.agent.run_files import RunFiles

RESULT = "result.json"


class Next:
    """A task to be submitted together with the completion of this one."""

    __slots__ = ("delay_seconds", "key", "payload", "priority", "queue")

    def __init__(
        self,
        payload: Any,
        queue: str | None = None,
        *,
        key: str | None = None,
        priority: int | None = None,
        delay_seconds: float | None = None,
    ) -> None:
        """``queue`` is a pool or a pipeline; None is the next stage of this one's pipeline.

        Of all tasks of a queue with one ``key`` only the first is taken. ``priority`` is 0 to 9,
        higher first.
        """
        self.payload = payload
        self.queue = queue
        self.key = key
        self.priority = priority
        self.delay_seconds = delay_seconds


class Task:
    """One delivery of a task."""

    def __init__(self, files: RunFiles, value: dict[str, Any]) -> None:
        self._files = files
        self.id: str = str(value.get("id", ""))
        """The same in every delivery; also the id of the run."""
        self.queue: str = str(value.get("queue", ""))
        self.payload: Any = value.get("payload")
        """What was submitted."""
        self.key: str | None = value.get("key")
        self.delivery = int(value.get("delivery") or 1)
        """Counts from 1."""
        self.max_deliveries = int(value.get("max_deliveries") or 1)
        self.group: str | None = value.get("group")
        """What the tasks of one submission to a pipeline have in common."""
        self.is_completed = False
        """Whether ``complete`` was called in this attempt."""

    def complete(self, result: Any = None, next: Iterable[Any] | None = None) -> None:  # noqa: A002
        """Leave ``result`` (JSON values), and the tasks that follow, as the outcome.

        On the disk when this returns; it counts once the process leaves with exit status 0, and a
        later call replaces it. ``next`` holds payloads or ``Next``; None leaves what follows to
        the pipeline, an empty list is nothing.
        """
        outcome: dict[str, Any] = {"result": plain(result, "the result of the task")}
        if next is not None:
            outcome["next"] = [_entry(item) for item in next]
        data = json.dumps(outcome, ensure_ascii=True, allow_nan=False).encode()
        self._files.write(RESULT, data, durable=True)
        self.is_completed = True

    def reject(self, message: str) -> None:
        """Say that no other delivery can help: raises TaskRejectedError, and the task is a dead
        letter. To be delivered again, raise anything else."""
        raise TaskRejectedError(message)


class Tasking:
    """What ``Agent`` inherits; not used by itself."""

    @property
    def _launch(self) -> Launch:
        raise NotImplementedError

    _task: Task | None = None
    _is_task_read = False

    @property
    def task(self) -> Task | None:
        """The task this run works on; None when it has none.

        Raises TaskFileError when its file cannot be read.
        """
        if not self._is_task_read:
            self._task = read_task(self._launch)
            self._is_task_read = True
        return self._task

    def tasks(self) -> Iterator[Task]:
        """Each task this process is given; the body's end completes the task if it did not.

        With a process for each task that is one, or none without a task. A long-lived worker
        (``worker = "long-lived"``) gets one after the other until it is stopped: leave the loop
        by an exception alone, which fails the delivery and starts the worker anew.
        """
        from supervisor.agent.worker import deliveries, is_worker

        if is_worker(self._launch):
            yield from deliveries(_whole(self))
            return
        task = self.task
        if task is not None and not task.is_completed:
            yield task
            if not task.is_completed:
                task.complete()


def _whole(tasking: Tasking) -> Agent:
    """``tasking`` as the whole that it is a part of."""
    whole: Any = tasking
    agent: Agent = whole
    return agent


def _entry(item: Any) -> dict[str, Any]:
    if not isinstance(item, Next):
        return {"payload": plain(item, "the payload of a next task")}
    entry: dict[str, Any] = {"payload": plain(item.payload, "the payload of a next task")}
    for name in ("queue", "key", "priority", "delay_seconds"):
        if (value := getattr(item, name)) is not None:
            entry[name] = value
    return entry


def read_task(launch: Launch) -> Task | None:
    """The task of ``launch``; TaskFileError when its file cannot be read."""
    from supervisor.agent.run_files import RunFiles

    if launch.task_file is None:
        return None
    try:
        with open(launch.task_file, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise TaskFileError(f"cannot read the task in {launch.task_file}: {error}") from error
    if not isinstance(value, dict):
        raise TaskFileError(f"the task in {launch.task_file} is no JSON object")
    return Task(RunFiles(launch.run_dir), value)
