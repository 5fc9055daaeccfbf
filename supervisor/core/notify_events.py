"""Events about notifications, beside ``core.events``: who was told what, and who was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervisor.core.events import Event
from supervisor.core.text import safe_text


@dataclass(frozen=True, slots=True)
class NotificationSent(Event):
    """A message was taken by a target. Not of a run."""

    target: str
    """For people: nothing secret of its address."""
    title: str
    titles: tuple[str, ...]
    """Of the notices in it."""


@dataclass(frozen=True, slots=True)
class NotificationFailed(Event):
    """A target takes no messages: said once, and again when notices were given up. Not of a run."""

    target: str
    problem: str
    given_up: int


def _failed(event: NotificationFailed) -> str:
    lost = f"; {event.given_up} messages were given up" if event.given_up else ""
    why = safe_text(event.problem, limit=200)
    return f"{safe_text(event.target, limit=80)} could not be told: {why}{lost}"


NOTIFY_WORDS: dict[type[Event], Callable[[Any], str]] = {
    NotificationSent: lambda event: (
        f"told {safe_text(event.target, limit=80)}: {safe_text(event.title, limit=120)}"
    ),
    NotificationFailed: _failed,
}
"""The events in words; ``core.describe`` takes them in."""
