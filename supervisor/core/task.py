"""A task: a message that a run works on, from its submission to its result or the dead letters.

A task is *ready*, or *delayed* until it is due. A worker that claims it holds a *lease* on it:
*leased*. It ends *done* with a result, or *dead* after its last delivery failed: a dead letter
waits for a person, who requeues or drops it. Every claim counts a delivery and gives out a new
token; whoever comes with the token of an earlier claim is refused, whatever it has done meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from supervisor.core.backoff import Exponential

MIN_PRIORITY, MAX_PRIORITY = 0, 9
NORMAL_PRIORITY = 4
MAX_PAYLOAD_BYTES = 4 << 20
"""Of one payload or result, as UTF-8; what is larger belongs in a file that the payload names."""
MAX_KEY_LENGTH = 200
MAX_ABOUT = 160
"""Characters of its payload that a list shows of a task."""
MAX_NEXT = 10_000
"""Tasks that one completion may declare."""
MAX_PROBLEM_LENGTH = 2_000
"""Of the reason kept with a failure; the rest is cut."""


class TaskState(StrEnum):
    """Where a task stands."""

    READY = "ready"
    DELAYED = "delayed"
    """Not before it is due: submitted with a delay, or waiting for another delivery."""
    LEASED = "leased"
    """A worker has it."""
    DONE = "done"
    DEAD = "dead"
    """A dead letter."""


class TaskMove(StrEnum):
    """What may happen to a task."""

    DUE = "due"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"
    """This delivery; another one follows after a wait."""
    DIED = "died"
    """This delivery was the last, or no other could help."""
    RELEASED = "released"
    """Given back untouched; the delivery does not count."""
    LOST = "lost"
    """The lease ran out."""
    REQUEUED = "requeued"


TASK_TABLE: dict[tuple[TaskState, TaskMove], TaskState] = {
    (TaskState.DELAYED, TaskMove.DUE): TaskState.READY,
    (TaskState.READY, TaskMove.CLAIMED): TaskState.LEASED,
    (TaskState.LEASED, TaskMove.COMPLETED): TaskState.DONE,
    (TaskState.LEASED, TaskMove.FAILED): TaskState.DELAYED,
    (TaskState.LEASED, TaskMove.DIED): TaskState.DEAD,
    (TaskState.LEASED, TaskMove.RELEASED): TaskState.READY,
    (TaskState.LEASED, TaskMove.LOST): TaskState.READY,
    (TaskState.DEAD, TaskMove.REQUEUED): TaskState.READY,
}
"""Everything else is refused and changes nothing. A lease that is lost on the last delivery is
``DIED``: a task that takes its worker down each time must not do so for ever."""

UNFINISHED = frozenset({TaskState.READY, TaskState.DELAYED, TaskState.LEASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Where the tasks of a group come together: once none of it is unfinished, ``queue`` gets one
    task (key: ``join_key`` of the group) with the results of those in the queue ``of``."""

    queue: str
    of: str
    max_deliveries: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be submitted."""

    queue: str
    payload: str
    """JSON text; at most MAX_PAYLOAD_BYTES."""
    key: str | None = None
    """Of all tasks of a queue with one key only the first is taken, as long as it is known."""
    priority: int = NORMAL_PRIORITY
    """0 to 9; higher first."""
    delay_s: float = 0.0
    """Not claimed before that much time has passed, by the clock that does not jump."""
    max_deliveries: int = 5
    """Deliveries after which it is dead, at least 1."""
    id: str | None = None
    """A ULID; None makes one. It is also the id of the run that works on the task."""
    group: str | None = None
    """Tasks that came of one submission; what a join waits for."""
    joins: tuple[Join, ...] = ()
    """The joins that its group comes to, the next one first. Need ``group``."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission."""

    id: str
    """Of the task, or of the earlier one with the same key."""
    is_new: bool
    """False: the key was known, nothing was added."""
    state: TaskState


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's hold on a task."""

    token: str
    """What every later call about this delivery carries; opaque, may be stored."""
    task: Task
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it stands, without what it carries."""

    id: str
    queue: str
    state: TaskState
    key: str | None
    priority: int
    deliveries: int
    """Claims so far that counted; in a lease this delivery's number, from 1."""
    max_deliveries: int
    submitted_at: float
    """Unix seconds."""
    due_in_s: float | None = None
    """While it is delayed."""
    worker: str | None = None
    """Who holds the lease."""
    finished_at: float | None = None
    """Unix seconds; of one that is done or dead."""
    problem: str | None = None
    """Of its newest failed delivery."""
    group: str | None = None
    joins: tuple[Join, ...] = ()
    about: str | None = None
    """In a list: how its payload begins, at most MAX_ABOUT characters of JSON text."""


@dataclass(frozen=True, slots=True)
class Look:
    """Which tasks a list is about, and from which end."""

    text: str = ""
    """Only those with this in their id, key, problem or (small) payload, in any case of letters."""
    newest_first: bool = False
    """Not of delayed and leased ones: those are always in order of submission."""


USUAL = Look()


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task with what it carries."""

    task: Task
    payload: str
    result: str | None
    """JSON text; None until it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many tasks of one queue stand where."""

    ready: int = 0
    delayed: int = 0
    leased: int = 0
    done: int = 0
    dead: int = 0
    oldest_at: float | None = None
    """When the oldest of the ready ones was submitted, Unix seconds."""

    @property
    def unfinished(self) -> int:
        """Tasks that somebody still has to work on."""
        return self.ready + self.delayed + self.leased


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How often a task is delivered, and the waits between."""

    max_deliveries: int
    base_delay_s: float
    max_delay_s: float
    exponential_base: float
    jitter_fraction: float


def next_task_state(state: TaskState, move: TaskMove) -> TaskState:
    """The state after ``move``; ValueError when that does not happen to a task in ``state``."""
    try:
        return TASK_TABLE[state, move]
    except KeyError:
        raise ValueError(f"a task that is {state} cannot be {move}") from None


def after_lost_lease(deliveries: int, max_deliveries: int) -> TaskMove:
    """What a lease that ran out means for its task."""
    return TaskMove.DIED if deliveries >= max_deliveries else TaskMove.LOST


def decide_redelivery(
    policy: DeliveryPolicy, delivery: int, *, is_permanent: bool, random_unit: float
) -> float | None:
    """Seconds until a task is delivered again after ``delivery`` (from 1) failed; None: dead.

    ``is_permanent``: trying again cannot help. ``random_unit`` is uniform in [0, 1).
    """
    if is_permanent or delivery >= policy.max_deliveries:
        return None
    wave = Exponential(
        policy.base_delay_s, policy.exponential_base, policy.max_delay_s, policy.jitter_fraction
    )
    return wave.delay_s(delivery, random_unit)


def task_fault(task: NewTask) -> str | None:
    """Why ``task`` cannot be submitted, one phrase; None when it can."""
    try:
        size_bytes = len(task.payload.encode())
    except UnicodeEncodeError:
        return "a payload with half a character in it; it has to be UTF-8"
    if size_bytes > MAX_PAYLOAD_BYTES:
        return f"a payload of {size_bytes} bytes; at most {MAX_PAYLOAD_BYTES} are taken"
    if task.key is not None and not 0 < len(task.key) <= MAX_KEY_LENGTH:
        return f"a key of {len(task.key)} characters; 1 to {MAX_KEY_LENGTH} are taken"
    if not MIN_PRIORITY <= task.priority <= MAX_PRIORITY:
        return f"the priority {task.priority}; {MIN_PRIORITY} to {MAX_PRIORITY} are taken"
    if not 0.0 <= task.delay_s < float("inf"):
        return f"a delay of {task.delay_s} seconds"
    if task.max_deliveries < 1:
        return f"{task.max_deliveries} deliveries; at least 1 is needed"
    if task.joins and task.group is None:
        return "a join without a group to wait for"
    return None


def join_key(group: str) -> str:
    """The key of the task that a join makes: however often it is asked for, there is one."""
    return f"join:{group}"


def joined_task(task: Task, results: Sequence[str], failed: Sequence[tuple[str, str]]) -> NewTask:
    """What the next join of ``task`` makes of its whole group; see ``joined_payload``."""
    join, *later = task.joins
    assert task.group is not None, "a join without a group"
    return NewTask(
        queue=join.queue,
        payload=joined_payload(results, failed),
        key=join_key(task.group),
        priority=task.priority,
        max_deliveries=join.max_deliveries,
        group=task.group,
        joins=tuple(later),
    )


def joined_payload(results: Sequence[str], failed: Sequence[tuple[str, str]]) -> str:
    """The payload of a join: JSON texts of ``results``, and (id, problem as JSON text) of each
    task of the group that ended as a dead letter, both in the order of submission."""
    lost = ",".join(f'{{"task":"{task_id}","problem":{problem}}}' for task_id, problem in failed)
    return f'{{"results":[{",".join(results)}],"failed":[{lost}]}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """A run's delivery of the task it works on; the task has the run's id."""

    queue: str
    token: str
    """Of the lease: what the completion has to carry, also after a restart of the engine."""
    delivery: int
    """From 1."""
    max_deliveries: int
    group: str | None = None
    is_shared: bool = False
    """Other machines may go on with it: its files travel, and steps wait for the servers."""
    epoch_floor: int = 0
    """Epochs up to here were used on another machine: the next attempt gets a higher one."""
    outcome: str = ""
    """How this delivery was settled: completed, retried, dead, released or lost; empty before."""
