"""What a run is taken to be after the log was lost: from what the disk and the keeper still say.

Pure. Nothing is invented: what nobody knows becomes *held* with a reason that says so, epoch and
checkpoint generation only go up (I5), and a living process is never in doubt. What happened
since the copy of the state was made is left to the same recovery as after any death of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.core.facts import Exited, SpawnDone
from supervisor.core.fold import KEPT_CHECKPOINTS
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, Attempt, Checkpoint, RunState, Status, Then
from supervisor.core.spec import AgentSpec


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run is whatever happens to it; stored in its records before its first process."""

    id: str
    agent: str
    spec: AgentSpec
    created_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is left of a run without the log."""

    last: RunState | None = None
    """The copy of its state beside its records, at most seconds old; None: missing or torn."""
    living: SpawnDone | None = None
    """Its process, as the keeper has it."""
    exited: Exited | None = None
    """The newest exit record."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Kept generations that are whole, oldest first."""
    epoch: int = 0
    """The highest epoch found anywhere: exit records, checkpoints, the keeper's list."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The state to go on from, and what to tell people about it."""

    state: RunState
    reason: str


def rebuild(identity: Identity, evidence: Evidence, now: Moment) -> Rebuilt:
    """The state of a run whose events are lost; recovery goes on from it."""
    base = evidence.last or _bare(identity, now)
    epoch = max(
        base.epoch,
        evidence.epoch,
        evidence.living.epoch if evidence.living else 0,
        evidence.exited.epoch if evidence.exited else 0,
    )
    state = _with_checkpoints(base, evidence.checkpoints)
    if evidence.last is not None:
        state = _caught_up(state, epoch, evidence, now)
        reason = "the event log was lost; recovered from the copy of its state"
        return Rebuilt(state, f"{reason}, {_where(state)}")
    return _from_traces(state, epoch, evidence, now)


def _bare(identity: Identity, now: Moment) -> RunState:
    return RunState(
        id=identity.id,
        agent=identity.agent,
        spec=identity.spec,
        created_at=identity.created_at,
        status=Status.QUEUED,
        reason="",
        status_since=now,
    )


def _with_checkpoints(state: RunState, found: tuple[Checkpoint, ...]) -> RunState:
    """With the generations that were kept after the copy was made."""
    newer = tuple(c for c in found if c.generation > state.newest_generation)
    if not newer:
        return state
    return replace(
        state,
        checkpoints=(*state.checkpoints, *newer)[-KEPT_CHECKPOINTS:],
        newest_generation=newer[-1].generation,
        retries_in_row=0,
        deaths=(),
    )


def _caught_up(state: RunState, epoch: int, evidence: Evidence, now: Moment) -> RunState:
    """The copy may be an attempt behind."""
    if epoch > state.epoch:
        state = _in_attempt(state, epoch, evidence.living, now)
    return _as_stopped(state, evidence.exited)


def _as_stopped(state: RunState, exited: Exited | None) -> RunState:
    """A stop that was carried out after the copy was made stays a stop."""
    was_stopped = (
        exited is not None
        and exited.ended_by == "stop"
        and exited.epoch == state.epoch
        and state.status in ALIVE
        and state.ending is None
    )
    if not was_stopped:
        return state
    return replace(state, status=Status.STOPPING, ending=Then.STOP, reason="stopped")


def _in_attempt(state: RunState, epoch: int, living: SpawnDone | None, now: Moment) -> RunState:
    """In an attempt that the copy does not know; whether it lives is asked next."""
    process = living if living is not None and living.epoch == epoch else None
    newest = state.checkpoint
    attempt = Attempt(
        state.attempt + 1,
        epoch,
        now.wall,
        newest.generation if newest else None,
        process.pid if process else None,
        process.pid_started if process else None,
    )
    return replace(
        state,
        status=Status.RUNNING,
        status_since=now,
        reason="found again after the event log was lost",
        epoch=epoch,
        attempt=attempt.number,
        attempts=(*state.attempts, attempt)[-20:],
        started_at=state.started_at if state.started_at is not None else now.wall,
        clock_since=now,
        attempt_used_s=0.0,
        progress_at=now,
        next_start=None,
        ending=None,
        ended_at=None,
    )


def _from_traces(state: RunState, epoch: int, evidence: Evidence, now: Moment) -> Rebuilt:
    """Without a copy: a living process and a conclusive exit are known, nothing else is."""
    lost = "the event log was lost, and with it this run's history and the time it has used"
    exited = evidence.exited if evidence.exited and evidence.exited.epoch == epoch else None
    if evidence.living is not None and evidence.living.epoch == epoch:
        state = _in_attempt(state, epoch, evidence.living, now)
        return Rebuilt(state, f"{lost}; its process lives, {_where(state)}")
    if exited is not None and _is_conclusive(exited):
        state = _as_stopped(_in_attempt(state, epoch, None, now), exited)
        return Rebuilt(state, f"{lost}; its last exit is on record, {_where(state)}")
    ended = (
        f"its last attempt (epoch {epoch}) is over" if epoch else "no attempt of it is on record"
    )
    reason = f"{lost}; {ended}, {_where(state)}; restart goes on from there, stop gives it up"
    return Rebuilt(replace(state, status=Status.HELD, epoch=epoch, reason=reason), reason)


def _is_conclusive(exited: Exited) -> bool:
    """Whether this exit ended the run whatever its history was."""
    if exited.ended_by in ("stop", "deadline:task"):
        return True
    return exited.is_known and exited.ended_by is None and exited.code == 0


def _where(state: RunState) -> str:
    newest = state.checkpoint
    return f"checkpoint {newest.generation} is whole" if newest else "there is no checkpoint"
