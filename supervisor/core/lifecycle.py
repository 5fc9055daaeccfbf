"""The lifecycle of a run: one table, read aloud in a minute.

A run is *queued* until its first attempt. An attempt is *starting* from the moment its epoch is
stored until the keeper has spawned it, then *running*. With an open question it is *waiting*
(alive) or *parked* (its process has left); one that sleeps until a time is parked too. The
operator can hold it still (*paused*). When we end an attempt it is *stopping* until nothing of it
lives. After a crash it is in *backoff* until the next attempt is due; in a crash loop it is
*held* for the operator. *succeeded*, *failed*,
*timed_out* and *stopped* are final, and all but the first can be reopened, which continues from
the checkpoint.

``AttemptExited`` moves nothing by itself, but only a living status allows it: the event decided
with it says what follows, and both are stored in one transaction. Events that are not in the
table leave the status alone. An unknown pair raises and changes nothing (I11).
"""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core.events import Event
from supervisor.core.run import Status as S  # noqa: N817  the table is read by its columns

_AFTER_EXIT: tuple[tuple[type[Event], S], ...] = (
    (e.RunSucceeded, S.SUCCEEDED),
    (e.RunFailed, S.FAILED),
    (e.RunTimedOut, S.TIMED_OUT),
    (e.RunStopped, S.STOPPED),
    (e.RunHeld, S.HELD),
    (e.RunParked, S.PARKED),
    (e.BackoffBegan, S.BACKOFF),
    (e.RunRequeued, S.QUEUED),
)
"""What may follow the end of a process, whichever living status it had."""

_LIVING = (S.STARTING, S.RUNNING, S.WAITING, S.PAUSED, S.STOPPING)

TRANSITIONS: dict[tuple[S, type[Event]], S] = {
    (S.QUEUED, e.AttemptStarting): S.STARTING,
    (S.BACKOFF, e.AttemptStarting): S.STARTING,
    (S.BACKOFF, e.BackoffMoved): S.BACKOFF,
    (S.PARKED, e.WakeMoved): S.PARKED,
    (S.STARTING, e.AttemptStarted): S.RUNNING,
    (S.RUNNING, e.WaitBegan): S.WAITING,
    (S.WAITING, e.WaitEnded): S.RUNNING,
    (S.RUNNING, e.RunPaused): S.PAUSED,
    (S.WAITING, e.RunPaused): S.PAUSED,
    (S.PAUSED, e.RunResumed): S.RUNNING,
    # Found alive after a restart of ours: the status it had still holds.
    (S.RUNNING, e.AttemptStarted): S.RUNNING,
    (S.WAITING, e.AttemptStarted): S.WAITING,
    (S.PAUSED, e.AttemptStarted): S.PAUSED,
    (S.STOPPING, e.AttemptStarted): S.STOPPING,
    **{(living, e.AttemptExited): living for living in _LIVING},
    **{(living, e.AttemptEnding): S.STOPPING for living in _LIVING},
    **{(living, event): after for living in _LIVING for event, after in _AFTER_EXIT},
    # Without a process there is nothing to wait for.
    (S.QUEUED, e.RunStopped): S.STOPPED,
    (S.BACKOFF, e.RunStopped): S.STOPPED,
    (S.PARKED, e.RunStopped): S.STOPPED,
    (S.HELD, e.RunStopped): S.STOPPED,
    (S.BACKOFF, e.RunTimedOut): S.TIMED_OUT,
    (S.BACKOFF, e.RunRequeued): S.QUEUED,
    (S.PARKED, e.RunRequeued): S.QUEUED,
    # A sleep can be held, let go of, moved, and end with the task's time.
    (S.PARKED, e.RunPaused): S.PARKED,
    (S.PARKED, e.RunResumed): S.PARKED,
    (S.PARKED, e.RunParked): S.PARKED,
    (S.PARKED, e.RunTimedOut): S.TIMED_OUT,
    (S.HELD, e.RunReopened): S.QUEUED,
    (S.FAILED, e.RunReopened): S.QUEUED,
    (S.TIMED_OUT, e.RunReopened): S.QUEUED,
    (S.STOPPED, e.RunReopened): S.QUEUED,
}

MOVING: frozenset[type[Event]] = frozenset(event for _, event in TRANSITIONS)
"""Events that must be legal in the status they meet."""


class IllegalTransitionError(Exception):
    """A bug of ours: an event that its run's status does not allow."""


def next_status(status: S, event: Event) -> S:
    """The status after ``event``; IllegalTransitionError when the table has no such pair."""
    if type(event) not in MOVING:
        return status
    try:
        return TRANSITIONS[status, type(event)]
    except KeyError:
        raise IllegalTransitionError(
            f"{type(event).__name__} does not happen to a run that is {status}"
        ) from None


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    arrows: dict[tuple[S, S], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        if before is not after:
            arrows.setdefault((before, after), []).append(event.__name__)
    lines = ["stateDiagram-v2", "    [*] --> queued: RunCreated"]
    lines += [
        f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()
    ]
    return "\n".join(lines) + "\n"
