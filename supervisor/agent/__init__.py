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
    UnfitValueError,
)
from supervisor.agent.recovery import Recovery

__all__ = [
    "Agent",
    "AgentFaultError",
    "AmbiguousCallError",
    "Answer",
    "AsleepExit",
    "FencedError",
    "JournalDamagedError",
    "JournalMismatchError",
    "ParkedExit",
    "Recovery",
    "RequestRefusedError",
    "StepFailedError",
    "UnfitValueError",
]
