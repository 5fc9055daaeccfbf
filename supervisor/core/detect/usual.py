"""What is usual for an agent: learned from each run that succeeds, forgotten slowly.

Pure. A run that failed teaches nothing: what it did may be what went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.core.detect.look import Usual

KEPT_RUNS = 20
"""Stage times of the newest runs."""
KEPT_STAGES = 24
FADES = 0.9
"""A maximum that is not reached again is worth so much of itself after each run."""


@dataclass(slots=True)
class Lesson:
    """What one run showed so far."""

    quiet_s: float = 0.0
    log_quiet_s: float = 0.0
    rss_bytes: int = 0
    tokens_between: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def learned(usual: Usual, lesson: Lesson) -> Usual:
    """What is usual once a run that showed ``lesson`` succeeded."""
    stages = {
        name: (*usual.stages.get(name, ()), seconds)[-KEPT_RUNS:]
        for name, seconds in lesson.stages.items()
    }
    kept = {**usual.stages, **stages}
    newest = dict(list(kept.items())[-KEPT_STAGES:])
    return Usual(
        runs=usual.runs + 1,
        quiet_s=max(lesson.quiet_s, FADES * usual.quiet_s),
        log_quiet_s=max(lesson.log_quiet_s, FADES * usual.log_quiet_s),
        rss_bytes=int(max(lesson.rss_bytes, FADES * usual.rss_bytes)),
        tokens_between=int(max(lesson.tokens_between, FADES * usual.tokens_between)),
        stages=newest,
    )
