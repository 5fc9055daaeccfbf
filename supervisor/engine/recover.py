"""What an engine does with each unfinished run it finds in the log, after a death or an upgrade.

Pure: what the keeper says and what the records say go in, the facts to feed come out. Nothing is
invented: an exit that nobody saw is fed as unknown (I6, I8: backoff and deadline stay as stored).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core import facts as f
from supervisor.core.effects import (
    DeliverAnswer,
    Effect,
    EndAttempt,
    HoldStill,
    Spawn,
    WithdrawAnswer,
)
from supervisor.core.facts import Fact
from supervisor.core.own_questions import is_held_still
from supervisor.core.run import ALIVE, RequestState, RunState, Status


@dataclass(frozen=True, slots=True)
class Living:
    """A living attempt as the keeper has it."""

    epoch: int
    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """How to go on with one run."""

    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    """Asked for by stored events, but perhaps not carried out before the death."""


def plan_recovery(
    state: RunState, living: Living | None, exited: f.Exited | None, now: float
) -> Recovery:
    """The facts and effects for ``state``.

    ``living``: the attempt of the state's epoch, if the keeper has it or could adopt it.
    ``exited``: the exit record of that epoch, if there is one. ``now``: Unix seconds.
    """
    undelivered = tuple(_answers(state))
    if state.status is Status.QUEUED:
        return Recovery((f.StartWanted("started again after the engine"),), undelivered)
    if state.status not in ALIVE:
        return Recovery(effects=undelivered)
    if living is not None:
        return _alive(state, living, undelivered)
    if exited is not None:
        return Recovery((exited,), undelivered)
    if state.status is Status.STARTING:
        newest = state.newest_attempt
        return Recovery(
            effects=(*undelivered, Spawn(state.epoch, newest.resumed_from if newest else None))
        )
    return Recovery((f.Exited(state.epoch, now, is_known=False),), undelivered)


def _alive(state: RunState, living: Living, effects: tuple[Effect, ...]) -> Recovery:
    found = f.SpawnDone(living.epoch, living.pid, living.started, adopted=True)
    if state.status is Status.STOPPING:
        effects = (*effects, EndAttempt(state.epoch, state.reason))
    else:
        # Both ways: a resume that was stored but not carried out would leave it still for ever.
        effects = (*effects, HoldStill(state.epoch, still=is_held_still(state)))
    return Recovery((found,), effects)


def _answers(state: RunState) -> Iterator[Effect]:
    """What has to lie where agents look for answers: of several under one name the newest."""
    newest = {request.file_id: request for request in state.requests}
    for request in newest.values():
        if request.state in (RequestState.ANSWERED, RequestState.EXPIRED):
            if request.epoch >= state.epoch - 1:
                yield DeliverAnswer(request)
        elif request.state is RequestState.OPEN:
            yield WithdrawAnswer(request.file_id)
