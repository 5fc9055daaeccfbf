"""What the engine tells the core: observations and wishes, before anything was decided."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.moment import Moment
from supervisor.core.progress import Progress
from supervisor.core.project_events import Event
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Anomaly, Answer, Request, Wake
from supervisor.core.spec import AgentSpec, Budget
from supervisor.core.task import TaskRef


class Fact:
    """Base of all facts."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StartWanted(Fact):
    """A queued run may start."""

    cause: str = "first attempt"
    is_waking: bool = False
    """So may one that sleeps."""


@dataclass(frozen=True, slots=True)
class SpawnDone(Fact):
    """The keeper has the process."""

    epoch: int
    pid: int
    pid_started: int
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class SpawnRefused(Fact):
    """The keeper could not start it."""

    epoch: int
    message: str
    permanent: bool
    """Trying again cannot help (no such program)."""
    at: float


@dataclass(frozen=True, slots=True)
class SpawnBlocked(Fact):
    """Something of an earlier attempt holds the run's lock and did not end in time."""

    epoch: int
    message: str
    """Who holds it."""
    at: float


@dataclass(frozen=True, slots=True)
class Exited(Fact):
    """Nothing of an attempt lives any more."""

    epoch: int
    at: float
    code: int | None = None
    signal: int | None = None
    is_known: bool = True
    """False when nobody was there to read the status."""
    ended_by: str | None = None
    """None, ``stop``, ``deadline:task`` or ``deadline:attempt``."""
    leftovers: int = 0
    """Processes that outlived the leader and were ended."""
    is_oom_likely: bool = False
    """The kernel's OOM killer ended something here in the same moment."""
    is_oom_possible: bool = False
    """It ended something while no engine ran; when, nobody saw."""
    output: tuple[str, ...] = ()
    """The last lines it wrote, cleaned; empty after success."""
    wake: Wake | None = None
    """What its ``wake.json`` asks for, whichever attempt wrote it."""
    wake_problem: str | None = None
    """Why its ``wake.json`` cannot be used, the field named."""
    result_problem: str | None = None
    """Why what a task's attempt left as the outcome cannot be used."""
    has_result: bool = False
    """It left an outcome of its task that can be used."""


@dataclass(frozen=True, slots=True)
class ProgressSeen(Fact):
    """A good progress file, with the anomalies it declares."""

    progress: Progress
    anomalies: tuple[Anomaly, ...] = ()
    problems: tuple[str, ...] = ()
    """Fields that had to be left out, each named."""


@dataclass(frozen=True, slots=True)
class ProgressBad(Fact):
    """The progress file could not be used."""

    problem: str
    withheld: int = 0
    """How many such facts led to no event since one last did; here and below."""


@dataclass(frozen=True, slots=True)
class CheckpointSeen(Fact):
    """A whole checkpoint file; its copy is kept under the next generation number."""

    sha256: str
    size_bytes: int
    epoch: int | None
    """As its envelope says; None when it has none."""
    sequence: int | None
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class CheckpointBad(Fact):
    """A checkpoint file that is torn, corrupt or somebody else's."""

    problem: str
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class RollbackWanted(Fact):
    """Resume from ``generation`` from now on; 0: from nothing, because none is good any more."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class JournalCut(Fact):
    """The operator wants the journal to end before line ``step``; a copy is kept."""

    step: int
    dropped: int
    kept: str
    by: str


@dataclass(frozen=True, slots=True)
class RequestSeen(Fact):
    """A request file; ``request.id`` is empty, the core numbers it."""

    request: Request
    rules: tuple[AlwaysRule, ...] = ()
    """All rules that stand; which of them holds here is decided by ``core.always``."""
    written_at: float | None = None
    """Unix seconds of its file; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class RequestGone(Fact):
    """The file of a request was removed by the agent."""

    file_id: str


@dataclass(frozen=True, slots=True)
class Noticed(Fact):
    """Something unexpected that only needs to be flagged."""

    anomaly: Anomaly


@dataclass(frozen=True, slots=True)
class AgentEventsRead(Fact):
    """Lines of the file in which an agent notes what it does; see ``core.agent_events``."""

    start: int
    """Where it was read from, in bytes: what is known already counts for nothing."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Unusual(Fact):
    """A detector found something about a living attempt; see ``core.detect``."""

    epoch: int
    kind: str
    evidence: str
    strike: int
    """1 is told; 2 leads to the action."""
    key: str
    """The same for the same episode of the attempt."""
    action: str = "flag"
    """A word of ``core.suspect.Action``."""


@dataclass(frozen=True, slots=True)
class MemorySeen(Fact):
    """What all processes of an attempt use together, shared memory counted once."""

    epoch: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class AlikeSeen(Fact):
    """Several agents crashed alike; see ``core.alike``."""

    episode: str
    """The same for everything told of these crashes."""
    agents: tuple[str, ...]
    cause: str
    until: Moment
    """When they may start again."""
    is_lead: bool
    """Whether this run carries the anomaly that names them all."""


@dataclass(frozen=True, slots=True)
class BudgetUsedUp(Fact):
    """All runs together have used up what may be spent on a day."""

    day: int
    """Number of the day (UTC) since 1970."""
    used_usd: float
    budget: Budget


@dataclass(frozen=True, slots=True)
class MuteWanted(Fact):
    """The operator says that anomalies of a kind are no problem for this agent, or are again."""

    kind: str
    is_muted: bool
    by: str
    at: float
    """Unix seconds when it was said first: a new run takes over what stood before it."""


@dataclass(frozen=True, slots=True)
class ServiceBack(Fact):
    """The service that a parked run waits for may be called again."""

    service: str
    within_s: float
    """Start at a random moment of that time, so that not all come at once; 0 starts now."""
    reason: str


@dataclass(frozen=True, slots=True)
class AlwaysWish:
    """That an approval stands for every later request that is exactly the same."""

    rule_id: str
    """The number the rule gets."""
    for_s: float
    """Seconds from now on."""
    standing: int = 0
    """How many rules stand already."""


@dataclass(frozen=True, slots=True)
class AnswerGiven(Fact):
    """A client answers; ``answer.sha256`` is empty when it does not say what it was shown."""

    request_id: str
    answer: Answer
    always: AlwaysWish | None = None


@dataclass(frozen=True, slots=True)
class StopWanted(Fact):
    """Ended by the operator."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RestartWanted(Fact):
    """Again, from the newest checkpoint, whatever it does now."""

    by: str
    task: TaskRef | None = None
    """Its task was delivered again: nobody else may continue a task's run that is over."""


@dataclass(frozen=True, slots=True)
class PauseWanted(Fact):
    """Hold everything of the run still."""

    by: str


@dataclass(frozen=True, slots=True)
class ResumeWanted(Fact):
    """Let it go on."""

    by: str


@dataclass(frozen=True, slots=True)
class SpecWanted(Fact):
    """The configuration of the agent was changed while its run is not over."""

    spec: AgentSpec


@dataclass(frozen=True, slots=True)
class TaskGiven(Fact):
    """The queue gave the run's task out, or gave it out again."""

    task: TaskRef


@dataclass(frozen=True, slots=True)
class TaskOver(Fact):
    """The queue was told how this delivery ended; see ``task_events.TaskSettled``."""

    token: str
    outcome: str
    problem: str = ""
    retry_in_s: float | None = None
    followed: int = 0


@dataclass(frozen=True, slots=True)
class Tick(Fact):
    """Time has passed: whatever is due happens."""
