"""Calls the operator when something waits: the bell, a message, the number in the window's name.

Owns when (``core.calling``) and to which terminal (``core.ringing``). Must never write anything
but through the driver's one way past the filter.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from textual.driver import Driver

from supervisor.core.calling import NO_CALLS, Waiting, after_look, after_reaction, words_for
from supervisor.core.ringing import ringer_for
from supervisor.tui.guard import GuardedDriver
from supervisor.tui.model import Link, Need, Picture, needs, split_host


class OperatorCalls:
    """One for each interface."""

    def __init__(self, notify: str, driver: Driver | None, clock: Callable[[], float]) -> None:
        """``notify`` as in ``[tui]``; a driver without a terminal is never written to."""
        self._terminal = driver if isinstance(driver, GuardedDriver) else None
        self._ringer = ringer_for(notify, os.environ)
        self._clock = clock
        self._calls = NO_CALLS
        self._titled: int | None = None

    def look(self, picture: Picture) -> None:
        """Call for what is new in it, and for what nobody reacts to."""
        if self._terminal is None or not picture.is_loaded:
            return
        waiting = [_waiting(need) for need in needs(picture)]
        self._calls, called = after_look(self._calls, _sources(picture), waiting, self._clock())
        if len(waiting) != self._titled:
            self._titled = len(waiting)
            self._terminal.name_window(self._ringer.title(len(waiting)))
        if called:
            self._terminal.ring(self._ringer.message(words_for(called)))

    def reacted(self) -> None:
        """The operator is there."""
        self._calls = after_reaction(self._calls)


def _sources(picture: Picture) -> list[str]:
    """The machines whose questions are known."""
    return [host.name for host in picture.hosts if host.seq or host.link is Link.LIVE] or [""]


def _waiting(need: Need) -> Waiting:
    run, request = need.run, need.request
    return Waiting(
        key=f"{run.id} {request.id if request else f'held {run.status_since.wall}'}",
        source=split_host(run.id)[0],
        who=run.agent,
        what=f"asks: {request.title}" if request else "is held",
        reminded=request.reminded if request else 0,
    )
