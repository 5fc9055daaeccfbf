"""Which runs that wait for an external service start, and when: one to probe, then all the others.

While a breaker is open nobody has to look whether it closed: no process lives. When its cool-down
is over exactly one run is started, and its first call is the probe. When the breaker has closed
the rest follow, spread over a time, because a service that just recovered bears no rush.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core.breaker import BreakerState
from supervisor.core.facts import ServiceBack
from supervisor.core.run import RunState, Status

SPREAD_S_A_RUN = 0.5
"""Between two returning runs on average."""
SPREAD_MIN_S, SPREAD_MAX_S = 2.0, 60.0
SERVICE_REST_S = 5.0
"""Between parking and a start because of the service; agents wait in place for less than that."""
SERVICE_REST_MAX_S = 320.0
"""That wait doubles each time in a row that a run parks again without having done anything."""
PROBER_S = 30.0
"""After which a run that was started to probe and did not call counts as otherwise busy."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a service stands."""

    state: BreakerState
    wait_s: float
    """Until asking again makes sense."""
    generation: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The run that was started to probe."""

    generation: int
    """Of the breaker at that time: when it moved, the probe went out."""
    at: float
    """Seconds of one clock."""


def service_rest_s(in_a_row: int) -> float:
    """Seconds between parking for a service and a start because of it; ``in_a_row`` from 1."""
    doubled = SERVICE_REST_S * 2.0 ** min(max(in_a_row - 1, 0), 16)
    return min(doubled, SERVICE_REST_MAX_S)


def waiting_for(states: Iterable[RunState]) -> dict[str, list[RunState]]:
    """Parked runs by the service that they wait for, those parked longest first."""
    found: dict[str, list[RunState]] = {}
    for state in states:
        wake = state.wake
        if state.status is Status.PARKED and wake is not None and wake.service and not wake.is_held:
            found.setdefault(wake.service, []).append(state)
    for runs in found.values():
        runs.sort(key=lambda state: (state.status_since.wall, state.id))
    return found


def decide_wakes(
    service: str, runs: list[RunState], seen: Seen, sent: Sent | None, now: float
) -> tuple[list[tuple[str, ServiceBack]], Sent | None]:
    """Facts by run id, and who probes. ``now``: seconds of the clock of ``sent``."""
    if seen.state is BreakerState.CLOSED and seen.wait_s == 0.0:
        spread_s = min(max(SPREAD_MIN_S, len(runs) * SPREAD_S_A_RUN), SPREAD_MAX_S)
        reason = f"{service} works again"
        return [(run.id, ServiceBack(service, spread_s, reason)) for run in runs], None
    is_out = sent is not None and sent.generation == seen.generation and now - sent.at < PROBER_S
    # A probe whose process died keeps it half-open until its time is over.
    if seen.state is not BreakerState.CLOSED and seen.wait_s == 0.0 and not is_out and runs:
        fact = ServiceBack(service, 0.0, f"the first to see whether {service} works again")
        return [(runs[0].id, fact)], Sent(seen.generation, now)
    return [], sent
