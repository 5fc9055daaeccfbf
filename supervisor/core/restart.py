"""What follows the end of an attempt: the one place where a crashed agent's restart is decided."""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core.backoff import decide_delay_s
from supervisor.core.classify import decide_exit_kind, exit_cause
from supervisor.core.due import task_left_s
from supervisor.core.facts import Exited
from supervisor.core.fold import CRASHES
from supervisor.core.fold_requests import KEPT_TURNS
from supervisor.core.moment import seconds_between
from supervisor.core.run import ALIVE, Exit, ExitKind, RunState, Then, Wake
from supervisor.core.sleeping import sleep, with_usable_wake
from supervisor.core.spec import Restart
from supervisor.core.turn import Turn


def decide_exited(turn: Turn, fact: Exited) -> None:
    """Record the exit and what follows it; an exit of an older epoch changes nothing (I5)."""
    state = turn.state
    if fact.epoch != state.epoch or state.status not in ALIVE:
        return
    fact = with_usable_wake(turn, fact)
    kind = decide_exit_kind(state, fact)
    is_ours = kind in (ExitKind.STALL, ExitKind.OVER_MEMORY)
    cause = f"{state.reason}; {exit_cause(fact)}" if is_ours else exit_cause(fact)
    if kind is ExitKind.DONE and fact.result_problem:
        kind, cause = ExitKind.CRASH, f"{cause}, but {fact.result_problem}"
    end = Exit(kind, cause, fact.code, fact.signal, fact.at, fact.output)
    if fact.leftovers:
        turn.flag(
            "orphans",
            f"{fact.leftovers} processes outlived attempt {state.attempt} and were ended",
            key=str(fact.epoch),
        )
    follow_exit(turn, end, fact.wake)


def follow_exit(turn: Turn, end: Exit, wake: Wake | None = None) -> None:
    """Record ``end`` and the event that follows it; ``wake`` for one that leaves to sleep."""
    ending = turn.state.ending
    stopped_reason = turn.state.reason
    turn.record(e.AttemptExited(turn.state.epoch, end))
    if end.kind is ExitKind.STOPPED and ending is Then.RESTART:
        turn.record(e.RunRequeued("restarted by the operator"))
        turn.begin_attempt("restarted by the operator")
    elif end.kind is ExitKind.STOPPED:
        withdraw_requests(turn, "the run was stopped")
        turn.record(e.RunStopped("operator", stopped_reason))
    elif end.kind is ExitKind.TASK_DEADLINE:
        time_out(turn)
    elif end.kind is ExitKind.DONE:
        _finish(turn, end)
    elif wake is None and (loop := _question_loop(turn, end)):
        turn.flag("question-loop", loop, key=str(turn.state.epoch), severity="error")
        turn.record(e.RunHeld(f"question loop: {loop}"))
    elif end.kind is ExitKind.PARKED and wake is not None:
        sleep(turn, wake)
    elif end.kind is ExitKind.PARKED:
        first = turn.state.open_requests[0]
        turn.record(e.RunParked(f"waits for an answer to {first.id}: {first.title}"))
    elif end.kind is ExitKind.PERMANENT:
        withdraw_requests(turn, "the run failed")
        turn.record(e.RunFailed(f"{end.cause}; permanent, not retried"))
    elif end.kind is ExitKind.TRY_LATER and turn.state.settled_epoch == turn.state.epoch:
        turn.record(e.RunRequeued("its question is answered"))
        turn.begin_attempt("its question is answered")
    else:
        _retry(turn, end)


def time_out(turn: Turn) -> None:
    """The task-level timeout is used up: the run is over."""
    limit = turn.state.spec.timeout_s
    withdraw_requests(turn, "the run timed out")
    # The keeper may end an attempt by a limit that was lifted in the same moment.
    used_up = "the task's time is" if limit is None else f"the task's {limit:g} s are"
    turn.record(e.RunTimedOut(f"{used_up} used up"))


def withdraw_requests(turn: Turn, why: str) -> None:
    """Close every open request: nobody is left to use an answer."""
    for request in turn.state.open_requests:
        turn.record(e.RequestClosed(request.id, expired=False, why=why))


def _finish(turn: Turn, end: Exit) -> None:
    if turn.state.spec.restart is Restart.ALWAYS:
        delay_s = decide_delay_s(turn.state.spec.retry, 1, turn.rng.random())
        due = turn.now.plus(delay_s)
        reason = f"{end.cause}; restart is always"
        turn.record(e.BackoffBegan(due, delay_s, 0, turn.state.spec.retry.max_retries, reason))
        return
    withdraw_requests(turn, "the run succeeded")
    unseen = "" if end.code is not None else "; declared done before its exit was lost"
    turn.record(e.RunSucceeded(f"{end.cause}{unseen}"))


def _retry(turn: Turn, end: Exit) -> None:
    policy, state = turn.state.spec.retry, turn.state
    if state.spec.restart is Restart.NEVER:
        withdraw_requests(turn, "the run failed")
        turn.record(e.RunFailed(f"{end.cause}; restart is never"))
    elif end.kind in CRASHES and state.task is None and (loop := _crash_loop(turn)):
        turn.flag(
            "crash-loop", f"{loop}; last: {end.cause}", key=str(state.epoch), severity="error"
        )
        turn.record(e.RunHeld(f"crash loop: {loop}; last: {end.cause}"))
    elif state.retries_in_row >= policy.max_retries:
        withdraw_requests(turn, "the run failed")
        tried = f"; {policy.max_retries} retries without a new checkpoint"
        # Of a task without retries within a delivery it is the queue that tries again.
        is_of_a_task = state.task is not None and policy.max_retries == 0
        turn.record(e.RunFailed(f"{end.cause}{'' if is_of_a_task else tried}"))
    else:
        retry = state.retries_in_row + 1
        delay_s = decide_delay_s(policy, retry, turn.rng.random())
        due = turn.now.plus(delay_s)
        turn.record(e.BackoffBegan(due, delay_s, retry, policy.max_retries, end.cause))
        if delay_s == 0.0 and task_left_s(turn.state, turn.now) != 0.0:
            # Nothing to wait for: one transaction instead of two, and no timer between.
            turn.begin_attempt(retry_cause(turn.state))


def retry_cause(state: RunState) -> str:
    """Why the attempt after a backoff begins, for people."""
    return f"retry {state.retries_in_row} after {state.reason}"


def _question_loop(turn: Turn, end: Exit) -> str | None:
    """Why this is a loop: attempt after attempt leaves with a question that no person settles.

    Such a turn uses up no retry, so without a bound an unattended agent that asks something new
    each time would start again as fast as the machine can.
    """
    state, window_s = turn.state, turn.state.spec.retry.crash_loop_window_s
    if end.kind is ExitKind.PARKED:
        goes_on_alone = all(
            r.expires_at is not None and r.on_timeout != "park" for r in state.open_requests
        )
    else:
        goes_on_alone = end.kind is ExitKind.TRY_LATER and state.settled_epoch == state.epoch
    turns = state.unattended_turns
    if not goes_on_alone or len(turns) < KEPT_TURNS:
        return None
    span_s = seconds_between(turns[0], turn.now)
    if span_s > window_s:
        return None
    return (
        f"{len(turns)} attempts in {span_s:.0f} s each left with a question that no person "
        "answered, without a new checkpoint"
    )


def _crash_loop(turn: Turn) -> str | None:
    """Why this is a crash loop: N deaths at the same checkpoint within the window, or None.

    Never asked of a task's run: a task that fails goes to the dead letters, and its worker on.
    """
    policy, state = turn.state.spec.retry, turn.state
    generation = state.checkpoint.generation if state.checkpoint else None
    recent = [
        death
        for death in state.deaths
        if death.generation == generation
        and seconds_between(death.at, turn.now) <= policy.crash_loop_window_s
    ]
    if len(recent) < policy.crash_loop_deaths:
        return None
    span_s = seconds_between(recent[0].at, turn.now)
    where = "before any checkpoint" if generation is None else f"at checkpoint {generation}"
    return f"{len(recent)} crashes {where} in {span_s:.0f} s"
