"""Every clock of a run, derived from its state: nothing that is due is stored twice.

The engine wakes a run at the earliest of these and tells the keeper the deadline, which enforces
it even while the engine is dead.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.fold import attempt_used_s, clock_used_s, is_on_the_clock
from supervisor.core.moment import Moment, seconds_between, seconds_until
from supervisor.core.run import ON_THE_CLOCK, Request, RunState, Status

MAX_DOUBLINGS = 40
"""Of a reminder's wait; more overflows nothing but means nothing."""
WALL_CHECK_S = 30.0
"""Longest sleep towards a wall-clock time: a timer counts neither a suspend nor a jump."""


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


def start_left_s(state: RunState, now: Moment) -> float | None:
    """Seconds until the next attempt may start; None when none is planned.

    Across boots only the wall clock is left. When it now shows a time before the wait began, it
    was set back and measures nothing; a whole boot has passed, so the wait is over. Otherwise a
    clock that lost ten years would hold the run for ten years.
    """
    if state.status is not Status.BACKOFF or state.next_start is None:
        return None
    left = seconds_until(state.next_start, now)
    whole = seconds_between(state.status_since, state.next_start)
    return left if left <= whole else 0.0


def wake_left_s(state: RunState, now: Moment) -> float | None:
    """Seconds until a sleeping run wakes; None when it does not sleep, or is held asleep.

    By the wall clock alone: after a suspend, a reboot or a set clock it says what time it is.
    """
    if state.status is not Status.PARKED or state.wake is None or state.wake.is_held:
        return None
    return max(0.0, state.wake.at - now.wall)


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


def overdue_requests(state: RunState, now: Moment) -> tuple[Request, ...]:
    """Open requests that stay open although their time is over, which was not said yet."""
    return tuple(r for r in state.open_requests if _is_said_when_over(r) and _left(r, now) <= 0.0)


def reminder_left_s(state: RunState, request: Request, now: Moment) -> float | None:
    """Seconds until an open request is reminded of; None if never.

    Counted from what is stored, so that no restart repeats or delays one. Within one boot by the
    clock that says more has passed (a suspend counts, a clock set back takes nothing away); after
    a reboot, where a clock that was set back measures nothing, it is due.
    """
    first_s, told = state.spec.remind_after_s, request.told_at
    if first_s is None:
        return None
    wait_s = first_s * 2.0 ** min(request.reminded, MAX_DOUBLINGS)
    wait_s = min(wait_s, max(first_s, state.spec.remind_max_s))
    passed_s = now.wall - (told.wall if told is not None else request.created_at)
    if told is not None and told.boot == now.boot:
        passed_s = max(passed_s, now.mono - told.mono)
    elif passed_s < 0.0:
        return 0.0
    return max(0.0, wait_s - passed_s)


def reminders_due(state: RunState, now: Moment) -> tuple[Request, ...]:
    """Open requests that have to be reminded of."""
    return tuple(r for r in state.open_requests if reminder_left_s(state, r, now) == 0.0)


def next_wake_s(state: RunState, now: Moment) -> float | None:
    """Seconds until something happens by time alone; None when nothing will."""
    waits = [min(wait, WALL_CHECK_S) for r in state.open_requests for wait in _asked(state, r, now)]
    start = start_left_s(state, now)
    if start is not None and state.next_start is not None:
        is_here = state.next_start.boot == now.boot
        waits.append(start if is_here else min(start, WALL_CHECK_S))
        left = task_left_s(state, now)
        if left is not None:
            waits.append(left)
    wake = wake_left_s(state, now)
    if wake is not None:
        waits.append(min(wake, WALL_CHECK_S))
        left = task_left_s(state, now) if is_on_the_clock(state) else None
        if left is not None:
            waits.append(left)
    stall = stall_left_s(state, now)
    if stall is not None:
        waits.append(stall)
    return min(waits) if waits else None


def _expires(request: Request) -> bool:
    return request.expires_at is not None and request.on_timeout != "park"


def _is_said_when_over(request: Request) -> bool:
    is_parking = request.expires_at is not None and request.on_timeout == "park"
    return is_parking and not request.is_overdue


def _left(request: Request, now: Moment) -> float:
    return max(0.0, (request.expires_at or now.wall) - now.wall)


def _asked(state: RunState, request: Request, now: Moment) -> list[float]:
    """Seconds until something happens to an open request."""
    waits = [_left(request, now)] if _expires(request) or _is_said_when_over(request) else []
    reminder = reminder_left_s(state, request, now)
    return waits if reminder is None else [*waits, reminder]
