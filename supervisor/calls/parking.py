"""Waiting for a service without a process: the run parks, the supervisor wakes it.

While the breaker of a service is open, or the service asked for a long patience, an agent under
the supervisor leaves (exit status 75 with a ``wake.json`` that names the service) and comes back
to the same call. Without a supervisor, and while other work of the process goes on, it waits in
place. What a step had completed before is in the journal and is not done again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from supervisor.agent.current import current_agent
from supervisor.calls.faults import CallError, CircuitOpenError
from supervisor.calls.policy import PARKS_FROM_S
from supervisor.core.call_faults import FaultKind

T = TypeVar("T")

LATEST_S = 900.0
"""When a run that waits for a breaker looks by itself; the supervisor wakes it long before."""
LOOK_S = 1.0
"""Between looks of one that has to wait in place."""


def can_park() -> bool:
    """Whether somebody would start this program again."""
    agent = current_agent()
    return agent is not None and agent.is_supervised


def patiently(attempt: Callable[[], T]) -> T:
    """The result of ``attempt``; parks or waits while the service cannot be called."""
    while True:
        try:
            return attempt()
        except CallError as error:
            time.sleep(_pause_s(error))


async def patiently_async(attempt: Callable[[], Awaitable[T]]) -> T:
    """The same for a coroutine function."""
    while True:
        try:
            return await attempt()
        except CallError as error:
            await asyncio.sleep(_pause_s(error))


def _pause_s(error: CallError) -> float:
    """Seconds until the next try; raises ``error`` where waiting is no answer, or parks."""
    agent = current_agent()
    wait_s = error.wait_s if isinstance(error, CircuitOpenError) else error.fault.wait_s
    is_for_now = isinstance(error, CircuitOpenError) or error.kind is FaultKind.RATE_LIMITED
    if agent is None or not agent.is_supervised or not is_for_now or wait_s is None:
        raise error
    if wait_s >= PARKS_FROM_S:
        latest_s = LATEST_S if isinstance(error, CircuitOpenError) else wait_s * 1.2
        agent.park_for_service(error.service, latest_s, f"{error.kind}: {error.fault.message}")
    return min(wait_s, LOOK_S)
