"""Pieces of a log to lines fit to be printed: bounded in memory whatever an agent writes."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.text import safe_text

MAX_LINE = 16_384
"""Characters of one line that are shown; the rest is counted (RELIABILITY, trap 9)."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, raw as the agent wrote it; or words of ours when ``is_ours``."""

    text: str
    cut: int = 0
    """Characters left out at its end."""
    is_ours: bool = False

    def shown(self) -> str:
        """Harmless for a terminal, in one line."""
        clean = safe_text(self.text.rstrip("\r"), keep_newlines=True)
        more = self.cut + max(0, len(clean) - MAX_LINE)
        return f"{clean[:MAX_LINE]} … ({more:,} more characters)" if more else clean


class LogLines:
    """Joins the pieces of one stream; keeps at most one bounded line."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        """Where to read next; negative counts from the end."""
        self._part = ""
        self._cut = 0
        self._is_first = True

    def feed(self, piece: dict[str, object]) -> list[LogLine]:
        """The lines that are whole now; a gap before them is said."""
        start, lines, text = int(str(piece["start"])), list[LogLine](), str(piece["data"])
        if self._is_first and self.offset < 0 and start > 0:
            text = text.partition("\n")[2]  # The first line was cut at its beginning.
        elif self.offset >= 0 and start != self.offset:
            lines += [*self.rest(), _gap(start - self.offset)]
        self._is_first = False
        self.offset = int(str(piece["offset"]))
        *whole, last = text.split("\n")
        for part in whole:
            self._add(part)
            lines.append(LogLine(self._part, self._cut))
            self._part, self._cut = "", 0
        self._add(last)
        return lines

    def rest(self) -> list[LogLine]:
        """A last line without an end."""
        part, cut = self._part, self._cut
        self._part, self._cut = "", 0
        return [LogLine(part, cut)] if part else []

    def _add(self, part: str) -> None:
        room = MAX_LINE - len(self._part)
        self._part += part[:room]
        self._cut += max(0, len(part) - room)


def _gap(missing: int) -> LogLine:
    if missing < 0:
        return LogLine("… the log was emptied and starts over here", is_ours=True)
    return LogLine(f"… {missing:,} bytes were left out here: only log_cap is kept", is_ours=True)
