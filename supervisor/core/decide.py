"""The decision function of a run: state, fact, time and randomness in; events and effects out.

No I/O, no clock, nothing awaited: one seed can simulate a week of faults in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.agent_events import decide_agent_events
from supervisor.core.asking import (
    decide_answer,
    decide_request_gone,
    decide_request_seen,
    expire_request,
    remind,
)
from supervisor.core.budget import check_own_budget, decide_budget_used_up
from supervisor.core.due import expiring_requests, stall_left_s, start_left_s, task_left_s
from supervisor.core.effects import HoldStill
from supervisor.core.facts import Fact
from supervisor.core.fold import is_on_the_clock
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.mute import MAX_MUTES, Mute, is_muted
from supervisor.core.mute_events import AnomalyMuted, AnomalyUnmuted
from supervisor.core.own_questions import is_held_still
from supervisor.core.restart import (
    decide_exited,
    follow_exit,
    retry_cause,
    time_out,
    withdraw_requests,
)
from supervisor.core.run import ALIVE, FINAL, Checkpoint, Exit, ExitKind, RunState, Status, Then
from supervisor.core.service_wake import service_rest_s
from supervisor.core.size import size_words
from supervisor.core.sleeping import flag_clock_set_back, wake_early, wake_if_due
from supervisor.core.suspect import decide_unusual
from supervisor.core.task_events import TaskDelivered, TaskSettled
from supervisor.core.turn import Decision, Randomness, Turn
from supervisor.core.withheld import rejection_due_s

MAX_NAMES = 12
"""Agents named in one phrase; the rest is counted."""


def decide(state: RunState, fact: Fact, now: Moment, rng: Randomness) -> Decision:
    """What ``fact`` leads to. The same arguments always give the same decision."""
    turn = Turn(state, now, rng)
    _RULES[type(fact)](turn, fact)
    return turn.decision()


def _start(turn: Turn, fact: f.StartWanted) -> None:
    if turn.state.status is Status.QUEUED:
        turn.begin_attempt(fact.cause)
    elif turn.state.wake is not None and fact.is_waking:
        wake_early(turn, fact.cause)


def _spawn_done(turn: Turn, fact: f.SpawnDone) -> None:
    if fact.epoch != turn.state.epoch or turn.state.status not in ALIVE:
        return
    turn.record(e.AttemptStarted(fact.epoch, fact.pid, fact.pid_started, fact.adopted))
    asked = turn.state.asked_now
    if turn.state.status is Status.RUNNING and asked:
        # It asked before the keeper's reply reached us: its clocks must stand from now on.
        turn.record(e.WaitBegan(f"asks {asked[0].id}: {asked[0].title}"))


def _spawn_refused(turn: Turn, fact: f.SpawnRefused) -> None:
    if fact.epoch != turn.state.epoch or turn.state.status not in ALIVE:
        return
    if turn.state.pid is not None:
        return  # It runs: a refusal of the same order given twice must not bury it (I3).
    stopping = turn.state.ending in (Then.STOP, Then.RESTART)
    kind = ExitKind.PERMANENT if fact.permanent else ExitKind.CRASH
    follow_exit(turn, Exit(ExitKind.STOPPED if stopping else kind, fact.message, at=fact.at))


def _spawn_blocked(turn: Turn, fact: f.SpawnBlocked) -> None:
    """Nothing was started and nothing failed: no retry is used up, the operator has to look."""
    state = turn.state
    if fact.epoch != state.epoch or state.status not in ALIVE or state.pid is not None:
        return
    if state.ending in (Then.STOP, Then.RESTART):
        follow_exit(turn, Exit(ExitKind.STOPPED, fact.message, at=fact.at))
        return
    turn.flag("lock-held", fact.message, key=str(state.epoch), severity="error")
    turn.record(e.AttemptExited(state.epoch, Exit(ExitKind.TRY_LATER, fact.message, at=fact.at)))
    turn.record(e.RunHeld(fact.message))


def _progress(turn: Turn, fact: f.ProgressSeen) -> None:
    state = turn.state
    if state.status in FINAL:
        return
    old = state.progress
    # The step first: it is what changes, and a comparison costs less than two copies.
    same = (
        old is not None
        and old.step == fact.progress.step
        and replace(old, updated_at=None) == replace(fact.progress, updated_at=None)
    )
    if same and old is not None and state.progress_epoch != state.epoch:
        # The same words, written anew, are this attempt's own: they may explain its exit.
        same = old.updated_at == fact.progress.updated_at
    stale = "; ".join(fact.problems) or None
    if not same or state.stale != stale:
        turn.record(e.ProgressReported(fact.progress, stale))
        if stale and stale != state.stale and not rejection_due_s(state, False, turn.now):
            turn.record(e.ProgressRejected(stale))
    known = {anomaly.id for anomaly in state.anomalies}
    for anomaly in fact.anomalies:
        if anomaly.id not in known:
            turn.record(e.AnomalyFlagged(anomaly))
    check_own_budget(turn)


def _progress_bad(turn: Turn, fact: f.ProgressBad) -> None:
    state = turn.state
    if state.status in FINAL or state.stale == fact.problem:
        return
    if not rejection_due_s(state, False, turn.now):
        turn.record(e.ProgressRejected(fact.problem, fact.withheld))


def _checkpoint(turn: Turn, fact: f.CheckpointSeen) -> None:
    """A generation is chosen by (epoch, sequence, checksum), never by a file's time (I5)."""
    newest = turn.state.checkpoint
    if newest is not None and newest.sha256 == fact.sha256:
        return
    if problem := _out_of_order(turn.state, newest, fact):
        _checkpoint_bad(turn, f.CheckpointBad(problem, fact.withheld))
        return
    generation = turn.state.next_generation
    epoch = fact.epoch if fact.epoch is not None else turn.state.epoch
    turn.record(
        e.CheckpointRecorded(
            Checkpoint(
                generation, fact.sha256, fact.size_bytes, epoch, fact.sequence, turn.now.wall
            )
        )
    )


def _out_of_order(state: RunState, newest: Checkpoint | None, fact: f.CheckpointSeen) -> str | None:
    if fact.epoch is not None and fact.epoch > state.epoch:
        return f"checkpoint of epoch {fact.epoch}, but the newest attempt has {state.epoch}"
    if newest is None or fact.sequence is None or newest.sequence is None:
        return None
    if fact.epoch is not None and fact.epoch < newest.epoch:
        return f"checkpoint of epoch {fact.epoch} after one of epoch {newest.epoch}"
    if fact.sequence <= newest.sequence:
        return f"checkpoint sequence {fact.sequence} after {newest.sequence}"
    return None


def _checkpoint_bad(turn: Turn, fact: f.CheckpointBad) -> None:
    if rejection_due_s(turn.state, True, turn.now):
        return
    turn.record(e.CheckpointRejected(fact.problem, fact.withheld))
    turn.flag("checkpoint-refused", fact.problem, key=str(turn.state.epoch))


def _rollback(turn: Turn, fact: f.RollbackWanted) -> None:
    is_kept = any(c.generation == fact.generation for c in turn.state.checkpoints)
    if fact.generation != 0 and not is_kept:
        turn.refuse("refused", f"checkpoint {fact.generation} is not kept")
    elif turn.state.status in ALIVE and turn.state.status is not Status.STARTING:
        turn.refuse("refused", "the run has a living process", "Stop it first")
    else:
        turn.record(e.CheckpointRolledBack(fact.generation, fact.reason))


def _journal_cut(turn: Turn, fact: f.JournalCut) -> None:
    if turn.state.status in ALIVE:
        turn.refuse("refused", "the run has a living process", "Stop it first")
    else:
        turn.record(e.JournalTruncated(fact.step, fact.dropped, fact.kept, fact.by))


def _noticed(turn: Turn, fact: f.Noticed) -> None:
    turn.record(e.AnomalyFlagged(fact.anomaly))


def _mute(turn: Turn, fact: f.MuteWanted) -> None:
    if is_muted(turn.state.muted, fact.kind) == fact.is_muted:
        return
    if not fact.is_muted:
        turn.record(AnomalyUnmuted(fact.kind, fact.by))
    elif len(turn.state.muted) >= MAX_MUTES:
        turn.refuse("refused", f"{MAX_MUTES} kinds are muted already", "Unmute some first")
    else:
        turn.record(AnomalyMuted(Mute(fact.kind, fact.by, fact.at)))


def _memory(turn: Turn, fact: f.MemorySeen) -> None:
    state = turn.state
    limit = state.spec.max_memory_bytes
    is_theirs = fact.epoch == state.epoch and state.status in ALIVE and state.pid is not None
    if limit is None or fact.used_bytes <= limit or not is_theirs or state.ending is not None:
        return
    used = f"used {size_words(fact.used_bytes)}, more than max_memory {size_words(limit)}"
    turn.flag("over-memory", used, key=str(state.epoch), severity="error")
    turn.end_attempt(e.AttemptEnding(Then.OVER_MEMORY, "longwatch", used))


def _alike(turn: Turn, fact: f.AlikeSeen) -> None:
    """Say it once, and wait with the others: later than planned, never sooner (I8)."""
    state = turn.state
    if state.status in FINAL:
        return
    if fact.is_lead:
        words = f"{len(fact.agents)} agents failed alike ({fact.cause}): {_names(fact.agents)}"
        turn.flag("fail-alike", words, key=fact.episode)
    if state.status is not Status.BACKOFF or state.next_start is None:
        return
    shared_s, own_s = (seconds_until(due, turn.now) for due in (fact.until, state.next_start))
    policy = state.spec.retry
    # Spread behind the shared start by the jitter, and never beyond what the policy allows.
    wait_s = min(shared_s, policy.max_delay_s)
    wait_s *= 1.0 + policy.jitter_fraction * turn.rng.random()
    if wait_s > own_s:
        reason = f"{fact.cause}; like {_names(tuple(a for a in fact.agents if a != state.agent))}"
        turn.record(e.BackoffMoved(turn.now.plus(wait_s), wait_s, reason))


def _names(agents: tuple[str, ...]) -> str:
    more = f" and {len(agents) - MAX_NAMES} more" if len(agents) > MAX_NAMES else ""
    return ", ".join(agents[:MAX_NAMES]) + more


def _stop(turn: Turn, fact: f.StopWanted) -> None:
    if turn.state.status in FINAL:
        turn.refuse("refused", f"the run is already {turn.state.status}")
    elif turn.state.status in ALIVE:
        if turn.state.ending is not Then.STOP:
            turn.end_attempt(e.AttemptEnding(Then.STOP, fact.by, fact.reason))
    else:
        withdraw_requests(turn, "the run was stopped")
        turn.record(e.RunStopped(fact.by, fact.reason))


def _restart(turn: Turn, fact: f.RestartWanted) -> None:
    status, reason = turn.state.status, f"restarted by {fact.by}"
    if status is Status.SUCCEEDED:
        turn.refuse("refused", "the run has succeeded", "Start a new one: longwatch start NAME")
    elif turn.state.task is not None and status in FINAL and fact.task is None:
        fix = f"longwatch dead requeue {turn.state.id[-6:]}"
        turn.refuse("refused", "the run is over and its task settled", fix)
    elif turn.state.ending is Then.STOP:
        turn.refuse("refused", "the run is being stopped", "Start it again when it has stopped")
    elif status in ALIVE:
        if turn.state.ending is not Then.RESTART:
            turn.end_attempt(e.AttemptEnding(Then.RESTART, fact.by, reason))
    else:
        if turn.state.wake is not None:
            wake_early(turn, reason)
            return
        if fact.task is not None:
            turn.record(TaskDelivered(fact.task))
        if status in FINAL or status is Status.HELD:
            turn.record(e.RunReopened(fact.by, reason))
        elif status is not Status.QUEUED:
            turn.record(e.RunRequeued(reason))
        turn.begin_attempt(reason)


def _pause(turn: Turn, fact: f.PauseWanted) -> None:
    if turn.state.wake is not None and not turn.state.wake.is_held:
        turn.record(e.RunPaused(fact.by))
    elif turn.state.status not in (Status.RUNNING, Status.WAITING):
        turn.refuse("refused", f"a run that is {turn.state.status} cannot be paused")
    else:
        turn.record(e.RunPaused(fact.by))
        turn.want(HoldStill(turn.state.epoch, still=True))


def _resume(turn: Turn, fact: f.ResumeWanted) -> None:
    if turn.state.wake is not None and turn.state.wake.is_held:
        turn.record(e.RunResumed(fact.by))
        wake_if_due(turn)
        return
    if turn.state.status is not Status.PAUSED:
        turn.refuse("refused", f"the run is {turn.state.status}, not paused")
        return
    turn.record(e.RunResumed(fact.by))
    turn.want(HoldStill(turn.state.epoch, still=is_held_still(turn.state)))
    if turn.state.asked_now:
        turn.record(e.WaitBegan(f"asks {turn.state.asked_now[0].id}"))


def _service_back(turn: Turn, fact: f.ServiceBack) -> None:
    """Wake sooner than asked for, each at its own moment; never later."""
    wake = turn.state.wake
    if turn.state.status is not Status.PARKED or wake is None or wake.service != fact.service:
        return
    # From the floor on: who parks for a service that is not down would else start without end.
    rested = turn.state.status_since.wall + service_rest_s(wake.nap)
    at = max(turn.now.wall, rested) + fact.within_s * turn.rng.random()
    if at < wake.at:
        turn.record(e.WakeMoved(at, fact.reason))
        wake_if_due(turn)


def _spec_wanted(turn: Turn, fact: f.SpecWanted) -> None:
    if turn.state.status not in FINAL and turn.state.spec != fact.spec:
        turn.record(e.SpecChanged(fact.spec))


def _tick(turn: Turn, _fact: f.Tick) -> None:
    for request in expiring_requests(turn.state, turn.now):
        expire_request(turn, request)
    remind(turn)
    state = turn.state
    if state.status is Status.BACKOFF:
        if task_left_s(state, turn.now) == 0.0:
            time_out(turn)
        elif start_left_s(state, turn.now) == 0.0:
            turn.begin_attempt(retry_cause(state))
    elif state.wake is not None:
        if is_on_the_clock(state) and task_left_s(state, turn.now) == 0.0:
            time_out(turn)
        else:
            flag_clock_set_back(turn)
            wake_if_due(turn)
    elif stall_left_s(state, turn.now) == 0.0:
        quiet = f"no new progress for {state.spec.stall_timeout_s:g} s"
        turn.flag("stalled", quiet, key=str(state.epoch))
        turn.end_attempt(e.AttemptEnding(Then.RETRY, "longwatch", quiet))


def _task_given(turn: Turn, fact: f.TaskGiven) -> None:
    if turn.state.task != fact.task:
        turn.record(TaskDelivered(fact.task))


def _task_over(turn: Turn, fact: f.TaskOver) -> None:
    task = turn.state.task
    if task is not None and task.token == fact.token and not task.outcome:
        turn.record(TaskSettled(fact.outcome, fact.problem, fact.retry_in_s, fact.followed))


_RULES: dict[type[Fact], Callable[[Turn, Any], None]] = {
    f.StartWanted: _start,
    f.SpawnDone: _spawn_done,
    f.SpawnRefused: _spawn_refused,
    f.SpawnBlocked: _spawn_blocked,
    f.Exited: decide_exited,
    f.ProgressSeen: _progress,
    f.ProgressBad: _progress_bad,
    f.CheckpointSeen: _checkpoint,
    f.CheckpointBad: _checkpoint_bad,
    f.RollbackWanted: _rollback,
    f.JournalCut: _journal_cut,
    f.RequestSeen: decide_request_seen,
    f.RequestGone: decide_request_gone,
    f.Noticed: _noticed,
    f.AgentEventsRead: decide_agent_events,
    f.Unusual: decide_unusual,
    f.MuteWanted: _mute,
    f.MemorySeen: _memory,
    f.AlikeSeen: _alike,
    f.ServiceBack: _service_back,
    f.BudgetUsedUp: decide_budget_used_up,
    f.AnswerGiven: decide_answer,
    f.StopWanted: _stop,
    f.RestartWanted: _restart,
    f.PauseWanted: _pause,
    f.ResumeWanted: _resume,
    f.SpecWanted: _spec_wanted,
    f.TaskGiven: _task_given,
    f.TaskOver: _task_over,
    f.Tick: _tick,
}
