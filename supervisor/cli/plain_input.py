"""Lines that a person types while others are printed: read without blocking, forgotten on demand.

Owns descriptor 0 for as long as the plain mode lasts; ``sys.stdin`` must not be read beside it,
for its buffer would hide what was typed ahead.
"""

from __future__ import annotations

import os
import select
import sys

from supervisor.cli import output

MAX_LINE_BYTES = 65_536
"""A longer line is no answer of a person; what is beyond is dropped."""


class TypedLines:
    """Whole lines from a descriptor."""

    def __init__(self, fd: int = 0) -> None:
        """The descriptor stays the caller's."""
        self.fd = fd
        self._held = b""
        self._is_over = False

    def next(self) -> str | None:
        """A whole line if one is there; None when not. EOFError when there are no more."""
        while b"\n" not in self._held:
            if self._is_over:
                if not self._held:
                    raise EOFError
                self._held += b"\n"
                break
            if not select.select([self.fd], [], [], 0)[0]:
                return None
            self._take()
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace").strip("\r")

    def read(self, prompt: str) -> str:
        """Say ``prompt`` and wait for a line; EOFError when there are no more."""
        output.line(prompt)
        while True:
            line = self.next()
            if line is not None:
                return line
            select.select([self.fd], [], [])

    def forget(self) -> None:
        """Drop what was typed ahead: it was meant for something else."""
        self._held = b""
        while not self._is_over and select.select([self.fd], [], [], 0)[0]:
            self._take()
            self._held = b""

    def _take(self) -> None:
        chunk = os.read(self.fd, 4096)
        self._is_over = not chunk
        self._held = (self._held + chunk)[-MAX_LINE_BYTES:]


def is_terminal() -> bool:
    """Whether a person types there."""
    return sys.stdin is not None and sys.stdin.isatty()
