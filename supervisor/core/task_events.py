"""Events about tasks, beside ``core.events``: what a run was given, and what became of it.

The queue itself is the truth about its tasks; these tell what happened to it in the one log.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.events import Event
from supervisor.core.task import TaskRef


@dataclass(frozen=True, slots=True)
class TaskDelivered(Event):
    """The run works on this delivery of its task."""

    task: TaskRef


@dataclass(frozen=True, slots=True)
class TaskSettled(Event):
    """What the queue was told of the run's delivery."""

    outcome: str
    """completed, retried, dead, released or lost."""
    problem: str = ""
    retry_in_s: float | None = None
    followed: int = 0
    """Tasks submitted with the completion; a join's is not counted."""


@dataclass(frozen=True, slots=True)
class TaskWorked(Event):
    """What the queue was told of a delivery to a long-lived worker. Not of a run."""

    task: str
    queue: str
    worker: str
    """The run that had it in hand."""
    outcome: str
    """As of ``TaskSettled``."""
    problem: str = ""
    followed: int = 0


@dataclass(frozen=True, slots=True)
class TasksSubmitted(Event):
    """Somebody gave us tasks. Not of a run."""

    queue: str
    count: int
    """New ones."""
    known: int
    """Those whose key was known: nothing was added."""
    first: str
    """Id of the first one."""
    by: str


@dataclass(frozen=True, slots=True)
class DeadRequeued(Event):
    """Dead letters are to be tried again. Not of a run."""

    tasks: tuple[str, ...]
    """The first 20 ids."""
    count: int
    by: str


@dataclass(frozen=True, slots=True)
class DeadDropped(Event):
    """Dead letters were removed for good. Not of a run."""

    tasks: tuple[str, ...]
    """The first 20 ids."""
    count: int
    by: str


@dataclass(frozen=True, slots=True)
class PoolResized(Event):
    """A pool has another number of workers until config.toml says otherwise. Not of a run."""

    pool: str
    workers: int
    by: str
    configured: int = 0
    """What config.toml said then: it holds until that is another number."""
