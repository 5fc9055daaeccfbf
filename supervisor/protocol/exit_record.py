"""``exit-<epoch>.json``: the keeper's record of how an attempt ended.

The keeper has a copy of no model of ours; this one is for whoever reads its records.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supervisor.protocol.lenient import AgentModel


class ExitRecord(AgentModel):
    """Written once nothing of the attempt lives any more."""

    run: str
    epoch: Annotated[int, Field(ge=0)]
    pid: int
    code: int | None = None
    """Exit status; None when a signal ended it or nobody could read it."""
    signal: int | None = None
    ended_by: str | None = None
    """``stop``, ``deadline:task``, ``deadline:attempt``, or None when it ended by itself."""
    reason: str | None = None
    at: float
    """Unix seconds."""
    at_mono: float
    """CLOCK_MONOTONIC seconds of ``boot``."""
    boot: str = ""
    """The kernel's boot id, to which ``pid`` and ``at_mono`` belong."""
    known: bool
    """False when it was adopted: its status is lost."""
    leftovers: Annotated[int, Field(ge=0)] = 0
    """Processes that outlived the leader and were killed."""
