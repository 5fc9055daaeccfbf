"""Runs that sleep: parked by their own wish until a moment of the wall clock.

The wish is ``wake.json``, valid for the attempt that wrote it and left with 75. It is a promise
to start, not a retry: nothing is burnt and nothing backs off. What must never happen is a start
before the time, or a run that leaves and starts again as fast as the machine can.
"""

from __future__ import annotations

from dataclasses import replace

from supervisor.core import events as e
from supervisor.core.classify import TEMPFAIL
from supervisor.core.due import task_left_s, wake_left_s
from supervisor.core.facts import Exited
from supervisor.core.fold import attempt_used_s, is_on_the_clock
from supervisor.core.moment import Moment
from supervisor.core.run import RequestState, RunState, Wake
from supervisor.core.times import utc_text
from supervisor.core.turn import Turn

MAX_AHEAD_S = 366 * 86400.0
"""A year and a day: beyond it a time is taken for a mistake of the unit."""
NAP_S = 1.0
"""A sleep that ends sooner than this is a nap; the first one is as short as asked for."""
NAP_FLOOR_S, NAP_FLOOR_MAX_S = 1.0, 60.0
"""The second nap in a row takes at least a second, each further one twice as long, up to this."""
NAPS_FLAGGED = 5
"""So many naps in a row, without a new checkpoint, are told as a loop."""
BUSY_S = 10.0
"""An attempt that worked for so long before its nap begins the row anew."""
CLOCK_BACK_S = 60.0
"""A clock that is kept in time is never set back by more."""
JUST_NOW_S = 10.0
"""A question settled so short before the exit may have crossed it: its asker is started."""


def with_usable_wake(turn: Turn, fact: Exited) -> Exited:
    """``fact`` without a wake that does not count; what is wrong with it is flagged."""
    state = turn.state
    if fact.code != TEMPFAIL and fact.is_known:
        return replace(fact, wake=None)
    problem, wake = fact.wake_problem, fact.wake
    if wake is not None and wake.epoch != state.epoch:
        if wake.epoch > state.epoch:
            problem = f"epoch: found {wake.epoch}, expected {state.epoch}"
        wake = None  # An older attempt's is only a leftover.
    if wake is not None and wake.at - turn.now.wall > MAX_AHEAD_S:
        problem = f"at: found {utc_text(wake.at)}, expected at most 366 days ahead"
        wake = None
    if problem is not None:
        turn.flag("wake-refused", f"wake.json: {problem}", key=str(state.epoch))
    if wake is not None and fact.is_known and _is_settled_just_now(state, turn.now):
        wake = None  # It left before it saw the answer: the answer came first.
    return replace(fact, wake=wake)


def sleep(turn: Turn, wake: Wake) -> None:
    """Park until ``wake``; a time that has passed starts the next attempt at once."""
    wake = _not_spinning(turn, wake)
    asked = turn.state.open_requests[:1]
    words = f"sleeping until {utc_text(wake.at)}" + (f": {wake.reason}" if wake.reason else "")
    if wake.service:
        words = f"waiting for {wake.service}, until {utc_text(wake.at)} at most: {wake.reason}"
    if asked:
        words += f"; or an answer to {asked[0].id}: {asked[0].title}"
    turn.record(e.RunParked(words, wake))
    if wake.nap == NAPS_FLAGGED and wake.service:
        words = f"it stopped for {wake.service} {wake.nap} times in a row without a new checkpoint"
        turn.flag("service-loop", f"{words}; each next wait is longer", key=str(wake.epoch))
    elif wake.nap == NAPS_FLAGGED:
        naps = f"{wake.nap} sleeps of under {NAP_S:g} s in a row without a new checkpoint"
        turn.flag("sleep-loop", f"{naps}; each next one takes longer", key=str(wake.epoch))
    left_s = task_left_s(turn.state, turn.now) if is_on_the_clock(turn.state) else None
    if left_s is not None and wake.at - turn.now.wall > left_s:
        end = utc_text(turn.now.wall + left_s)
        late = f"it sleeps until {utc_text(wake.at)}, but the task's time ends before, at {end}"
        turn.flag("sleep-past-deadline", late, key=str(wake.epoch))
    wake_if_due(turn)


def wake_if_due(turn: Turn) -> None:
    """Start the next attempt of a sleeping run whose time has come."""
    if wake_left_s(turn.state, turn.now) == 0.0 and turn.state.wake is not None:
        reason = turn.state.wake.reason
        wake_up(turn, "its time to wake came" + (f": {reason}" if reason else ""))


def flag_clock_set_back(turn: Turn) -> None:
    """Say once that a sleep lasts longer because the clock shows a time before it began."""
    state, key = turn.state, str(turn.state.epoch)
    back_s = state.status_since.wall - turn.now.wall
    is_known = any(anomaly.id == f"clock-set-back:{key}" for anomaly in state.anomalies)
    if state.wake is not None and back_s > CLOCK_BACK_S and not is_known:
        until = utc_text(state.wake.at)
        words = f"the clock was set back by {back_s:.0f} s or more; it sleeps until {until} by it"
        turn.flag("clock-set-back", words, key=key)


def wake_up(turn: Turn, reason: str) -> None:
    """Start the next attempt of a parked run."""
    turn.record(e.RunRequeued(reason))
    turn.begin_attempt(reason)


def wake_early(turn: Turn, reason: str) -> None:
    """Start it because the operator says so; the attempt is told which sleep is over with that."""
    wake = turn.state.wake
    is_ahead = wake is not None and wake.at > turn.now.wall
    turn.record(e.RunRequeued(reason, wake.at if wake is not None and is_ahead else None))
    turn.begin_attempt(reason)


def wake_by_answer(turn: Turn, reason: str) -> None:
    """Start it, unless the operator holds it asleep: then ``resume`` finds that it is time."""
    wake = turn.state.wake
    if wake is not None and wake.is_held:
        turn.record(e.RunParked(f"{reason}; paused", replace(wake, at=turn.now.wall)))
    else:
        wake_up(turn, reason)


def _not_spinning(turn: Turn, wake: Wake) -> Wake:
    """``wake`` as a nap in its row, and moved to what the row leaves it."""
    now = turn.now.wall
    is_busy = attempt_used_s(turn.state, turn.now) >= BUSY_S
    nap = 1 if is_busy else turn.state.naps + 1
    if wake.service:
        return replace(wake, nap=nap, is_held=False)  # ``service_rest_s`` makes it longer.
    if wake.at - now >= NAP_S:
        return replace(wake, nap=0, is_held=False)
    floor_s = 0.0 if nap == 1 else min(NAP_FLOOR_S * 2.0 ** min(nap - 2, 16), NAP_FLOOR_MAX_S)
    return replace(wake, at=max(wake.at, now + floor_s), nap=nap, is_held=False)


def _is_settled_just_now(state: RunState, now: Moment) -> bool:
    """Whether a question of this very attempt was settled about when it left.

    By the wall clock, which may be set between the two: being started once too often is harmless,
    the agent sleeps again.
    """
    if state.settled_epoch != state.epoch or state.open_requests:
        return False
    return any(
        abs(now.wall - at) < JUST_NOW_S
        for request in state.requests
        if request.state in (RequestState.ANSWERED, RequestState.EXPIRED)
        and (at := request.answer.at if request.answer else request.closed_at) is not None
    )
