"""How much longer a run takes, with the basis of each estimate said aloud.

Three bases: the agent's own word, the pace of the step that is being counted, and how long the
agent's earlier runs worked. Waiting for people is in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment, seconds_between
from supervisor.core.progress import Progress
from supervisor.core.run import RunState, Status

MIN_BASIS_S = 2.0
"""No estimate from less observation than this: it would only jump about."""
MIN_BASIS_SHARE = 0.02
"""Nor from less than this share of the step."""
MIN_RATE = 1e-9
"""Nor from a slower pace (one in thirty years), whose division would overflow."""
MIN_RUNS = 3
"""Nor from fewer earlier runs: a median of two is a guess."""
KEPT_RUNS = 15
"""Earlier runs that a new one knows of."""
MANY_RUNS = 10
"""From so many on the range leaves out a tenth at either end; of fewer it is all of them."""


@dataclass(frozen=True, slots=True)
class Eta:
    """An estimate of the time left."""

    left_s: float
    basis: str
    """``the agent's word``, the pace it was computed from, or ``14 earlier runs``."""
    low_s: float | None = None
    """The range, where it comes from earlier runs; ``left_s`` is their median."""
    high_s: float | None = None


def estimate(state: RunState, now: Moment) -> Eta | None:
    """The best of ``estimates``; None when nothing honest can be said."""
    found = estimates(state, now)
    return found[0] if found else None


def estimates(state: RunState, now: Moment) -> list[Eta]:
    """Time left by every basis there is, the best first.

    A pace tells when the step ends. It goes first only where that is the end of the run.
    """
    if (told := _told(state.progress, now)) is not None:
        return [told]
    pace, past = _by_pace(state, now), _by_past(state, now)
    both = (pace, past) if _is_last_stage(state.progress) else (past, pace)
    return [eta for eta in both if eta is not None]


def worked_s(states: Sequence[RunState], now: Moment) -> tuple[float, ...]:
    """How long the newest of these runs worked that succeeded, oldest first, in seconds."""
    done = [state for state in states if state.status is Status.SUCCEEDED]
    return tuple(round(clock_used_s(state, now), 1) for state in done[-KEPT_RUNS:])


def _told(progress: Progress | None, now: Moment) -> Eta | None:
    if progress is None or progress.estimated_completion is None:
        return None
    return Eta(max(0.0, progress.estimated_completion - now.wall), "the agent's word")


def _is_last_stage(progress: Progress | None) -> bool:
    stage = progress.stage if progress is not None else None
    if stage is None:
        return True
    if stage.index and stage.total:
        return stage.index >= stage.total
    return progress is not None and len(progress.stages) <= 1


def _by_past(state: RunState, now: Moment) -> Eta | None:
    if len(state.past) < MIN_RUNS:
        return None
    used = clock_used_s(state, now)
    # What ended sooner than this has lasted says nothing about what is left.
    left = sorted(seconds - used for seconds in state.past if seconds > used)
    if not left:
        return None
    cut = 0.1 if len(left) >= MANY_RUNS else 0.0
    low, middle, high = (_quantile(left, share) for share in (cut, 0.5, 1.0 - cut))
    return Eta(middle, f"{len(state.past)} earlier runs", low, high)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation between the two nearest."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _by_pace(state: RunState, now: Moment) -> Eta | None:
    step = state.progress.step if state.progress is not None else None
    if step is None or state.pace_since is None or not step.total or step.completed is None:
        return None
    done = step.completed - state.pace_completed
    passed_s = seconds_between(state.pace_since, state.progress_at or now)
    if done <= 0 or passed_s < MIN_BASIS_S or done < step.total * MIN_BASIS_SHARE:
        return None
    if step.completed > step.total:
        return None  # 12 of 10: what is left is anyone's guess.
    rate = done / passed_s
    if rate <= MIN_RATE or not math.isfinite(rate):
        return None
    since_s = seconds_between(state.progress_at or now, now)
    left_s = max(0.0, (step.total - step.completed) / rate - since_s)
    unit = step.unit or step.name or "items"
    per, scale = ("s", 1) if rate >= 1 else ("min", 60) if rate * 60 >= 1 else ("h", 3600)
    return Eta(left_s, f"{rate * scale:.3g} {unit}/{per}")
