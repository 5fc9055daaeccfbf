"""What is written to the terminal, and what happens when there is no terminal any more.

A closed window and a cut SSH connection show as an error on write. Textual's writing thread would
die of it, and the interface then wait for ever at its full queue. Here the first such error is
told once, and everything after it goes nowhere.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

HELD_BYTES = 64 * 1024
"""Written at once when that much is held, though more is on its way."""
STALLED_S = 1.0
"""Between two looks at a descriptor that somebody set to non-blocking and that takes nothing."""


class TerminalFile:
    """The part of a file that Textual's writing thread uses; it alone calls write and flush."""

    def __init__(self, descriptor: int, lost: Callable[[], None]) -> None:
        """``lost`` is called once, from the thread that noticed; the descriptor stays open."""
        self._descriptor = descriptor
        self._lost = lost
        self._held = bytearray()
        self._lock = threading.Lock()
        self._is_lost = False

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Hold ``text`` until the next flush, or write it when much is held."""
        self._held += text.encode("utf-8", "backslashreplace")
        if len(self._held) > HELD_BYTES:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what is held; blocks while the terminal takes nothing, raises nothing."""
        held, self._held = bytes(self._held), bytearray()
        at = 0
        while at < len(held) and not self._is_lost:
            try:
                at += os.write(self._descriptor, held[at:])
            except BlockingIOError:
                select.select([], [self._descriptor], [], STALLED_S)
            except OSError:
                self.give_up()

    def give_up(self) -> None:
        """The terminal is gone: write nothing more, and tell it, once."""
        with self._lock:
            if self._is_lost:
                return
            self._is_lost = True
        self._lost()

    def watch(self) -> None:
        """Start a thread that sleeps until the other end hangs up, though nothing is written."""
        threading.Thread(target=self._wait_for_the_end, name="terminal-end", daemon=True).start()

    def _wait_for_the_end(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # Hang-up and error are told unasked.
        poll.poll()
        self.give_up()
