"""What an agent is: the frozen settings a run is created with and keeps to its end.

Numbers have no defaults here; every default, with unit and reason, is in ``config.defaults``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Restart(StrEnum):
    """When an attempt that ended is followed by another."""

    ALWAYS = "always"
    """After success too."""
    ON_FAILURE = "on-failure"
    """After a crash; not after success or a permanent error."""
    NEVER = "never"


class BudgetAction(StrEnum):
    """What happens when a budget is used up."""

    WARN = "warn"
    """An anomaly."""
    ASK = "ask"
    """The run is held still and the operator asked for another budget of the same size."""
    STOP = "stop"
    """The run is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent."""

    usd: float
    action: BudgetAction


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter, and when to stop trying."""

    max_retries: int
    """Restarts without checkpoint progress before the run fails; 0 means none."""
    base_delay_s: float
    """Wait before the first retry; 0 restarts at once."""
    max_delay_s: float
    """Upper bound of one wait, before jitter."""
    exponential_base: float
    """Factor between one wait and the next, at least 1."""
    jitter_fraction: float
    """Half width of the uniform jitter as a fraction of the wait, 0 to 1."""
    crash_loop_deaths: int
    """Crashes at the same checkpoint within the window that put the run on hold."""
    crash_loop_window_s: float
    """Length of that window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """How to launch one agent and hold it to its bounds."""

    name: str
    command: tuple[str, ...]
    """argv; ``{python}`` and ``{project}`` are already replaced. Never a shell line."""
    cwd: str
    """Absolute working directory."""
    autostart: bool
    checkpoint: str
    """Checkpoint file, relative to the run directory."""
    timeout_s: float | None
    """Task-level limit over all attempts, operator waits left out; None is no limit."""
    attempt_timeout_s: float | None
    """Limit for one attempt; None is no limit."""
    stall_timeout_s: float | None
    """Limit without new progress, checkpoint or request; None is no limit."""
    stop_signal: str
    """Signal name without SIG, sent first."""
    stop_grace_s: float
    """Seconds between that signal and SIGKILL."""
    restart: Restart
    retry: RetryPolicy
    env: dict[str, str]
    """Variables set for the agent."""
    env_pass: tuple[str, ...]
    """Variables passed through from the engine's own environment."""
    unattended: bool = False
    """Apply each request's stated default instead of waiting for the operator."""
    log_cap_bytes: int = 16 * 1024 * 1024
    """Cap of one output file; a log written before this field existed had this one."""
    max_memory_bytes: int | None = None
    """Limit of the memory of all its processes together; None is no limit."""
    remind_after_s: float | None = 900.0
    """Until a question that nobody answers is told again the first time, each further time after
    twice as long; None never. Runs from before this field existed get this."""
    remind_max_s: float = 4 * 3600.0
    """The longest of these waits."""
    budget: Budget | None = None
    """What the run may cost by its own word; None is no limit."""
