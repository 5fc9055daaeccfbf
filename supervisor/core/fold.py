"""The reducer: a run's state is the fold of its events, in the engine and in every client.

Pure and total over legal events; the only writer of ``RunState``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from supervisor.core import events as e
from supervisor.core import fold_requests as r
from supervisor.core import mute_fold, stage_times
from supervisor.core.agent_events import SAID_FOLDS
from supervisor.core.copying import changed
from supervisor.core.events import Event
from supervisor.core.lifecycle import IllegalTransitionError, next_status
from supervisor.core.moment import Moment, seconds_between
from supervisor.core.mute_events import AnomalyMuted, AnomalyUnmuted
from supervisor.core.progress import counts_anew, has_moved
from supervisor.core.run import (
    FINAL,
    ON_THE_CLOCK,
    Anomaly,
    Attempt,
    Death,
    ExitKind,
    RunState,
    Status,
)
from supervisor.core.spent import spent_after
from supervisor.core.task_events import TaskDelivered, TaskSettled

KEPT_ATTEMPTS = 20
KEPT_ANOMALIES = 50
"""Newest kept of each source. As many as a progress file may declare, kept apart from ours: an
anomaly that was forgotten while its file still names it would be flagged anew at every look."""
KEPT_CHECKPOINTS = 3
"""Good generations that can still be resumed from."""
KEPT_DEATHS = 32
KEPT_WOKEN = 20

CRASHES = frozenset(
    {
        ExitKind.CRASH, ExitKind.STALL, ExitKind.OVER_MEMORY, ExitKind.ATTEMPT_DEADLINE,
        ExitKind.UNKNOWN,
    }
)  # fmt: skip
"""Exits that count against the restart policy."""


def apply(state: RunState | None, run_id: str, event: Event, at: Moment) -> RunState:
    """The state after ``event`` happened at ``at``; IllegalTransitionError changes nothing."""
    if isinstance(event, e.RunCreated):
        if state is not None:
            raise IllegalTransitionError(f"run {run_id} exists already")
        return _created(run_id, event, at)
    if isinstance(event, e.RunRebuilt):
        if state is not None or event.state.id != run_id:
            raise IllegalTransitionError(f"run {run_id} is known and cannot be rebuilt")
        return event.state
    if state is None:
        raise IllegalTransitionError(f"{type(event).__name__} before RunCreated of {run_id}")
    status = next_status(state.status, event)
    if status is not state.status:
        state = _moved(state, status, at)
    reason = getattr(event, "reason", None)
    if reason is not None and type(event) in _REASONS:
        state = changed(state, reason=reason)
    change = _CHANGES.get(type(event))
    state = change(state, event, at) if change else state
    return _with_clock(state, at) if state.status is Status.PARKED else state


_REASONS: frozenset[type[Event]] = frozenset(
    {
        e.WaitBegan, e.WaitEnded, e.RunParked, e.BackoffBegan, e.BackoffMoved, e.AttemptEnding,
        e.RunRequeued,
        e.RunReopened, e.RunSucceeded, e.RunFailed, e.RunTimedOut, e.RunHeld, e.RunStopped,
    }
)  # fmt: skip


def is_on_the_clock(state: RunState) -> bool:
    """Whether time counts against the task-level timeout: of a sleep it does, of a person not."""
    if state.status is not Status.PARKED:
        return state.status in ON_THE_CLOCK
    return state.wake is not None and not state.wake.is_held and not state.open_requests


def _with_clock(state: RunState, at: Moment) -> RunState:
    """Parked, a question or a hand on a sleep stops and starts the clock within one status."""
    if is_on_the_clock(state) == (state.clock_since is not None):
        return state
    passed = seconds_between(state.clock_since, at) if state.clock_since else 0.0
    return changed(
        state,
        clock_used_s=state.clock_used_s + passed,
        attempt_used_s=state.attempt_used_s + passed,
        clock_since=at if is_on_the_clock(state) else None,
    )


def clock_used_s(state: RunState, now: Moment) -> float:
    """Seconds of the task-level timeout used at ``now``."""
    running = seconds_between(state.clock_since, now) if state.clock_since else 0.0
    return state.clock_used_s + running


def attempt_used_s(state: RunState, now: Moment) -> float:
    """Seconds of the attempt-level timeout used at ``now``."""
    running = seconds_between(state.clock_since, now) if state.clock_since else 0.0
    return state.attempt_used_s + running


def _created(run_id: str, event: e.RunCreated, at: Moment) -> RunState:
    return RunState(
        id=run_id,
        agent=event.spec.name,
        spec=event.spec,
        created_at=at.wall,
        status=Status.QUEUED,
        reason=event.reason,
        status_since=at,
        task=event.task,
        past=event.past,
        epoch=event.task.epoch_floor if event.task is not None else 0,
    )


def _moved(state: RunState, status: Status, at: Moment) -> RunState:
    passed = seconds_between(state.clock_since, at) if state.clock_since else 0.0
    return changed(
        state,
        status=status,
        status_since=at,
        clock_used_s=state.clock_used_s + passed,
        attempt_used_s=state.attempt_used_s + passed,
        clock_since=at if status in ON_THE_CLOCK else None,
        ended_at=at.wall if status in FINAL else None,
        ending=state.ending if status is Status.STOPPING else None,
        next_start=None,
        wake=None,
    )


def _attempt_starting(state: RunState, event: e.AttemptStarting, at: Moment) -> RunState:
    last = state.newest_attempt
    recovered = (
        event.resumed_from is not None
        and last is not None
        and last.exit is not None
        and last.exit.kind in CRASHES
    )
    attempt = Attempt(event.number, event.epoch, at.wall, event.resumed_from)
    return changed(
        state,
        epoch=event.epoch,
        attempt=event.number,
        attempts=(*map(_without_output, state.attempts), attempt)[-KEPT_ATTEMPTS:],
        started_at=state.started_at if state.started_at is not None else at.wall,
        attempt_used_s=0.0,
        progress_at=at,
        pace_since=None,
        reason=event.cause,
        recoveries=state.recoveries + recovered,
    )


def _without_output(attempt: Attempt) -> Attempt:
    """The last lines matter while somebody may have to decide about them."""
    if attempt.exit is None or not attempt.exit.output:
        return attempt
    return replace(attempt, exit=replace(attempt.exit, output=()))


def _attempt_started(state: RunState, event: e.AttemptStarted, _at: Moment) -> RunState:
    last = state.attempts[-1]
    known = replace(last, pid=event.pid, pid_started=event.pid_started)
    return changed(state, attempts=(*state.attempts[:-1], known))


def _attempt_exited(state: RunState, event: e.AttemptExited, at: Moment) -> RunState:
    deaths = state.deaths
    if event.exit.kind in CRASHES:
        generation = state.checkpoint.generation if state.checkpoint else None
        deaths = (*deaths, Death(at, generation))[-KEPT_DEATHS:]
    ended = replace(state.attempts[-1], exit=event.exit)
    return changed(
        state,
        attempts=(*state.attempts[:-1], ended),
        deaths=deaths,
        stage_times=stage_times.left(state.stage_times, at),
    )


def _backoff_began(state: RunState, event: e.BackoffBegan, _at: Moment) -> RunState:
    return changed(
        state,
        next_start=event.next_start,
        retries=state.retries + (event.retry > 0),
        retries_in_row=event.retry,
    )


def _backoff_moved(state: RunState, event: e.BackoffMoved, _at: Moment) -> RunState:
    return changed(state, next_start=event.next_start)


def _parked(state: RunState, event: e.RunParked, _at: Moment) -> RunState:
    return changed(state, wake=event.wake, naps=event.wake.nap if event.wake else 0)


def _wake_moved(state: RunState, event: e.WakeMoved, _at: Moment) -> RunState:
    return changed(state, wake=replace(state.wake, at=event.at)) if state.wake else state


def _requeued(state: RunState, event: e.RunRequeued, at: Moment) -> RunState:
    if event.woken_from is None:
        return state
    ahead = tuple(woken for woken in state.woken if woken > at.wall)
    return replace(state, woken=(*ahead, event.woken_from)[-KEPT_WOKEN:])


def _paused(state: RunState, _event: e.RunPaused, _at: Moment) -> RunState:
    return changed(state, wake=replace(state.wake, is_held=True)) if state.wake else state


def _resumed(state: RunState, _event: e.RunResumed, _at: Moment) -> RunState:
    return changed(state, wake=replace(state.wake, is_held=False)) if state.wake else state


def _ending(state: RunState, event: e.AttemptEnding, _at: Moment) -> RunState:
    return changed(state, ending=event.then)


def _reopened(state: RunState, _event: e.RunReopened, _at: Moment) -> RunState:
    return changed(state, retries_in_row=0, deaths=(), unattended_turns=(), clock_used_s=0.0)


def _progress_reported(state: RunState, event: e.ProgressReported, at: Moment) -> RunState:
    old, new = state.progress, event.progress
    if new.stage is not None:
        times = stage_times.entered(state.stage_times, new.stage.name, at)
        state = changed(state, stage_times=times) if times is not state.stage_times else state
    if new.usage is not None and (old is None or old.usage != new.usage):
        before = old.usage.cost_usd if old and old.usage else 0.0
        state = changed(state, spent=spent_after(state.spent, new.usage.cost_usd - before, at))
    if not has_moved(old, new):
        return changed(state, progress=new, progress_epoch=state.epoch, stale=event.stale)
    begins = state.pace_since is None or counts_anew(old, new)
    completed = new.step.completed if new.step and new.step.completed else 0.0
    return changed(
        state,
        progress=new,
        progress_epoch=state.epoch,
        stale=event.stale,
        progress_at=at,
        pace_since=at if begins else state.pace_since,
        pace_completed=completed if begins else state.pace_completed,
    )


def _progress_rejected(state: RunState, event: e.ProgressRejected, at: Moment) -> RunState:
    return changed(state, stale=event.problem, progress_rejected_at=at)


def _checkpoint_rejected(state: RunState, _event: e.CheckpointRejected, at: Moment) -> RunState:
    return changed(state, checkpoint_rejected_at=at)


def _checkpoint_recorded(state: RunState, event: e.CheckpointRecorded, at: Moment) -> RunState:
    return changed(
        state,
        checkpoints=(*state.checkpoints, event.checkpoint)[-KEPT_CHECKPOINTS:],
        newest_generation=event.checkpoint.generation,
        progress_at=at,
        retries_in_row=0,
        deaths=(),
        unattended_turns=(),
        # Whoever gets further may nap again, but not without a pause.
        naps=min(state.naps, 1),
    )


def _rolled_back(state: RunState, event: e.CheckpointRolledBack, _at: Moment) -> RunState:
    kept = tuple(c for c in state.checkpoints if c.generation <= event.generation)
    return changed(state, checkpoints=kept)


def _anomaly_flagged(state: RunState, event: e.AnomalyFlagged, _at: Moment) -> RunState:
    others = tuple(a for a in state.anomalies if a.id != event.anomaly.id)
    is_new = len(others) == len(state.anomalies)
    return changed(
        state,
        anomalies=_newest_of_each_source((*others, event.anomaly)),
        anomaly_count=state.anomaly_count + (is_new and not event.is_muted),
    )


def _newest_of_each_source(anomalies: tuple[Anomaly, ...]) -> tuple[Anomaly, ...]:
    newest = anomalies[-1]
    of_source = [a for a in anomalies if a.source == newest.source]
    if len(of_source) <= KEPT_ANOMALIES:
        return anomalies
    return tuple(a for a in anomalies if a is not of_source[0])


def _spec_changed(state: RunState, event: e.SpecChanged, _at: Moment) -> RunState:
    return changed(state, spec=event.spec)


def _task_delivered(state: RunState, event: TaskDelivered, _at: Moment) -> RunState:
    return changed(state, task=event.task, epoch=max(state.epoch, event.task.epoch_floor))


def _task_settled(state: RunState, event: TaskSettled, _at: Moment) -> RunState:
    return changed(state, task=replace(state.task, outcome=event.outcome)) if state.task else state


_CHANGES: dict[type[Event], Callable[[RunState, Any, Moment], RunState]] = {
    e.SpecChanged: _spec_changed,
    e.AttemptStarting: _attempt_starting,
    e.AttemptStarted: _attempt_started,
    e.AttemptExited: _attempt_exited,
    e.BackoffBegan: _backoff_began,
    e.BackoffMoved: _backoff_moved,
    e.WakeMoved: _wake_moved,
    e.RunParked: _parked,
    e.RunRequeued: _requeued,
    e.RunPaused: _paused,
    e.RunResumed: _resumed,
    e.AttemptEnding: _ending,
    e.RunReopened: _reopened,
    e.ProgressReported: _progress_reported,
    e.ProgressRejected: _progress_rejected,
    e.CheckpointRejected: _checkpoint_rejected,
    e.CheckpointRecorded: _checkpoint_recorded,
    e.CheckpointRolledBack: _rolled_back,
    e.RequestOpened: r.request_opened,
    e.RequestReminded: r.request_reminded,
    e.RequestAskedAgain: r.request_asked_again,
    e.RequestAnswered: r.request_answered,
    e.RequestClosed: r.request_closed,
    e.AnomalyFlagged: _anomaly_flagged,
    **SAID_FOLDS,
    AnomalyMuted: mute_fold.muted,
    AnomalyUnmuted: mute_fold.unmuted,
    TaskDelivered: _task_delivered,
    TaskSettled: _task_settled,
}
