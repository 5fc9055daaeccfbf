"""What muting does to a run: its list of kinds, and how many flags it shows."""

from __future__ import annotations

from supervisor.core.copying import changed
from supervisor.core.moment import Moment
from supervisor.core.mute import is_muted
from supervisor.core.mute_events import AnomalyMuted, AnomalyUnmuted
from supervisor.core.run import RunState


def muted(state: RunState, event: AnomalyMuted, _at: Moment) -> RunState:
    """Its anomalies of that kind are flags no more."""
    if is_muted(state.muted, event.mute.kind):
        return state
    flags = max(0, state.anomaly_count - _of_kind(state, event.mute.kind))
    return changed(state, muted=(*state.muted, event.mute), anomaly_count=flags)


def unmuted(state: RunState, event: AnomalyUnmuted, _at: Moment) -> RunState:
    """Those that it still keeps are flags again."""
    left = tuple(mute for mute in state.muted if mute.kind != event.kind)
    if left == state.muted:
        return state
    flags = state.anomaly_count + _of_kind(state, event.kind)
    return changed(state, muted=left, anomaly_count=flags)


def _of_kind(state: RunState, kind: str) -> int:
    return sum(anomaly.kind == kind for anomaly in state.anomalies)
