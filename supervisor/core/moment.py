"""A point in time that survives restarts, suspends and wall-clock jumps.

Within one boot the monotonic clock is the truth: it neither jumps nor counts a suspended
laptop's sleep. Across boots only the wall clock is left. A ``Moment`` carries both, with the
boot it belongs to, so every difference is taken with the best clock the two ends share.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant, read once from all clocks."""

    wall: float
    """Unix seconds; for people, files and across boots."""
    mono: float
    """CLOCK_MONOTONIC seconds; only comparable within ``boot``."""
    boot: str
    """The kernel's boot id."""

    def plus(self, seconds: float) -> Moment:
        """The instant ``seconds`` later (may be negative) on both clocks."""
        return Moment(self.wall + seconds, self.mono + seconds, self.boot)


def seconds_between(start: Moment, end: Moment) -> float:
    """Seconds from ``start`` to ``end``, never negative.

    Monotonic within one boot; wall clock across boots, where a clock set back gives 0.
    """
    if start.boot == end.boot:
        return max(0.0, end.mono - start.mono)
    return max(0.0, end.wall - start.wall)


def seconds_until(due: Moment, now: Moment) -> float:
    """Seconds from ``now`` until ``due``; 0 when it has passed."""
    return seconds_between(now, due)


def is_due(due: Moment, now: Moment) -> bool:
    """Whether ``due`` has been reached at ``now``."""
    return seconds_until(due, now) <= 0.0
