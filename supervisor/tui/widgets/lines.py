"""A scrolling list of ready lines: the base of everything here that shows more than one line.

Owns: line-by-line drawing, so that only what is visible costs. Must never take a bare string.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual


class Lines(ScrollView, can_focus=False):
    """Lines of ``Content``, one a row, cut at the right edge."""

    DEFAULT_CSS = """
    Lines {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Content] = ()
        self.tells_moves = False
        """Whether ``Moved`` is sent when other lines come into view."""
        self._drawn_room = 0

    class Moved(Message):
        """Other lines than before are in view: scrolled by key or wheel, or another size."""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell who wants to know."""
        super().watch_scroll_y(old_value, new_value)
        self._tell_moved()

    def on_resize(self) -> None:
        """Tell who wants to know."""
        self.tell_length()
        self._tell_moved()

    def tell_length(self) -> None:
        """Say how much there is to scroll.

        What fits without scrolling is nothing to scroll, whatever its length: each other number
        would lay out the whole screen anew, 20 ms in which no key is looked at.
        """
        count, height = len(self._lines), self.styles.height
        is_fixed = height is not None and not height.is_auto
        fits = is_fixed and self.size.height > 0 and count <= self.size.height
        self.virtual_size = Size(self.size.width, 0 if fits else count)

    def _tell_moved(self) -> None:
        if self.tells_moves:
            self.post_message(self.Moved())

    @property
    def lines(self) -> Sequence[Content]:
        """What is shown."""
        return self._lines

    def set_lines(self, lines: Sequence[Content]) -> None:
        """Show these lines; nothing is drawn when nothing changed."""
        if len(lines) == len(self._lines) and all(
            new is old or new.is_same(old) for new, old in zip(lines, self._lines, strict=True)
        ):
            return
        self._lines = lines
        self.tell_length()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        width = self.room
        if width != self._drawn_room:  # A scrollbar came or went: no event of Textual says so.
            self._drawn_room = width
            self._tell_moved()
        place = self.scroll_offset.y + y
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, self.rich_style)
        return self.draw(self._lines[place], width)

    @property
    def room(self) -> int:
        """Cells of a row: the width without the scrollbar."""
        return self.scrollable_content_region.width

    def draw(self, content: Content, width: int) -> Strip:
        """``content`` as one row of exactly ``width`` cells."""
        # A wrapped row would push the others down: cut it, keeping its first line.
        strips = Visual.to_strips(
            self, content.truncate(width, ellipsis=True), width, 1, self.visual_style, pad=True
        )
        return strips[0] if strips else Strip.blank(width, self.rich_style)

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in view."""
        return self.scroll_offset.y >= len(self._lines) - self.size.height
