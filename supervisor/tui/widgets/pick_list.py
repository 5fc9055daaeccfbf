"""A list of ready lines in which one is marked: the base of tables that are read line by line.

Owns: the mark, and keeping it in view and on the same thing when others come and go. A heading
or a second line of the same thing is part of it: several lines may have the same key.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from supervisor.tui.widgets.lines import Lines


class PickList(Lines):
    """Lines with keys, one of them marked."""

    DEFAULT_CSS = """
    PickList { padding: 0; & > .pick-list--chosen { background: $lw-cursor; } }
    """
    COMPONENT_CLASSES = {"pick-list--chosen"}  # noqa: RUF012  Textual's API

    class Chosen(Message):
        """Another one is marked."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._owner: list[str] = []
        self.chosen: str | None = None
        """Key of what is marked; None when there is nothing."""
        self.is_active = True
        """Whether the mark is drawn: not while the keys mean another list beside it."""

    def fill(self, rows: Sequence[tuple[str, Content]]) -> None:
        """Show these; an empty key is a line that cannot be marked."""
        before, cells = self.chosen, self._owner.count(self.chosen or "")
        self._owner = [key for key, _ in rows]
        if before not in self._owner:
            self.chosen = next((key for key in self._owner if key), None)
        self.set_lines([content for _, content in rows])
        self.refresh()
        if before != self.chosen:
            self.post_message(self.Chosen())
        elif cells != self._owner.count(self.chosen or ""):
            self.call_after_refresh(self._reveal)  # It was opened, and may end below the edge.

    def keys(self) -> list[str]:
        """What can be marked, in order."""
        return list(dict.fromkeys(key for key in self._owner if key))

    def move(self, by: int) -> None:
        """Mark the one so many further on, as far as there are any."""
        keys = self.keys()
        if self.chosen in keys:
            self.choose(keys[max(0, min(len(keys) - 1, keys.index(self.chosen) + by))])

    def move_to(self, place: int) -> None:
        """Mark by place; -1 is the last."""
        if keys := self.keys():
            self.choose(keys[place])

    def choose(self, key: str) -> None:
        """Mark this one, if it is there, and bring all of it into view."""
        rows = [row for row, owner in enumerate(self._owner) if owner == key]
        if not rows:
            return
        is_other = key != self.chosen
        self.chosen = key
        self._reveal()
        self.refresh()
        if is_other:
            self.post_message(self.Chosen())

    def _reveal(self) -> None:
        """Bring what is marked into view: all of it, or from its beginning."""
        rows = [row for row, owner in enumerate(self._owner) if owner == self.chosen]
        if not rows:
            return
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self.chosen == self.keys()[0]:
            self.scroll_to(y=0, animate=False)
        elif rows[0] < top:
            self.scroll_to(y=rows[0], animate=False)
        elif rows[-1] >= top + height:
            self.scroll_to(y=min(rows[0], rows[-1] - height + 1), animate=False)

    @property
    def page(self) -> int:
        """Lines in view, less one that stays."""
        return max(1, self.size.height - 1)

    def render_line(self, y: int) -> Strip:
        """One row; those of what is marked stand out."""
        row = self.scroll_offset.y + y
        owner = self._owner[row] if row < len(self._owner) else ""
        if not owner or owner != self.chosen or not self.is_active:
            return super().render_line(y)
        style = self.visual_style + self.get_visual_style("pick-list--chosen")
        if self.app.no_color:
            style += Style(reverse=True)  # A background alone would be taken out.
        cut = self.lines[row].truncate(self.room, ellipsis=True)
        return Visual.to_strips(self, cut, self.room, 1, style, pad=True)[0]
