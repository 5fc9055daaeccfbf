"""The screens beside the dashboard, by name; each is imported when somebody first goes there.

The first picture must not pay for screens that nobody has asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from supervisor.core.run import RunState
from supervisor.tui.screens.base import PictureScreen


def make_place(
    name: str, state: RunState | None, agent: str | None, clock: Callable[[], float]
) -> PictureScreen:
    """The screen of that name; ``state`` and ``agent`` are what a key means where one stands."""
    del state, agent
    if name == "inbox":
        from supervisor.tui.screens.inbox import InboxScreen

        return InboxScreen(clock)
    if name == "services":
        from supervisor.tui.screens.services import ServicesScreen

        return ServicesScreen()
    if name == "metrics":
        from supervisor.tui.screens.metrics import MetricsScreen

        return MetricsScreen()
    if name == "events":
        from supervisor.tui.screens.events import EventsScreen

        return EventsScreen()
    if name == "settings":
        from supervisor.tui.screens.config import ConfigScreen

        return ConfigScreen()
    if name == "past":
        from supervisor.tui.screens.past import PastScreen

        return PastScreen(None, None)
    if name == "queues":
        from supervisor.tui.screens.queues import QueuesScreen

        return QueuesScreen()
    raise ValueError(f"no screen {name!r}")
