"""Sound calls to external services, for agents: ``from supervisor.calls import Claude, service``.

Time-outs for each part of a call, classified errors, retries with jitter, a circuit breaker and
rate limits shared by every agent on the machine, fallbacks, and what it cost. The SDKs of the
providers are imported at the first call, never here.
"""

from __future__ import annotations

from supervisor.calls.claude import AsyncClaude, Claude
from supervisor.calls.fallback import Ask, Model, OpenAICompatible
from supervisor.calls.faults import CallError, CircuitOpenError, SettingsError
from supervisor.calls.service import Service, service
from supervisor.core.call_faults import FaultKind

__all__ = [
    "Ask",
    "AsyncClaude",
    "CallError",
    "CircuitOpenError",
    "Claude",
    "FaultKind",
    "Model",
    "OpenAICompatible",
    "Service",
    "SettingsError",
    "service",
]
