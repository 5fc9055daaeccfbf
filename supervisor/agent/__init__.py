"""What agents import: ``from supervisor.agent import Agent``.

Standard library only, because every agent process pays for it. Works without a supervisor.
"""

from __future__ import annotations

from supervisor.agent.agent import Agent
from supervisor.agent.answer import Answer
from supervisor.agent.faults import (
    AgentFaultError,
    FencedError,
    JournalMismatchError,
    ParkedExit,
    RequestRefusedError,
    StepFailedError,
)

__all__ = [
    "Agent",
    "AgentFaultError",
    "Answer",
    "FencedError",
    "JournalMismatchError",
    "ParkedExit",
    "RequestRefusedError",
    "StepFailedError",
]
