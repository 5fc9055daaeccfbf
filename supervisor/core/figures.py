"""What is counted of an agent in one period: sums and counts that can be added up, nothing else.

Every figure that any surface shows is made by ``summary`` from these; what each means is said
here and in docs/metrics.md, nowhere else. Two periods, or two agents, are one ``Figures`` after
``add``: no mean or quantile is ever stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

HOUR_S = 3600
MAX_SERVICES = 100
"""Names kept in one period: an agent invents names, our tables must not grow with them."""
OTHER = "(other)"
"""Where services beyond those are counted together."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to one external service, by the agents' own word."""

    calls: int = 0
    retries: int = 0
    failures: int = 0


@dataclass(slots=True)
class Figures:
    """The counts of one agent in one period."""

    created: int = 0
    """Runs that began to exist."""
    succeeded: int = 0
    """Runs that reached their goal in the period: the *completed* ones."""
    failed: int = 0
    timed_out: int = 0
    stopped: int = 0
    """Ended by a person: neither completed nor failed, so left out of the completion rate."""
    held: int = 0
    """Times that a crash loop was put on hold."""
    attempts: int = 0
    """Processes started."""
    crashes: int = 0
    retries: int = 0
    """Attempts that the restart policy wanted after one that had ended badly."""
    recoveries: int = 0
    """Attempts that went on from a checkpoint after a crash."""
    asked: int = 0
    """Questions to the operator."""
    waited_s: float = 0.0
    """Waiting for people: with an open question, or held; not paused, not asleep, not queued."""
    anomalies: int = 0
    """New ones, of the agent and of ours; one that is renewed counts once."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    """Spent within the period, by whichever run."""
    ended_cost_usd: float = 0.0
    """What the runs that ended in the period had cost in all, however they ended."""
    durations: dict[str, int] = field(default_factory=dict)
    """Seconds of work of the completed runs, to three significant digits, and how many had it."""
    services: dict[str, Calls] = field(default_factory=dict)

    def add(self, more: Figures) -> None:
        """Make these the figures of both."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        for key, count in more.durations.items():
            self.durations[key] = self.durations.get(key, 0) + count
        for service, calls in more.services.items():
            self.add_calls(service, calls)

    def add_calls(self, service: str, more: Calls) -> None:
        """Count calls to a service."""
        if service not in self.services and len(self.services) >= MAX_SERVICES:
            service = OTHER
        known = self.services.get(service, Calls())
        self.services[service] = Calls(
            known.calls + more.calls,
            known.retries + more.retries,
            known.failures + more.failures,
        )

    def add_duration(self, seconds: float) -> None:
        """Count a completed run that worked for so long."""
        key = f"{max(0.0, seconds):.3g}"
        self.durations[key] = self.durations.get(key, 0) + 1


SUMS = (
    "created", "succeeded", "failed", "timed_out", "stopped", "held", "attempts", "crashes",
    "retries", "recoveries", "asked", "waited_s", "anomalies", "input_tokens", "output_tokens",
    "cache_read_tokens", "cache_write_tokens", "cost_usd", "ended_cost_usd",
)  # fmt: skip
"""Fields that are plain sums."""


def merged(pieces: Iterable[Figures]) -> Figures:
    """All of them as one."""
    total = Figures()
    for piece in pieces:
        total.add(piece)
    return total


def quantile(durations: dict[str, int], share: float) -> float | None:
    """The smallest duration that at least this share of the runs did not exceed; None of nothing.

    Exact over what is kept (nearest rank), which is within 0.5 % of what was measured.
    """
    rank = math.ceil(share * sum(durations.values()))
    reached = 0
    for seconds, count in sorted((float(key), count) for key, count in durations.items()):
        reached += count
        if reached >= max(1, rank):
            return seconds
    return None


def completion_rate(figures: Figures) -> float | None:
    """Completed among those that ended by themselves; None when none did."""
    ended = figures.succeeded + figures.failed + figures.timed_out
    return figures.succeeded / ended if ended else None


def cost_per_completed(figures: Figures) -> float | None:
    """US dollars of all runs that ended, failed ones too, for each completed one."""
    return figures.ended_cost_usd / figures.succeeded if figures.succeeded else None


def summary(figures: Figures) -> dict[str, Any]:
    """The figures for people and scripts, a contract: keys are added, never renamed."""
    return {
        "started": figures.created,
        "completed": figures.succeeded,
        "failed": figures.failed,
        "timed_out": figures.timed_out,
        "stopped": figures.stopped,
        "held": figures.held,
        "completion_rate": _rounded(completion_rate(figures), 4),
        "duration_median_seconds": quantile(figures.durations, 0.5),
        "duration_p95_seconds": quantile(figures.durations, 0.95),
        "attempts": figures.attempts,
        "crashes": figures.crashes,
        "retries": figures.retries,
        "recoveries": figures.recoveries,
        "requests": figures.asked,
        "waiting_seconds": round(figures.waited_s, 1),
        "anomalies": figures.anomalies,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cache_read_tokens": figures.cache_read_tokens,
        "cache_write_tokens": figures.cache_write_tokens,
        "cost_usd": round(figures.cost_usd, 6),
        "cost_per_completed_usd": _rounded(cost_per_completed(figures), 6),
        "services": {
            name: {
                "calls": calls.calls,
                "retries": calls.retries,
                "failures": calls.failures,
                "retries_per_call": _rounded(_share(calls.retries, calls.calls), 4),
            }
            for name, calls in sorted(figures.services.items())
        },
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
