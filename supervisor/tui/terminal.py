"""Leaving the terminal as it was found, whatever ends us.

Textual leaves the terminal raw and in its alternate screen on SIGTERM and SIGHUP (RELIABILITY,
trap 3). Handlers on the event loop that leave the application in the ordinary way mend both.
Ctrl-C is a key to Textual; a SIGINT sent from elsewhere is handled like SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNAL_STATUS = 128
"""A shell's exit status for a program ended by signal n is this plus n."""


def leave_on_signals(leave: Callable[[int], None]) -> Callable[[], None]:
    """Call ``leave`` with the exit status when told to end; returns what undoes this.

    Must run in the thread of the event loop; elsewhere (tests) it does nothing.
    """
    loop = asyncio.get_running_loop()
    placed: list[signal.Signals] = []
    for number in ENDING:
        try:
            loop.add_signal_handler(number, leave, exit_status(number))
        except (RuntimeError, ValueError):
            continue  # Not the main thread: whoever runs us there has the handlers.
        placed.append(number)

    def undo() -> None:
        for number in placed:
            loop.remove_signal_handler(number)

    return undo


def exit_status(number: int) -> int:
    """What a program ended by that signal reports; an interrupt is an ordinary leave."""
    return 0 if number == signal.SIGINT else SIGNAL_STATUS + number
