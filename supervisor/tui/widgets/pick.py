"""One of a few words, shown all at once: the options of a field, or yes and no.

Takes no keys by itself: the screen's own keys move it, so that one table holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from supervisor.core.text import safe_text
from supervisor.tui import render
from supervisor.tui.render import Part, line
from supervisor.tui.theme import FAINT, KEY, MUTED, TEXT

ON, OFF = "(•) ", "( ) "
GAP = "   "


class Pick(Widget, can_focus=True):
    """Words with a mark before the chosen one; none is chosen until the operator does."""

    DEFAULT_CSS = """
    Pick { height: auto; padding: 0 1; background: $lw-cursor; }
    """

    class Changed(Message):
        """Another one is chosen, or none."""

    def __init__(self, words: Sequence[str], *, chosen: int | None, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._words = tuple(safe_text(word) for word in words)
        self.chosen = chosen
        """Place of the chosen word, from 0; None where nothing was chosen yet."""

    def choose(self, place: int | None) -> None:
        """Choose the word at that place, or none."""
        if place is None or 0 <= place < len(self._words):
            self.chosen = place
            self.refresh()
            self.post_message(self.Changed())

    def move(self, by: int) -> None:
        """The next word, or the one before; from the last it goes on with the first."""
        start = self.chosen if self.chosen is not None else (-1 if by > 0 else 0)
        self.choose((start + by) % len(self._words))

    def on_focus(self) -> None:
        """The numbers appear: they can be typed now."""
        self.refresh()

    def on_blur(self) -> None:
        """They go."""
        self.refresh()

    def _is_flat(self, width: int) -> bool:
        room = sum(cell_len(word) + len(ON) + len(GAP) for word in self._words)
        return room + 2 * len(self._words) <= width

    def render(self) -> Content:
        """All words, on one line where they fit."""
        width = max(8, self.size.width)
        if self._is_flat(width):
            parts: list[Part] = []
            for place in range(len(self._words)):
                parts += [*self._lead(place), (self._words[place], TEXT), (GAP, "")]
            return line(*parts)
        lines: list[Content] = []
        for place, word in enumerate(self._words):
            lead = self._lead(place)
            indent = sum(len(text) for text, _ in lead)
            for rest, piece in enumerate(render.chop(word, width - indent)):
                lines.append(line(*(lead if not rest else [(" " * indent, "")]), (piece, TEXT)))
        return render.joined(lines)

    def _lead(self, place: int) -> list[Part]:
        mark = (ON, KEY) if place == self.chosen else (OFF, MUTED)
        if not self.has_focus or place >= 9:
            return [("  ", ""), mark]
        return [(f"{place + 1} ", FAINT), mark]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """One row, or one for every piece of every word."""
        del container, viewport
        if self._is_flat(width):
            return 1
        return sum(len(render.chop(word, max(8, width) - 6)) for word in self._words)
