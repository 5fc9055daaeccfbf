"""The table of runs: columns by priority and width, drawn only where it is visible.

Owns: the columns, the cursor (which stays with its run when rows move), scrolling. Must never
decide what a run does: it draws rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from supervisor.core.moment import Moment
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, fit
from supervisor.tui.rows import Row, Rows
from supervisor.tui.theme import ASK, BAD, FAINT, MUTED, STRONG, TEXT
from supervisor.tui.widgets.brush import Brush
from supervisor.tui.widgets.columns import (
    GAP,
    MARK_CELLS,
    SPELT_OUT,
    SUMMED,
    chosen_columns,
    heading_parts,
)

CURSOR = "❯ "
"""Before the row under the cursor: it must show where there is no colour."""
NO_ROWS = Rows(Picture(), Moment(0.0, 0.0, ""), ())


@dataclass(frozen=True, slots=True)
class Sorted:
    """What the table is sorted by, so that its heading shows it."""

    column: str = ""
    highest_first: bool = False


KEPT_STRIPS = 400
"""Rows kept as drawn: a few screens."""


class RunTable(ScrollView, can_focus=True):
    """Runs, one a line, with a cursor."""

    DEFAULT_CSS = """
    RunTable {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .run-table--cursor { background: $lw-cursor; }
        & > .run-table--asking { background: $lw-asking; }
    }
    """
    COMPONENT_CLASSES = {"run-table--cursor", "run-table--asking"}  # noqa: RUF012  Textual's API

    class Selected(Message):
        """The cursor is on another run."""

        def __init__(self, row: Row | None) -> None:
            super().__init__()
            self.row = row

    class Opened(Message):
        """A run was chosen with the mouse."""

    class SortWanted(Message):
        """The heading of a column was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: Rows = NO_ROWS
        self._cursor = 0
        self._columns = chosen_columns(80)
        self._columns_for = (0, False)
        """Width, and whether several machines are shown."""
        self._sorted = Sorted()
        self._brush = Brush(self)
        self._strips: dict[str, tuple[object, Strip]] = {}
        """What was drawn of each run last, with what it was drawn from."""

    @property
    def rows(self) -> Rows:
        """What is shown."""
        return self._rows

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def cursor(self) -> int:
        """The row the cursor is on."""
        return self._cursor

    def show_sorted(self, column: str, *, highest_first: bool) -> None:
        """Mark the heading of the column that the rows are sorted by; empty is none."""
        wanted = Sorted(column, highest_first)
        if wanted != self._sorted:
            self._sorted = wanted
            self.refresh(Region(0, 0, self.size.width, 1))

    def set_rows(self, rows: Rows) -> None:
        """Show these rows; the cursor stays with its run, and only changed rows are drawn."""
        before, old = self.selected, self._rows
        self._rows = rows
        self._cursor = rows.place_of(before.key if before else None, self._cursor)
        if len(old) != len(rows):
            self.virtual_size = Size(self.size.width, len(rows) + 1)
            self.refresh()
        else:
            self._refresh_changed(old)
        if before is None or self.selected is None or before.key != self.selected.key:
            self.refresh()
            self.post_message(self.Selected(self.selected))

    def _refresh_changed(self, old: Rows) -> None:
        top = self.scroll_offset.y
        for place in range(top, min(len(self._rows), top + self.size.height)):
            if self._rows[place] != old[place]:
                self._refresh_row(place)

    def move(self, by: int) -> None:
        """Move the cursor by that many rows, as far as there are any."""
        self.move_to(self._cursor + by)

    def move_to(self, place: int) -> None:
        """Put the cursor on that row and into view."""
        place = max(0, min(place, len(self._rows) - 1))
        if place == self._cursor or not self._rows:
            return
        left, self._cursor = self._cursor, place
        top = self.scroll_offset.y
        self._scroll_into_view()
        if self.scroll_offset.y == top:
            self._refresh_row(left)
            self._refresh_row(place)
        else:
            self.refresh()
        self.post_message(self.Selected(self.selected))

    def _refresh_row(self, place: int) -> None:
        line_at = place - self.scroll_offset.y + 1
        if 1 <= line_at < self.size.height:
            self.refresh(Region(0, line_at, self.size.width, 1))

    def select(self, key: str) -> None:
        """Put the cursor on the run with that key, if it is shown."""
        self.move_to(self._rows.place_of(key, self._cursor))

    @property
    def page(self) -> int:
        """Rows in view."""
        return max(1, self.size.height - 1)

    def _scroll_into_view(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + self.page:
            self.scroll_to(y=self._cursor - self.page + 1, animate=False)

    def on_resize(self) -> None:
        """Choose the columns anew."""
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self._scroll_into_view()
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Select; a second click on the same row opens it."""
        place = self.scroll_offset.y + event.y - 1
        if event.y == 0 and (column := self._column_at(event.x)):
            self.post_message(self.SortWanted(column))
        if event.y < 1 or place >= len(self._rows):
            return
        if event.chain > 1:
            self.post_message(self.Opened())
        else:
            self.move_to(place)

    def render_line(self, y: int) -> Strip:
        """The heading, or one run; the heading does not scroll."""
        width = self.scrollable_content_region.width
        wanted = (width, self._rows.has_hosts)
        if self._columns_for != wanted:
            self._columns = chosen_columns(width, with_hosts=self._rows.has_hosts)
            self._columns_for = wanted
        if y == 0:
            return self._draw(self._heading(), width, "")
        place = self.scroll_offset.y + y - 1
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._drawn_row(self._rows[place], width, is_cursor=place == self._cursor)

    def _drawn_row(self, row: Row, width: int, *, is_cursor: bool) -> Strip:
        """One run as it is drawn; what is the same as last time is not drawn again."""
        background = ""
        if is_cursor:
            background = "run-table--cursor"
        elif row.needs_me:
            background = "run-table--asking"
        wanted = (row, background, width, self._columns_for)
        before = self._strips.get(row.key)
        if before is not None and before[0] == wanted:
            return before[1]
        if len(self._strips) > KEPT_STRIPS:
            self._strips.clear()
        strip = self._draw(self._row(row, width, is_cursor=is_cursor), width, background)
        self._strips[row.key] = (wanted, strip)
        return strip

    def notify_style_update(self) -> None:
        """Other colours: draw everything anew."""
        self._strips.clear()
        self._brush.forget()
        super().notify_style_update()

    def _column_at(self, x: int) -> str:
        """The name of the column at that cell; empty where there is none."""
        at = MARK_CELLS
        for column, cells in self._columns:
            if at <= x < at + cells + GAP:
                return column.name
            at += cells + GAP
        return ""

    def _heading(self) -> list[Part]:
        parts: list[Part] = [(" " * MARK_CELLS, "")]
        for column, cells in self._columns:
            title, style = column.title, FAINT
            if column.name == self._sorted.column:
                mark = "▼" if self._sorted.highest_first else "▲"
                title, style = f"{title[: cells - 1]}{mark}", STRONG
            parts += [(fit(title, cells, right=column.right), style), (" " * GAP, "")]
        return [*parts, ("NOW", FAINT)]

    def _row(self, row: Row, width: int, *, is_cursor: bool) -> list[Part]:
        if row.needs_me:
            mark = (CURSOR if is_cursor else "▌ ", BAD if row.look.style == BAD else ASK)
        else:
            mark = (CURSOR, TEXT) if is_cursor else ("  ", "")
        parts: list[Part] = [mark]
        used = MARK_CELLS
        names = {column.name for column, _ in self._columns}
        skipped = 0
        if row.is_heading:
            # Its name and states take the place of the columns that say nothing of a group.
            skipped = next(
                (at for at, (c, _) in enumerate(self._columns) if c.name in SUMMED),
                len(self._columns),
            )
            room = sum(cells + GAP for _, cells in self._columns[:skipped])
            parts += heading_parts(row, room)
            used += room
        for column, cells in self._columns[skipped:]:
            parts += column.draw(row, cells)
            parts.append((" " * GAP, ""))
            used += cells + GAP
        if not row.is_heading:
            note = row.beside if names >= SPELT_OUT else row.note
            note_style = row.look.style if row.needs_me else MUTED
            parts.append((fit(note, max(0, width - used - 1)), note_style))
        return parts

    def _draw(self, parts: list[Part], width: int, background: str) -> Strip:
        style = self.visual_style
        if background:
            style += self.get_visual_style(background)
        return self._brush.strip(parts, width, style)
