"""SIGTERM as an orderly end: the ``with`` bodies of the agent unwind, no write is cut in two."""

from __future__ import annotations

import os
import signal
from _thread import get_ident

from supervisor.agent.faults import TerminatedExit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Shutdown:
    """``with shutdown:`` marks a part that SIGTERM waits for; it may be nested.

    The signal reaches the main thread alone, so in every other one this does nothing.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._is_pending = False
        self._was_raised = False
        self._pid = 0
        self._thread = get_ident()

    def install(self) -> None:
        """Handle SIGTERM, where nobody else does and only in the main thread."""
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        try:
            signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:  # another thread than the main one cannot; the agent then just ends
            return
        self._pid = os.getpid()
        self._thread = get_ident()

    def remove(self) -> None:
        """Give SIGTERM back."""
        if self._pid == os.getpid():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._pid = 0

    def __enter__(self) -> None:
        if get_ident() == self._thread:
            self._depth += 1

    def __exit__(self, *_error: object) -> None:
        if get_ident() != self._thread:
            return
        self._depth -= 1
        if self._is_pending and self._depth == 0:
            self._raise()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # A forked child inherited this handler; it should die of the signal as usual.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        elif self._depth:
            self._is_pending = True
        else:
            self._raise()

    def _raise(self) -> None:
        self._is_pending = False
        if not self._was_raised:  # a second SIGTERM must not interrupt the clean-up of the first
            self._was_raised = True
            raise TerminatedExit
