"""How much longer the current step takes, with the basis of the estimate said aloud."""

from __future__ import annotations

import math
from dataclasses import dataclass

from supervisor.core.moment import Moment, seconds_between
from supervisor.core.run import RunState

MIN_BASIS_S = 2.0
"""No estimate from less observation than this: it would only jump about."""
MIN_BASIS_SHARE = 0.02
"""Nor from less than this share of the step."""


MIN_RATE = 1e-9
"""Nor from a slower pace (one in thirty years), whose division would overflow."""


@dataclass(frozen=True, slots=True)
class Eta:
    """An estimate of the time left."""

    left_s: float
    basis: str
    """``the agent's word`` or the pace it was computed from."""


def estimate(state: RunState, now: Moment) -> Eta | None:
    """Time left of the step being counted; None when nothing honest can be said."""
    progress = state.progress
    if progress is None:
        return None
    if progress.estimated_completion is not None:
        return Eta(max(0.0, progress.estimated_completion - now.wall), "the agent's word")
    step = progress.step
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
