"""A text that is shown cleaned and sent exact: what the operator left alone goes back as it was.

Pure. Owns the way from an agent's raw text to what a text field may hold, and back. A line that
cleaning changed and nobody touched comes back raw; a line that was typed in is sent as it was
read. So approving without a change approves every byte, and nothing unseen is ever added.
"""

from __future__ import annotations

from supervisor.core.text import safe_text

NEWLINE, RETURNED = "\n", "\r\n"


class Draft:
    """One raw text and what of it is shown."""

    def __init__(self, raw: str) -> None:
        self._ends = RETURNED if _ends_alike(raw) else NEWLINE
        self._raw = raw.split(self._ends)
        self._exact = raw
        lines = [_shown(line) for line in self._raw]
        self.shown = NEWLINE.join(lines)
        """For a text field: one line of it for each of the raw ones."""
        self._back: dict[str, str] = {}
        for shown, line in zip(lines, self._raw, strict=True):
            # Two raw lines that look the same: neither may stand for the other.
            known = self._back.setdefault(shown, line)
            if known != line:
                self._back[shown] = shown

    @property
    def has_escapes(self) -> bool:
        """Whether something is shown otherwise than it is."""
        return self.shown != NEWLINE.join(self._raw)

    def exact(self, shown: str) -> str:
        """What ``shown`` (the field's text now) stands for."""
        if shown == self.shown:
            return self._exact
        lines = shown.replace(RETURNED, NEWLINE).split(NEWLINE)
        return self._ends.join(self._back.get(line, line) for line in lines)


def _ends_alike(raw: str) -> bool:
    """Whether every line of it ends as on Windows."""
    return RETURNED in raw and raw.count(NEWLINE) == raw.count(RETURNED)


def _shown(line: str) -> str:
    """Cleaned, but with its tabs: a text field draws them, and they are no danger."""
    return "\t".join(safe_text(part) for part in line.split("\t"))
