"""What a detector sees, what it is told to find unusual, and what it says.

Pure. ``work_s`` counts only while the run works: waiting for a person, pauses, parking, backoff and
a suspended machine feed no time to any detector, so none of them can raise a false alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from supervisor.core.progress import Progress
from supervisor.core.run import RunState


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for an agent, learned from its runs that succeeded; nothing by default."""

    runs: int = 0
    """How many of them it rests on."""
    quiet_s: float = 0.0
    """The longest time of work in which nothing moved."""
    log_quiet_s: float = 0.0
    """The longest time between two lines of its log."""
    rss_bytes: int = 0
    """The highest memory use."""
    tokens_between: int = 0
    """The most tokens used between two moves."""
    stages: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Seconds of work in each stage, the newest runs last."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Thresholds; ``[anomalies]`` of the configuration. Spans are seconds of work."""

    stalled_after_s: float = 900.0
    spin_after_s: float = 600.0
    spin_percent: float = 90.0
    """Of one core."""
    silent_after_s: float = 600.0
    loop_repeats: int = 8
    loop_after_s: float = 300.0
    back_share: float = 0.1
    """Of the total by which a counter may go back once."""
    checkpoint_after_s: float = 1800.0
    memory_window_s: float = 1800.0
    memory_factor: float = 1.5
    memory_bytes: int = 64 * 2**20
    """Less growth is never told."""
    errors: int = 5
    """In a row without progress."""
    tokens: int = 200_000
    """Used without progress."""
    context_share: float = 0.9
    slow_factor: float = 3.0
    rejected_after_s: float = 60.0
    jump_s: float = 120.0
    done_after_s: float = 300.0
    strike_s: float = 300.0
    """Between the first strike, which is told, and the second, which is acted on."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a run that works."""

    work_s: float
    """Seconds that the run has worked since it was first looked at."""
    moved_s: float
    """``work_s`` when progress, a checkpoint or a request last moved."""
    stirred_s: float
    """``work_s`` when anything at all was last seen of it: also a log line or a token."""
    state: RunState
    usual: Usual
    tokens_since: int = 0
    """Tokens used since it last got anywhere."""
    cpu_percent: float | None = None
    """Of one core, since the look before; None when nobody measured."""
    rss_bytes: int | None = None
    log_bytes: int = 0
    """What its log has grown by since it was first looked at."""
    actions: tuple[str, ...] = ()
    """The newest lines of its log, or what it says it did; oldest first, without times."""
    wall_off_s: float = 0.0
    """How far the wall clock was set since the look before; a suspend does not count."""

    @property
    def progress(self) -> Progress | None:
        """What the agent says of its work."""
        return self.state.progress

    @property
    def still_s(self) -> float:
        """Seconds of work since it last got anywhere."""
        return self.work_s - self.moved_s

    @property
    def quiet_s(self) -> float:
        """Seconds of work since anything was seen of it."""
        return self.work_s - self.stirred_s


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual, with what shows it."""

    kind: str
    evidence: str
    severity: str = "warning"


class Detector(Protocol):
    """Looks at one attempt after another of one run."""

    kind: ClassVar[str]

    def see(self, look: Look, terms: Terms) -> str | None:
        """What shows that it is the case now; None when it is not. Called once a look."""
        ...
