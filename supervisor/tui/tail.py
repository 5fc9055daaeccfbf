"""The end of a log as lines fit to be shown: bounded, cleaned, never interpreted.

Pure: the link feeds it what ``log`` returned. Colour sequences are left out (they hide nothing);
every other control is shown. A carriage return ends a line, so that nothing is overwritten.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from supervisor.core.text import safe_text

KEPT_LINES = 5000
"""Lines kept of one log; older ones stay on disk."""
MAX_LINE = 16 * 1024
"""Characters of one line shown; the rest is counted (RELIABILITY, trap 9)."""
FIRST_BYTES = 64 * 1024
"""How far before the end of the log reading begins."""

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class LogChunk:
    """One answer of ``log``."""

    data: str
    offset: int
    """Where to go on reading."""
    start: int
    """Where ``data`` really began."""
    size: int
    """Bytes of the whole log so far."""


class Tail:
    """The newest lines of one stream of one run."""

    def __init__(self, run_id: str, stream: str) -> None:
        self.run_id = run_id
        self.stream = stream
        """out | err"""
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """Whole lines, cleaned, oldest first."""
        self.taken = 0
        """Lines ever taken in; grows by one with each, so that a view knows what is new."""
        self.offset = -FIRST_BYTES
        self.size = 0
        self.is_cut = False
        """Earlier output exists that is not loaded."""
        self.is_loaded = False
        self._rest = ""
        self._rest_cut = 0

    @property
    def pending(self) -> str:
        """The last line as far as it was written, cleaned."""
        return _shown(self._rest, self._rest_cut)

    def feed(self, chunk: LogChunk) -> bool:
        """Take in what was read; True when anything changed."""
        was_loaded, self.is_loaded = self.is_loaded, True
        text = chunk.data
        if not was_loaded and chunk.start > 0:
            self.is_cut = True
            text = _after_first_end(text)
        elif was_loaded and chunk.start != self.offset:
            if self._rest:
                self._end_line()
            self._add("… output was left out here: the log grew faster than it is kept")
        changed = not was_loaded or bool(text)
        self.offset, self.size = chunk.offset, chunk.size
        *whole, rest = _ENDS.split(text)
        for part in whole:
            self._rest += part
            self._end_line()
        self._rest += rest
        if len(self._rest) > MAX_LINE:
            self._rest_cut += len(self._rest) - MAX_LINE
            self._rest = self._rest[:MAX_LINE]
        return changed

    def _end_line(self) -> None:
        cut = self._rest_cut + max(0, len(self._rest) - MAX_LINE)
        if self._rest or not cut:
            self._add(_shown(self._rest[:MAX_LINE], cut))
        self._rest, self._rest_cut = "", 0

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self.taken += 1


def _after_first_end(text: str) -> str:
    found = _ENDS.search(text)
    return text[found.end() :] if found else text


def _shown(line: str, cut: int) -> str:
    shown = safe_text(_COLOUR.sub("", line).replace("\t", "    "))
    return f"{shown} … {cut:,} more characters" if cut else shown
