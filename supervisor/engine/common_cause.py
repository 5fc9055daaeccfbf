"""Watches exits for crashes that are alike; what follows is decided in ``core.alike``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from supervisor.core.alike import Alike, crash_of, see_crash
from supervisor.core.events import AttemptExited, Recorded
from supervisor.core.facts import Fact
from supervisor.core.run import RunState


class CommonCause:
    """Remembers the newest crashes of all runs. One per engine; a restart of ours forgets them,
    while starts that were already moved stay moved."""

    def __init__(
        self, state_of: Callable[[str], RunState | None], feed: Callable[[str, Fact], object]
    ) -> None:
        self._state_of = state_of
        self._feed = feed
        self._known = Alike()

    def see(self, recorded: Recorded) -> None:
        """Take note of a stored event; facts follow after it was shown."""
        if isinstance(recorded.event, AttemptExited):
            asyncio.get_running_loop().call_soon(self._see_exit, recorded)

    def _see_exit(self, recorded: Recorded) -> None:
        state = self._state_of(recorded.run_id)
        crash = crash_of(state, recorded.at) if state is not None else None
        if crash is None:
            return
        self._known, facts = see_crash(self._known, crash)
        for run_id, fact in facts:
            if self._state_of(run_id) is not None:
                self._feed(run_id, fact)
