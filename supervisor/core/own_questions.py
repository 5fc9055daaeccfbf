"""Questions that Longwatch itself asks about a run: while one is open, its processes stand still.

Pure. They are requests like any other; only their file ids are ours, and an agent's file of such a
name is refused.
"""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core.effects import HoldStill
from supervisor.core.run import Request, RunState, Status, Then
from supervisor.core.turn import Turn

OWN_PREFIX = "longwatch."
BUDGET_PREFIX = f"{OWN_PREFIX}budget-"
ANOMALY_PREFIX = f"{OWN_PREFIX}anomaly-"
_DENIED = {BUDGET_PREFIX: "no more budget was granted", ANOMALY_PREFIX: "it was not to go on"}


def is_ours(request: Request) -> bool:
    """Whether we ask, and not the agent."""
    return request.file_id.startswith(OWN_PREFIX)


def is_held_still(state: RunState) -> bool:
    """Whether its processes stand."""
    return state.status is Status.PAUSED or any(is_ours(r) for r in state.open_requests)


def hold_for_own(turn: Turn, request: Request) -> None:
    """Our own question was opened: the run does nothing more until it is answered."""
    if is_ours(request) and turn.state.pid is not None:
        turn.want(HoldStill(turn.state.epoch, still=True))


def settle_own(turn: Turn, request: Request) -> None:
    """Our own question was answered (or expired): go on, or end."""
    if not is_ours(request) or turn.state.pid is None:
        return
    turn.want(HoldStill(turn.state.epoch, still=turn.state.status is Status.PAUSED))
    settled = next((r for r in turn.state.requests if r.id == request.id), request)
    if settled.answer is None or not settled.answer.allow:
        by = settled.answer.by if settled.answer else "longwatch"
        why = next(words for prefix, words in _DENIED.items() if request.file_id.startswith(prefix))
        turn.end_attempt(e.AttemptEnding(Then.STOP, by, why))
