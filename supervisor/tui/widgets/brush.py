"""Styled pieces drawn as one row of the screen, with the styles looked up once.

Owns: the way from parts to a strip for rows that are drawn by the hundred. ``Content`` does the
same with wrapping, alignment and selection, which a row of a table does not have, at ten times
the price. Like ``render.line`` it cleans every piece once more, which changes nothing clean.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.widget import Widget

from supervisor.core.text import safe_text
from supervisor.tui.render import Part


class Brush:
    """Draws for one widget."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[VisualStyle, str], Style] = {}
        """By what is under it and by name; a few dozen for each theme."""

    def forget(self) -> None:
        """The theme changed: names mean other colours."""
        self._styles.clear()

    def strip(self, parts: Sequence[Part], width: int, base: VisualStyle) -> Strip:
        """The pieces in a row of exactly ``width`` cells."""
        segments = [
            Segment(safe_text(text), self._style(base, style)) for text, style in parts if text
        ]
        return Strip(segments).adjust_cell_length(width, self._style(base, ""))

    def _style(self, base: VisualStyle, name: str) -> Style:
        known = self._styles.get((base, name))
        if known is None:
            wanted = base + self._widget.app.stylesheet.parse_style(name) if name else base
            known = self._styles[base, name] = wanted.rich_style
        return known
