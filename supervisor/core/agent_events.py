"""What an agent writes down of itself: thoughts, tool calls, observations. Events and their rule.

They change nothing and start nothing: they are kept, shown and exported. The end of the last line
that was taken stands in its event, so that each line is taken once, whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from supervisor.core.copying import changed
from supervisor.core.facts import AgentEventsRead
from supervisor.core.moment import Moment
from supervisor.core.project_events import Event
from supervisor.core.run import RunState, Said
from supervisor.core.text import safe_text

if TYPE_CHECKING:
    from supervisor.core.turn import Turn

KEPT_SAID = 20
"""Newest ones in the state of a run, for its timeline; the log has all."""
SAID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class AgentEvent(Event):
    """A line that the agent wrote with ``agent.event``."""

    kind: str
    """``thought``, ``tool_call``, ``observation``, or a word of its own."""
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    written_at: float | None = None
    """Unix seconds, by the agent's own word."""
    epoch: int | None = None
    """Attempt, by the agent's own word."""
    end: int = 0
    """Bytes of its file up to the end of this line."""


@dataclass(frozen=True, slots=True)
class AgentEventsSkipped(Event):
    """Lines that could not be taken, or were too many."""

    reason: str
    end: int = 0


def decide_agent_events(turn: Turn, fact: AgentEventsRead) -> None:
    """Record what was read, unless it was read before."""
    if fact.start != turn.state.said_bytes:
        return
    for event in fact.events:
        turn.record(event)


def _said(state: RunState, event: AgentEvent, at: Moment) -> RunState:
    said = Said(at.wall, event.kind, event.text[:SAID_CHARACTERS])
    return changed(state, said=(*state.said, said)[-KEPT_SAID:], said_bytes=event.end)


def _skipped(state: RunState, event: AgentEventsSkipped, _at: Moment) -> RunState:
    return changed(state, said_bytes=event.end)


SAID_FOLDS: dict[type[Event], Callable[[RunState, Any, Moment], RunState]] = {
    AgentEvent: _said,
    AgentEventsSkipped: _skipped,
}


def _words(event: AgentEvent) -> str:
    kind, text = safe_text(event.kind, limit=40), safe_text(event.text, limit=240)
    fields = safe_text(", ".join(f"{name}={event.fields[name]!r}" for name in event.fields))
    return f"{kind}: " + " · ".join(part for part in (text, fields[:160]) if part)


SAID_WORDS: dict[type[Event], Callable[[Any], str]] = {
    AgentEvent: _words,
    AgentEventsSkipped: lambda event: (
        f"events of the agent left out: {safe_text(event.reason, limit=240)}"
    ),
}
