"""How long a run has been in each of its stages: a fold of its progress and of its exits.

Pure. Time counts while a process of the run is alive, questions and pauses included; between two
attempts no stage is worked at. A stage that is entered again goes on counting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from supervisor.core.moment import Moment, seconds_between

KEPT_STAGES = 24
"""Newest kept: more are no list that a person reads."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage."""

    name: str
    began_at: float
    """Unix seconds, when it was entered first."""
    used_s: float = 0.0
    """Seconds up to ``since``."""
    since: Moment | None = None
    """Since when it is worked at; None while it is not."""
    entered: int = 1
    """How often it was entered from another one or by another attempt."""


def entered(times: tuple[StageTime, ...], name: str, at: Moment) -> tuple[StageTime, ...]:
    """The times once the run says it is in ``name``; the same when it was there already."""
    if any(known.name == name and known.since is not None for known in times):
        return times
    found = next((known for known in times if known.name == name), None)
    others = left(tuple(known for known in times if known is not found), at)
    if found is None:
        return (*others, StageTime(name, at.wall, since=at))[-KEPT_STAGES:]
    again = replace(found, since=at, entered=found.entered + 1)
    return tuple(again if known.name == name else known for known in left(times, at))


def left(times: tuple[StageTime, ...], at: Moment) -> tuple[StageTime, ...]:
    """The times once nothing is worked at."""
    if all(known.since is None for known in times):
        return times
    return tuple(
        known
        if known.since is None
        else replace(known, used_s=known.used_s + seconds_between(known.since, at), since=None)
        for known in times
    )


def seconds_in(times: Iterable[StageTime], name: str, now: Moment) -> float | None:
    """Seconds in that stage so far; None when it was never entered (or so long ago)."""
    for known in times:
        if known.name == name:
            running = seconds_between(known.since, now) if known.since else 0.0
            return known.used_s + running
    return None
