"""``task.json`` and ``result.json``: what a run works on, and what it leaves as the outcome.

Owns both models and their reading; where next tasks go is decided in ``core.pool``. A result is
taken whole or not at all: half of the declared next tasks would be lost work.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from supervisor.core.pool import Declared, NextTask
from supervisor.core.task import (
    MAX_KEY_LENGTH,
    MAX_NEXT,
    MAX_PAYLOAD_BYTES,
    MAX_PRIORITY,
    MIN_PRIORITY,
    Lease,
)
from supervisor.protocol.atomic import write_atomic_within
from supervisor.protocol.bounded_json import Bounds
from supervisor.protocol.lenient import AgentModel, time_text, validate
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object

TASK_NAME = "task.json"
RESULT_NAME = "result.json"
DELIVERY_NAME = "delivery.json"
"""In a long-lived worker's directory: where the task is that it should work on now."""
OUTCOME_NAME = "outcome.json"
"""Beside it: that this delivery is over, and its task's ``result.json`` is the outcome."""
RESULT_LIMIT_BYTES = 4 * MAX_PAYLOAD_BYTES
"""The result and the payloads of all next tasks together."""
RESULT_BOUNDS = Bounds(max_depth=64, max_nodes=500_000)
MAX_DELAY_S = 366 * 86400.0


class TaskFile(AgentModel):
    """A task, version 1, as ``LONGWATCH_TASK_FILE`` names it. Written before each delivery."""

    id: str
    """Also the id of the run that works on it, over all deliveries."""
    queue: str
    payload: Any = None
    """What was submitted."""
    key: str | None = None
    delivery: Annotated[int, Field(ge=1)]
    """Counts from 1."""
    max_deliveries: Annotated[int, Field(ge=1)]
    group: str | None = None
    """Tasks of one submission to a pipeline have it in common."""
    submitted_at: str
    """RFC 3339."""


class NextTaskEntry(AgentModel):
    """A task that is to be submitted with the completion."""

    payload: Any = None
    queue: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """A pool, a stage or a pipeline; absent: the next stage."""
    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)] | None = None
    """Of all tasks of a queue with one key only the first is taken."""
    priority: Annotated[int, Field(ge=MIN_PRIORITY, le=MAX_PRIORITY)] | None = None
    """0 to 9, higher first; absent: 4."""
    delay_seconds: Annotated[float, Field(ge=0, le=MAX_DELAY_S)] | None = None


class ResultFile(AgentModel):
    """The outcome of a task, version 1. Read when the attempt has left with exit status 0."""

    result: Any = None
    """Kept with the task; in a pipeline it is the payload of the next stage's task."""
    next: Annotated[list[NextTaskEntry], Field(max_length=MAX_NEXT)] | None = None
    """Tasks to be submitted in the same step. Absent: what the pipeline says."""


def write_task(run_dir: Path, lease: Lease) -> None:
    """Write ``task.json`` of a delivery; blocks for an fsync.

    Raises EnvironmentFaultError when the disk refuses, AgentError when a link is in the way.
    """
    task = lease.task
    head = {
        "id": task.id,
        "queue": task.queue,
        "key": task.key,
        "delivery": task.deliveries,
        "max_deliveries": task.max_deliveries,
        "group": task.group,
        "submitted_at": time_text(task.submitted_at),
    }
    # The payload as it was given: parsing a megabyte to write it again would change nothing.
    text = json.dumps(head)[:-1] + f', "payload": {lease.payload}}}\n'
    write_atomic_within(run_dir, TASK_NAME, text.encode())


def write_delivery(worker_dir: Path, serial: int, epoch: int, task_dir: Path) -> None:
    """Tell a long-lived worker of its next task; blocks for an fsync. Raises as ``write_task``."""
    data = json.dumps({"serial": serial, "epoch": epoch, "directory": str(task_dir)}).encode()
    write_atomic_within(worker_dir, DELIVERY_NAME, data)


def read_outcome(worker_dir: Path, serial: int) -> bool:
    """Whether a long-lived worker says that this delivery is over."""
    value = read_object(worker_dir, OUTCOME_NAME, limit_bytes=4096)
    return not isinstance(value, Problem) and value.get("serial") == serial


def read_declared(run_dir: Path) -> Declared:
    """What the agent left as the outcome; never raises for what is in it."""
    value = read_object(run_dir, RESULT_NAME, limit_bytes=RESULT_LIMIT_BYTES, bounds=RESULT_BOUNDS)
    if isinstance(value, Problem):
        return Declared(is_missing=True) if value.code == "missing" else _refused(value)
    return declared_from_json(value)


def declared_from_json(value: Any) -> Declared:
    """The outcome in ``value`` (the object in the file)."""
    checked = validate(ResultFile, value)
    if isinstance(checked, Problem):
        return _refused(checked)
    model, problems = checked
    if problems:
        return _refused(problems[0])
    result = _json(model.result)
    if len(result.encode()) > MAX_PAYLOAD_BYTES:
        expected = f"at most {MAX_PAYLOAD_BYTES} bytes; put it in a file and name it"
        return _refused(Problem("too-large", "result", f"{len(result)} characters", expected))
    if model.next is None:
        return Declared(result=result)
    return Declared(result=result, next=tuple(map(_next, model.next)))


def _next(entry: NextTaskEntry) -> NextTask:
    return NextTask(
        payload=_json(entry.payload),
        queue=entry.queue,
        key=entry.key,
        priority=entry.priority,
        delay_s=entry.delay_seconds or 0.0,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refused(problem: Problem) -> Declared:
    return Declared(problem=f"{RESULT_NAME}: {problem}")
