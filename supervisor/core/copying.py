"""A changed copy of a run's state, cheaply: every event needs one."""

from __future__ import annotations

from typing import Any

from supervisor.core.run import RunState

_SLOTS = tuple((name, getattr(RunState, name)) for name in RunState.__slots__)


def changed(state: RunState, **changes: Any) -> RunState:
    """``dataclasses.replace`` for a run's state, at a third of its cost: every event needs one."""
    copy = object.__new__(RunState)
    for name, slot in _SLOTS:
        slot.__set__(copy, changes.pop(name) if name in changes else slot.__get__(state))
    if changes:
        raise TypeError(f"a run has no {', '.join(changes)}")
    return copy
