"""The agent of this process, for parts that are called without it (``supervisor.calls``)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.agent.agent import Agent

_entered: list[tuple[int, Agent]] = []


def enter(agent: Agent) -> None:
    """``agent`` is the one from now on."""
    _entered.append((os.getpid(), agent))


def leave(agent: Agent) -> None:
    """``agent`` has ended."""
    _entered[:] = [entry for entry in _entered if entry[1] is not agent]


def current_agent() -> Agent | None:
    """The innermost agent entered in this process; None outside, and in a forked child."""
    if not _entered or _entered[-1][0] != os.getpid():
        return None
    return _entered[-1][1]
