"""What agents import: ``from supervisor.agent import Agent``.

Standard library only, because every agent process pays for it. Works without a supervisor.
"""

from __future__ import annotations

from supervisor.agent.agent import Agent
from supervisor.agent.answer import Answer
from supervisor.agent.faults import (
    AgentFaultError,
    AmbiguousCallError,
    AsleepExit,
    FencedError,
    JournalDamagedError,
    JournalMismatchError,
    ParkedExit,
    RequestRefusedError,
    StepFailedError,
    TaskRejectedError,
    UnfitValueError,
)
from supervisor.agent.recovery import Recovery
from supervisor.agent.task import Next, Task

__all__ = [
    "Agent",
    "AgentFaultError",
    "AmbiguousCallError",
    "Answer",
    "AsleepExit",
    "FencedError",
    "JournalDamagedError",
    "JournalMismatchError",
    "Next",
    "ParkedExit",
    "Recovery",
    "RequestRefusedError",
    "StepFailedError",
    "Task",
    "TaskRejectedError",
    "UnfitValueError",
]
