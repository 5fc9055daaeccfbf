"""Standard error of the engine (``engine.log``) without secrets: messages and tracebacks alike.

Takes the place of ``sys.stderr``, so whatever Python prints when it fails passes here. Writes
whole lines; what has no end yet waits for it, or for ``flush`` at the exit.
"""

from __future__ import annotations

import atexit
import io
import sys
from collections.abc import Callable
from typing import TextIO

MAX_WAITING = 65_536
"""Characters of a line without an end that are held back."""


class SafeStderr(io.TextIOBase):
    """A text stream that redacts each line before it is written."""

    def __init__(self, target: TextIO, redacted: Callable[[str], str]) -> None:
        self._target = target
        self._redacted = redacted
        self._waiting = ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """Of the file behind."""
        return self._target.fileno()

    def write(self, text: str) -> int:
        """Write what is whole; the rest waits."""
        self._waiting += text
        whole, end, rest = self._waiting.rpartition("\n")
        if len(rest) > MAX_WAITING:
            whole, end, rest = self._waiting, "", ""
        if whole or end:
            self._waiting = rest
            self._target.write(self._redacted(whole) + end)
            self._target.flush()
        return len(text)

    def end(self) -> None:
        """Write what is left: the process ends."""
        whole, self._waiting = self._waiting, ""
        if whole:
            self._target.write(self._redacted(whole))
        self._target.flush()


def guard_stderr(redacted: Callable[[str], str]) -> None:
    """From now on nothing is written to standard error before ``redacted`` saw it."""
    if sys.stderr is not None:  # None: it was closed before we started.
        stream = SafeStderr(sys.stderr, redacted)
        sys.stderr = stream
        atexit.register(stream.end)
