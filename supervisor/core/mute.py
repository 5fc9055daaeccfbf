"""Anomalies that are no problem for an agent: the operator's word, kept with its runs.

Pure. A muted kind is still recorded, but it flags no run of that agent and tells nobody. The word
is an event of every run of the agent that is in memory, and each new run begins with what the
newest one before it had: so it is as durable as the runs, and needs no list of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_KIND = 80
"""Characters of a kind that is muted; what an agent declares may be longer, and is not."""
MAX_MUTES = 50
"""Kinds of one agent: with more, the detectors are what is wrong."""


@dataclass(frozen=True, slots=True)
class Mute:
    """One kind that is no problem for this agent."""

    kind: str
    by: str
    at: float
    """Unix seconds."""


def is_muted(mutes: Iterable[Mute], kind: str) -> bool:
    """Whether that kind is no problem."""
    return any(mute.kind == kind for mute in mutes)
