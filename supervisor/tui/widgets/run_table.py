"""The table of runs: columns by priority and width, drawn only where it is visible.

Owns: the columns, the cursor (which stays with its run when rows move), scrolling. Must never
decide what a run does: it draws rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from supervisor.core.moment import Moment
from supervisor.tui import render
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, fit, line
from supervisor.tui.theme import ASK, BAD, FAINT, MUTED, RETRY, STRONG, TEXT
from supervisor.tui.view import Row, Rows

NO_ROWS = Rows(Picture(), Moment(0.0, 0.0, ""), ())
GAP = 2
MARK_CELLS = 2
NOTE_MIN = 22
"""Cells the sentence about now keeps before a needed column gives way."""
NOTE_WISHED = 36
"""Cells it keeps before one that is merely good to have gives way."""
HOST = "HOST"
"""The column that is there only when several machines are shown."""
NEEDED = 3
"""Priorities up to this one are needed."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the higher its priority number, the sooner it gives way."""

    title: str
    cells: int
    wide_cells: int
    """Its width where there is plenty."""
    priority: int
    draw: Callable[[Row, int], list[Part]]
    right: bool = False


def _plain(name: str, style: str, *, right: bool = False) -> Callable[[Row, int], list[Part]]:
    def draw(row: Row, cells: int) -> list[Part]:
        return [(fit(getattr(row, name), cells, right=right), style)]

    return draw


def _status(row: Row, cells: int) -> list[Part]:
    style = f"bold {row.look.style}" if row.needs_me else row.look.style
    return [(fit(f"{row.look.glyph} {row.look.word}", cells), style)]


def _progress(row: Row, cells: int) -> list[Part]:
    parts = render.bar(row.share, cells - 5, row.look.bar)
    percent = "" if row.share is None else f"{int(row.share * 100)}%"
    return [*parts, (fit(percent, 5, right=True), MUTED)]


COLUMNS: tuple[Column, ...] = (
    Column("STATUS", 11, 11, 0, _status),
    Column(HOST, 8, 14, 0, _plain("host", MUTED)),
    Column("AGENT", 15, 26, 0, _plain("agent", STRONG)),
    Column("PROGRESS", 13, 21, 1, _progress),
    Column("STAGE", 14, 18, 8, _plain("stage", TEXT)),
    Column("ETA", 5, 6, 4, _plain("eta", TEXT, right=True), right=True),
    Column("TIME", 9, 10, 5, _plain("time", MUTED, right=True), right=True),
    Column("TRY", 3, 3, 2, _plain("retries", RETRY, right=True), right=True),
    Column("FLAG", 4, 4, 3, _plain("flags", ASK, right=True), right=True),
    Column("CPU", 5, 5, 6, _plain("cpu", MUTED, right=True), right=True),
    Column("MEM", 5, 5, 7, _plain("memory", MUTED, right=True), right=True),
    Column("TOKENS", 6, 6, 9, _plain("tokens", MUTED, right=True), right=True),
    Column("COST", 7, 8, 10, _plain("cost", MUTED, right=True), right=True),
)


def chosen_columns(width: int, *, with_hosts: bool = False) -> list[tuple[Column, int]]:
    """The columns that fit ``width`` cells with their cells; the note takes what is left."""
    room = width - MARK_CELLS - NOTE_MIN
    kept: list[Column] = []
    wanted = [column for column in COLUMNS if with_hosts or column.title != HOST]
    for column in sorted(wanted, key=lambda column: column.priority):
        wished = NOTE_WISHED - NOTE_MIN if column.priority > NEEDED else 0
        if column.cells + GAP + wished > room:
            break
        kept.append(column)
        room -= column.cells + GAP
    chosen = {}
    room -= NOTE_WISHED - NOTE_MIN
    for column in kept:
        # Growing wide is for what is read most; the note gets at least half of the plenty.
        grow = min(column.wide_cells - column.cells, max(0, room // 2))
        chosen[column.title] = column.cells + grow
        room -= grow
    return [(column, chosen[column.title]) for column in COLUMNS if column.title in chosen]


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

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: Rows = NO_ROWS
        self._cursor = 0
        self._columns = chosen_columns(80)
        self._columns_for = (0, False)
        """Width, and whether several machines are shown."""

    @property
    def rows(self) -> Rows:
        """What is shown."""
        return self._rows

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

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
                self.refresh(Region(0, place - top + 1, self.size.width, 1))

    def move(self, by: int) -> None:
        """Move the cursor by that many rows, as far as there are any."""
        self.move_to(self._cursor + by)

    def move_to(self, place: int) -> None:
        """Put the cursor on that row and into view."""
        place = max(0, min(place, len(self._rows) - 1))
        if place == self._cursor or not self._rows:
            return
        self._cursor = place
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.Selected(self.selected))

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
            return self._draw(self._heading(width), width, "")
        place = self.scroll_offset.y + y - 1
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[place]
        background = ""
        if place == self._cursor:
            background = "run-table--cursor"
        elif row.needs_me:
            background = "run-table--asking"
        return self._draw(self._row(row, width, is_cursor=place == self._cursor), width, background)

    def _heading(self, width: int) -> Content:
        parts: list[Part] = [(" " * MARK_CELLS, "")]
        for column, cells in self._columns:
            parts.append((fit(column.title, cells, right=column.right) + " " * GAP, FAINT))
        return line(*parts, ("NOW", FAINT)).truncate(width)

    def _row(self, row: Row, width: int, *, is_cursor: bool) -> Content:
        if row.needs_me:
            mark = ("▌ ", BAD if row.look.style == BAD else ASK)
        else:
            mark = ("▌ ", FAINT) if is_cursor else ("  ", "")
        parts: list[Part] = [mark]
        used = MARK_CELLS
        for column, cells in self._columns:
            parts += column.draw(row, cells)
            parts.append((" " * GAP, ""))
            used += cells + GAP
        note_style = row.look.style if row.needs_me else MUTED
        parts.append((fit(row.note, max(0, width - used - 1)), note_style))
        return line(*parts)

    def _draw(self, content: Content, width: int, background: str) -> Strip:
        style = self.visual_style
        if background:
            style += self.get_visual_style(background)
        strips = Visual.to_strips(self, content, width, 1, style, pad=True)
        return strips[0] if strips else Strip.blank(width, self.rich_style)
