"""Every clock of a run, derived from its state: nothing that is due is stored twice.

The engine wakes a run at the earliest of these and tells the keeper the deadline, which enforces
it even while the engine is dead.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.fold import attempt_used_s, clock_used_s
from supervisor.core.moment import Moment, seconds_between, seconds_until
from supervisor.core.run import ON_THE_CLOCK, Request, RunState, Status


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when the living attempt may run."""

    in_s: float
    kind: str
    """task | attempt"""


def task_left_s(state: RunState, now: Moment) -> float | None:
    """Seconds left of the task-level timeout; None without one. May be 0, never negative."""
    if state.spec.timeout_s is None:
        return None
    return max(0.0, state.spec.timeout_s - clock_used_s(state, now))


def keeper_deadline(state: RunState, now: Moment) -> Deadline | None:
    """The sooner of task and attempt limit while the clock runs, else None."""
    if state.status not in ON_THE_CLOCK:
        return None
    task = task_left_s(state, now)
    limit = state.spec.attempt_timeout_s
    attempt = None if limit is None else max(0.0, limit - attempt_used_s(state, now))
    if task is not None and (attempt is None or task <= attempt):
        return Deadline(task, "task")
    return None if attempt is None else Deadline(attempt, "attempt")


def stall_left_s(state: RunState, now: Moment) -> float | None:
    """Seconds until a running attempt without progress counts as stalled; None if never."""
    limit, moved = state.spec.stall_timeout_s, state.progress_at
    if limit is None or moved is None or state.status is not Status.RUNNING:
        return None
    # Time that the operator took (waiting, paused) is no stall.
    quiet = min(seconds_between(moved, now), seconds_between(state.status_since, now))
    return max(0.0, limit - quiet)


def expiring_requests(state: RunState, now: Moment) -> tuple[Request, ...]:
    """Open requests whose time is over and for which something was said to happen then."""
    return tuple(r for r in state.open_requests if _expires(r) and _left(r, now) <= 0.0)


def next_wake_s(state: RunState, now: Moment) -> float | None:
    """Seconds until something happens by time alone; None when nothing will."""
    waits = [_left(r, now) for r in state.open_requests if _expires(r)]
    if state.status is Status.BACKOFF and state.next_start is not None:
        waits.append(seconds_until(state.next_start, now))
        left = task_left_s(state, now)
        if left is not None:
            waits.append(left)
    stall = stall_left_s(state, now)
    if stall is not None:
        waits.append(stall)
    return min(waits) if waits else None


def _expires(request: Request) -> bool:
    return request.expires_at is not None and request.on_timeout != "park"


def _left(request: Request, now: Moment) -> float:
    return max(0.0, (request.expires_at or now.wall) - now.wall)
