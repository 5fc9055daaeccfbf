"""The vocabulary of the event log: immutable facts, in the past tense.

Every surface (TUI, CLI, JSON, metrics) is a fold of these. A new field needs a default, so
that old logs stay readable; an event type is never renamed or reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.core.moment import Moment
from supervisor.core.progress import Progress
from supervisor.core.project_events import (
    BreakerReset,
    ConfigApplied,
    ConfigRejected,
    EngineStarted,
    EngineStopping,
    Event,
    EventsLost,
    HistoryForgotten,
    HistoryLost,
)
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Anomaly, Answer, Checkpoint, Exit, Request, RunState, Then, Wake
from supervisor.core.spec import AgentSpec
from supervisor.core.task import TaskRef

__all__ = (  # Those of the module beside this one; the rest is below.
    "BreakerReset",
    "ConfigApplied",
    "ConfigRejected",
    "EngineStarted",
    "EngineStopping",
    "Event",
    "EventsLost",
    "HistoryForgotten",
    "HistoryLost",
)


@dataclass(frozen=True, slots=True)
class RunCreated(Event):
    """A run exists and wants to start."""

    spec: AgentSpec
    reason: str
    task: TaskRef | None = None
    past: tuple[float, ...] = ()
    """Working time of earlier runs of the agent that succeeded, seconds, oldest first."""


@dataclass(frozen=True, slots=True)
class RunRebuilt(Event):
    """The log was lost; the run goes on from this state, put together from its records."""

    state: RunState
    reason: str
    """What was lost and what was recovered."""


@dataclass(frozen=True, slots=True)
class SpecChanged(Event):
    """The agent's settings were changed; limits apply at once, the rest at the next attempt."""

    spec: AgentSpec


@dataclass(frozen=True, slots=True)
class AttemptStarting(Event):
    """Stored before the spawn, so that no epoch is ever used twice."""

    epoch: int
    number: int
    cause: str
    resumed_from: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptStarted(Event):
    """The keeper spawned it (or, ``adopted``, found it alive after our own restart)."""

    epoch: int
    pid: int
    pid_started: int
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class AttemptExited(Event):
    """The process of an attempt is gone; the event after this one says what follows."""

    epoch: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class WaitBegan(Event):
    """The run waits, alive, for the operator."""

    reason: str


@dataclass(frozen=True, slots=True)
class WaitEnded(Event):
    """Nothing is left to wait for."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunParked(Event):
    """The process left; the answer, or the time in ``wake``, will start it again."""

    reason: str
    wake: Wake | None = None


@dataclass(frozen=True, slots=True)
class BackoffBegan(Event):
    """A retry is due at ``next_start``, not before."""

    next_start: Moment
    delay_s: float
    retry: int
    """1-based, since the last checkpoint progress."""
    max_retries: int
    reason: str


@dataclass(frozen=True, slots=True)
class BackoffMoved(Event):
    """The retry is due later: it waits together with others that failed alike."""

    next_start: Moment
    delay_s: float
    """From this event on."""
    reason: str


@dataclass(frozen=True, slots=True)
class WakeMoved(Event):
    """A run that waits for a service wakes sooner than it asked for."""

    at: float
    """Unix seconds."""
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptEnding(Event):
    """We asked the keeper to end the attempt."""

    then: Then
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunPaused(Event):
    """SIGSTOP went to everything of the run; one that sleeps without a process stays asleep."""

    by: str


@dataclass(frozen=True, slots=True)
class RunResumed(Event):
    """SIGCONT went to everything of the run, or its time to wake counts again."""

    by: str


@dataclass(frozen=True, slots=True)
class RunRequeued(Event):
    """Ready for another attempt (restart by the operator, or an answered parked run)."""

    reason: str
    woken_from: float | None = None
    """The time until which it would have slept, where the operator did not want to wait for it."""


@dataclass(frozen=True, slots=True)
class RunReopened(Event):
    """The operator continues a run that had ended or was held: budgets start afresh."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunSucceeded(Event):
    """Done."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """Over, without its goal."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunTimedOut(Event):
    """The task-level timeout is used up."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunHeld(Event):
    """Stopped in a crash loop, for the operator to decide."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunStopped(Event):
    """Ended by the operator; nothing of it lives."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProgressReported(Event):
    """A good, changed ``progress.json``."""

    progress: Progress
    stale: str | None = None
    """What of it had to be left out."""


@dataclass(frozen=True, slots=True)
class ProgressRejected(Event):
    """``progress.json`` could not be used; the last good value stays. At most one a minute."""

    problem: str
    withheld: int = 0
    """How many others there were since the one before."""


@dataclass(frozen=True, slots=True)
class CheckpointRecorded(Event):
    """A new generation was kept."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class CheckpointRejected(Event):
    """A checkpoint file was not usable and was set aside. At most one a minute."""

    problem: str
    withheld: int = 0
    """How many others there were since the one before."""


@dataclass(frozen=True, slots=True)
class CheckpointRolledBack(Event):
    """Generations newer than this one are not resumed from any more."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class JournalTruncated(Event):
    """The operator made durable steps run again: the run's journal ends before one of them."""

    step: int
    """Number of the first line that went."""
    dropped: int
    """How many lines went."""
    kept: str
    """Name of the copy of the whole journal, in the run directory."""
    by: str


@dataclass(frozen=True, slots=True)
class RequestOpened(Event):
    """An agent asked the operator."""

    request: Request


@dataclass(frozen=True, slots=True)
class RequestReminded(Event):
    """Nobody has answered yet: what tells people anew hangs on this."""

    request_id: str
    number: int
    """1, 2, 3 … of this request."""
    waited_s: float
    """Since it was asked, by the wall clock."""
    title: str
    is_overdue: bool = False
    """Its ``expires_at`` has just passed; it stays open, because nothing else was asked for."""


@dataclass(frozen=True, slots=True)
class RequestAskedAgain(Event):
    """A later attempt asks the open question of an earlier one: now this attempt waits for it."""

    request_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """Exactly one answer was accepted."""

    request_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class RequestClosed(Event):
    """Expired or withdrawn: no answer will be taken."""

    request_id: str
    expired: bool
    why: str


@dataclass(frozen=True, slots=True)
class AlwaysRuleSet(Event):
    """An answer is to stand for every later request that is exactly the same. Not of a run."""

    rule: AlwaysRule


@dataclass(frozen=True, slots=True)
class AlwaysRuleRevoked(Event):
    """A rule answers nothing any more. Not of a run."""

    rule_id: str
    by: str


@dataclass(frozen=True, slots=True)
class AlwaysRulesCarried(Event):
    """All rules there are, told again before older events go. Not of a run."""

    rules: tuple[AlwaysRule, ...]
    count: int
    """How many were ever made."""
    why: str


@dataclass(frozen=True, slots=True)
class AnomalyFlagged(Event):
    """Something unexpected."""

    anomaly: Anomaly
    is_muted: bool = False
    """Its kind is no problem for this agent: it is told in the log and nowhere else."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log."""

    seq: int
    """1, 2, 3 … without gaps over the whole directory."""
    at: Moment
    run_id: str
    """Empty for events of the engine itself."""
    event: Event
    data_json: str = field(default="", compare=False, repr=False)
    """``record.event_json`` of the event where it was made already: store and clients share it."""
