"""Events of muting, beside ``core.events``; what they mean is in ``core.mute``."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.events import Event
from supervisor.core.mute import Mute


@dataclass(frozen=True, slots=True)
class AnomalyMuted(Event):
    """Anomalies of that kind are no problem for this agent."""

    mute: Mute


@dataclass(frozen=True, slots=True)
class AnomalyUnmuted(Event):
    """They flag its runs again."""

    kind: str
    by: str
