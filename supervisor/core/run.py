"""The state of a run: everything any surface shows of it, folded from the event log.

Frozen all the way down. ``fold.apply`` is the only writer, in the engine and in every client.
Collections are bounded, so a run of a year costs what a run of an hour costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from supervisor.core.moment import Moment
from supervisor.core.mute import Mute
from supervisor.core.progress import Progress
from supervisor.core.spec import AgentSpec
from supervisor.core.stage_times import StageTime
from supervisor.core.task import TaskRef


class Status(StrEnum):
    """Where a run stands in its lifecycle; the table is in ``core.lifecycle``."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """Alive, with an open request."""
    PARKED = "parked"
    """No process; an answer or a time will start it again."""
    PAUSED = "paused"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    HELD = "held"
    """Stopped in a crash loop, for the operator to decide."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.TIMED_OUT, Status.STOPPED})
"""No more events happen by themselves; only the operator can reopen (not a succeeded one)."""
ALIVE = frozenset({Status.STARTING, Status.RUNNING, Status.WAITING, Status.PAUSED, Status.STOPPING})
"""A process exists or is about to."""
ON_THE_CLOCK = frozenset({Status.STARTING, Status.RUNNING, Status.BACKOFF, Status.STOPPING})
"""Time in these counts against the task-level timeout; time waiting for a person does not.
Parked, it counts for a run that sleeps: see ``fold.is_on_the_clock``."""


class Then(StrEnum):
    """What follows once an attempt that we are ending is gone."""

    STOP = "stop"
    RESTART = "restart"
    RETRY = "retry"
    """Counts as a crash (a stall)."""
    OVER_MEMORY = "over-memory"
    """Counts as a crash: it used more than its ``max_memory``."""


class ExitKind(StrEnum):
    """What an exit means for the restart policy; see ``core.classify``."""

    DONE = "done"
    PARKED = "parked"
    TRY_LATER = "try-later"
    PERMANENT = "permanent"
    CRASH = "crash"
    TASK_DEADLINE = "task-deadline"
    ATTEMPT_DEADLINE = "attempt-deadline"
    STALL = "stall"
    OVER_MEMORY = "over-memory"
    STOPPED = "stopped"
    """We ended it on purpose."""
    UNKNOWN = "unknown"
    """It is gone and nobody was there to read its status."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One kept generation of a run's checkpoint."""

    generation: int
    """Goes up by one with every recorded checkpoint, never back."""
    sha256: str
    size_bytes: int
    epoch: int
    """The epoch of the attempt that wrote it."""
    sequence: int | None = None
    """The agent's own counter, where its file says one."""
    at: float = 0.0
    """Unix seconds when we recorded it."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something unexpected, declared by the agent or seen by us."""

    id: str
    kind: str
    severity: str
    """info | warning | error"""
    message: str
    at: float
    source: str
    """agent | longwatch"""


class RequestState(StrEnum):
    """A request is answered at most once; everything but open is final."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator (or a stated default) decided."""

    by: str
    """Which client, or ``default`` or ``timeout``."""
    at: float
    sha256: str
    """Hash of the canonical request that was shown."""
    allow: bool | None = None
    """For approve."""
    option: str | None = None
    """For choose."""
    text: str | None = None
    """For text and edit."""
    comment: str | None = None
    sealed: str | None = None
    """Where the exact words are when they hold a secret; they are redacted here."""
    fields: dict[str, Any] | None = None
    """For form: every field's value by its name."""
    difference: tuple[str, ...] = ()
    """For edit: what the operator changed, as the lines of a unified diff; see ``core.edited``."""
    rule_id: str | None = None
    """The rule that answered in the operator's place; see ``core.always``."""


@dataclass(frozen=True, slots=True)
class Request:
    """An agent's question, frozen as it was first read."""

    id: str
    """Public: end of the run id and a counter, e.g. ``7F3K-1``; what people type."""
    file_id: str
    """Name of its file without ``.json``."""
    kind: str
    """approve | choose | text | edit | form"""
    title: str
    sha256: str
    """Of the canonical request as the agent wrote it; see ``protocol.canonical``."""
    created_at: float
    epoch: int
    action: Any = None
    """JSON value: what exactly will be done. Raw: render it through ``core.text``."""
    explanation: str | None = None
    options: tuple[str, ...] = ()
    default: Any = None
    on_timeout: str = "park"
    """park | default | deny"""
    expires_at: float | None = None
    """Unix seconds; None never expires."""
    state: RequestState = RequestState.OPEN
    answer: Answer | None = None
    closed_why: str | None = None
    redacted: int = 0
    """How many secrets of it are not shown: markers stand for them here, the hash covers them."""
    closed_at: float | None = None
    """Unix seconds when it expired or was withdrawn."""
    told_at: Moment | None = None
    """When it was asked, or reminded of last."""
    reminded: int = 0
    """How often it was reminded of."""
    is_overdue: bool = False
    """Its time to answer has passed, which was said, and it stays open."""


@dataclass(frozen=True, slots=True)
class Wake:
    """When a parked run starts by itself; see ``core.sleeping``."""

    at: float
    """Unix seconds, by the wall clock whatever happens to it."""
    reason: str = ""
    """The agent's word, cleaned; may be empty."""
    epoch: int = 0
    """The attempt that asked for it."""
    nap: int = 0
    """How many sleeps of under a second came in a row; 0 for a real sleep."""
    is_held: bool = False
    """The operator paused it: the time alone starts nothing."""
    service: str = ""
    """The external service it waits for, cleaned; ``at`` is the latest it wakes."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How an attempt ended."""

    kind: ExitKind
    cause: str
    """One phrase for people: ``exit status 3``, ``killed by SIGKILL``."""
    code: int | None = None
    signal: int | None = None
    at: float = 0.0
    output: tuple[str, ...] = ()
    """The last lines it wrote, cleaned; kept of the newest attempt that failed."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process of a run."""

    number: int
    """Counts from 1 over the whole run."""
    epoch: int
    started_at: float
    resumed_from: int | None = None
    """Checkpoint generation, None for a start from nothing."""
    pid: int | None = None
    pid_started: int | None = None
    """Kernel start time of the pid in clock ticks; with the boot id its identity."""
    exit: Exit | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """A crash, as the crash-loop rule needs it."""

    at: Moment
    generation: int | None
    """The newest checkpoint when it died."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent noted of itself, its beginning."""

    at: float
    """When we read it, Unix seconds."""
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Everything known of one run."""

    id: str
    agent: str
    spec: AgentSpec
    created_at: float
    status: Status
    reason: str
    """Why it is in this status, one phrase for people."""
    status_since: Moment
    epoch: int = 0
    """Goes up with every attempt; fences off the one before."""
    attempts: tuple[Attempt, ...] = ()
    """The newest 20, oldest first."""
    attempt: int = 0
    """Number of the newest attempt."""
    retries: int = 0
    """Restarts after crashes over the whole run, for people."""
    retries_in_row: int = 0
    """Restarts since the last checkpoint progress, for the policy."""
    deaths: tuple[Death, ...] = ()
    """Crashes since the last checkpoint progress, newest last, at most 32."""
    next_start: Moment | None = None
    """Not before this instant; set in backoff."""
    wake: Wake | None = None
    """While parked: when it starts without an answer; None only an answer does."""
    woken: tuple[float, ...] = ()
    """Wake times still ahead that the operator cut short, the newest 20: a program that keeps to
    its time would go back to sleep until it otherwise."""
    naps: int = 0
    """Sleeps of under a second in a row; see ``core.sleeping``."""
    ending: Then | None = None
    """While stopping: what follows."""
    started_at: float | None = None
    """Unix seconds of the first attempt."""
    ended_at: float | None = None
    clock_used_s: float = 0.0
    """Seconds on the clock of the task-level timeout up to ``clock_since``."""
    clock_since: Moment | None = None
    """Since when the clock runs; None while it stands."""
    attempt_used_s: float = 0.0
    """The same for this attempt."""
    progress: Progress | None = None
    progress_epoch: int = 0
    """The attempt that declared it: words of an attempt before do not explain this one's exit."""
    progress_at: Moment | None = None
    """When progress, a checkpoint or a request last moved."""
    pace_since: Moment | None = None
    """When the step being counted began in this attempt; the base of the ETA."""
    pace_completed: float = 0.0
    """How much of it was completed then."""
    stale: str | None = None
    """Why the newest progress.json could not be used; None when it was."""
    progress_rejected_at: Moment | None = None
    """When one that could not be used was last told; the same for checkpoints."""
    checkpoint_rejected_at: Moment | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    """Kept generations, newest last."""
    newest_generation: int = 0
    """The highest generation ever recorded: a rollback never gives its number out again."""
    anomalies: tuple[Anomaly, ...] = ()
    """The newest 50 of the agent's and the newest 50 of ours, oldest first."""
    anomaly_count: int = 0
    """Flags: all there ever were, without those that are muted."""
    muted: tuple[Mute, ...] = ()
    """Kinds of anomalies that are no problem for this agent; see ``core.mute``."""
    said: tuple[Said, ...] = ()
    """The newest 20 events of its own, oldest first; see ``core.agent_events``."""
    said_bytes: int = 0
    """How far the file of them was read."""
    stage_times: tuple[StageTime, ...] = ()
    """How long it was in each stage, in the order they were first entered."""
    requests: tuple[Request, ...] = ()
    """All open ones and the newest 20 closed ones, oldest first."""
    request_count: int = 0
    settled_epoch: int = 0
    """The epoch in which a question was last answered or expired. Counted in attempts, because
    a wall clock set back would make an old answer look like one given just now."""
    unattended_turns: tuple[Moment, ...] = ()
    """When a question was settled by no person, once an attempt, since the last checkpoint
    progress; the newest 20."""
    recoveries: int = 0
    """Attempts that resumed from a checkpoint after a crash."""
    past: tuple[float, ...] = ()
    """How long earlier runs of the agent worked that succeeded, seconds; see ``core.eta``."""
    task: TaskRef | None = None
    """The task it works on, if it is a task's run."""
    spent: tuple[tuple[int, float], ...] = ()
    """(day, US dollars) of the newest days on which it spent; days are UTC, since 1970."""

    @property
    def open_requests(self) -> tuple[Request, ...]:
        """Requests still without an answer, oldest first."""
        return tuple(r for r in self.requests if r.state is RequestState.OPEN)

    @property
    def asked_now(self) -> tuple[Request, ...]:
        """Those of them that the newest attempt asks; the rest were left by dead ones."""
        return tuple(r for r in self.open_requests if r.epoch == self.epoch)

    @property
    def newest_attempt(self) -> Attempt | None:
        """The attempt that runs or ran last."""
        return self.attempts[-1] if self.attempts else None

    @property
    def pid(self) -> int | None:
        """Process id of the living attempt."""
        newest = self.newest_attempt
        return newest.pid if newest and newest.exit is None else None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest good generation."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def next_generation(self) -> int:
        """The number of the next checkpoint: also above those rolled back (I5)."""
        kept = self.checkpoints[-1].generation if self.checkpoints else 0
        return max(self.newest_generation, kept) + 1
