"""How often a file that cannot be used is told: once a minute for each run and kind of file.

What alternates between good and bad would fill the log otherwise. Nothing else is held back: the
good state is taken at once, and a bad one that stays is told when its minute is over.
"""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.facts import Fact
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.run import FINAL, RunState

REJECTION_INTERVAL_S = 60.0


def rejection_due_s(state: RunState, is_checkpoint: bool, now: Moment) -> float:
    """Seconds until another rejection of this kind may be told; 0 when it may be now."""
    told = state.checkpoint_rejected_at if is_checkpoint else state.progress_rejected_at
    return 0.0 if told is None else seconds_until(told.plus(REJECTION_INTERVAL_S), now)


def is_withheld(state: RunState, fact: Fact, events: tuple[e.Event, ...]) -> bool:
    """Whether the fact that led to ``events`` and ``state`` was a rejection left untold."""
    if events or state.status in FINAL:
        return False
    if isinstance(fact, f.ProgressBad):
        return state.stale != fact.problem
    if isinstance(fact, f.CheckpointSeen):
        return state.checkpoint is None or state.checkpoint.sha256 != fact.sha256
    return isinstance(fact, f.CheckpointBad)
