"""A window of a log: wrapped or cut, following the newest line, with search.

Owns: which rows a line takes, and where the operator reads. Only the rows in view are drawn. What
is above or below the window is asked for when somebody goes there. The one surprising thing: the
place is kept by line, not by row, so that the text stands still when lines are added above it,
when the width changes and when wrapping does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from rich.cells import cell_len
from textual.content import Content

from supervisor.core.mistakes import is_error_line
from supervisor.tui import inks, render
from supervisor.tui.render import line
from supervisor.tui.tail import Shown, Tail, Want
from supervisor.tui.theme import BAD, CURSOR, FAINT, FOUND, MUTED, TEXT
from supervisor.tui.widgets.lines import Lines

Row = tuple[int, int, int]
"""A line of the window (-1 is the note above it), and which characters of it."""
NARROWEST = 10


class LogView(Lines):
    """Lines of a log. Follows its end until the operator scrolls up."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.is_following = True
        self.is_wrapped = True
        self.needle = ""
        """What is searched for; matching parts are marked."""
        self.current: int | None = None
        """The line that was jumped to."""
        self._tail: Tail | None = None
        self._rows: list[Row] = []
        self._rows_of = 0
        """How many lines of the window have their rows."""
        self._version = -1
        self._wrapped_width = 0
        self._aside = 0
        """Cells scrolled to the right, while nothing is wrapped."""
        self._lines = _Drawn(self)

    # -- what is shown ------------------------------------------------------------------------

    @property
    def tail(self) -> Tail | None:
        """The window."""
        return self._tail

    def show(self, tail: Tail | None) -> None:
        """Show this log; only what is new since the last time is worked on."""
        if tail is not self._tail:
            self._tail, self._version, self.current = tail, -1, None
        if tail is None or not self.room:
            self._rows, self._rows_of, self._wrapped_width = [], 0, 0
            self._measure()
            return
        top, below = self.top_line, self._rows_above_top()
        is_first = not self._wrapped_width
        shift, tail.shift = tail.shift, 0
        if tail.version != self._version or self._wrapped_width != self.room:
            self._rows, self._rows_of = [], 0
            self._version, self._wrapped_width = tail.version, self.room
        if self.current is not None:
            self.current += shift
        self._lay_out(tail)
        self._measure()
        if self.is_following:
            self.scroll_end(animate=False, immediate=True)
        elif is_first and self.current is not None:
            # It was jumped to before there was room, and there is no scrollbar to scroll by yet.
            self.call_after_refresh(self._to_current)
        elif shift:
            self._go_to_row(self.row_of(top + shift) + below)

    def again(self) -> None:
        """Draw everything anew (another width, another search, wrapped or not)."""
        top, is_first = self.top_line, not self._wrapped_width
        self._version = -1
        self.show(self._tail)
        if not self.is_following and not is_first:
            self._go_to_row(self.row_of(top))

    def _lay_out(self, tail: Tail) -> None:
        """Give the lines that have none their rows."""
        lines = tail.lines
        while self._rows and self._rows[-1][0] >= self._rows_of:
            self._rows.pop()  # What was pending is a line by now, or longer.
        if not self._rows:
            self._rows.append((-1, 0, 0))
        for place in range(self._rows_of, len(lines)):
            self._rows += self._rows_for(place, lines[place].text)
        self._rows_of = len(lines)
        pending = tail.pending.text
        if pending:
            self._rows += self._rows_for(len(lines), pending)

    def _rows_for(self, place: int, text: str) -> list[Row]:
        length, width = len(text), max(NARROWEST, self.room)
        if not self.is_wrapped or (length <= width and text.isascii()):
            return [(place, 0, length)]
        rows: list[Row] = []
        at = 0
        for piece in render.chop(text, width):
            rows.append((place, at, at + len(piece)))
            at += len(piece)
        return rows

    def _measure(self) -> None:
        first = 0 if self._has_note() else 1
        self._lines = _Drawn(self, first)
        self.tell_length()
        self.refresh()

    def _has_note(self) -> bool:
        tail = self._tail
        return tail is not None and (tail.is_cut or (tail.is_loaded and len(self._rows) == 1))

    def line_at(self, place: int) -> Shown:
        """That line of the window; the one that is being written comes last."""
        tail = self._tail
        if tail is None:
            return Shown("")
        return tail.lines[place] if 0 <= place < len(tail.lines) else tail.pending

    @property
    def line_count(self) -> int:
        """Lines of the window, with the one that is being written."""
        return (len(self._tail.lines) + bool(self._tail.pending.text)) if self._tail else 0

    # -- where it is --------------------------------------------------------------------------

    @property
    def top_line(self) -> int:
        """The line at the top of the view."""
        place = self._first_row() + self.scroll_offset.y
        return max(0, self._rows[place][0]) if 0 <= place < len(self._rows) else 0

    def row_of(self, place: int) -> int:
        """The row in which that line of the window begins."""
        found = bisect_left(self._rows, (place, 0, 0))
        return max(0, found - self._first_row())

    def _rows_above_top(self) -> int:
        return max(0, self.scroll_offset.y - self.row_of(self.top_line))

    def _first_row(self) -> int:
        return 0 if self._has_note() else 1

    def _go_to_row(self, row: int) -> None:
        self.scroll_to(y=row, animate=False, immediate=True)

    def follow(self, *, on: bool) -> None:
        """Stay at the end, or where it is."""
        self.is_following = on
        if self._tail is not None:
            self._tail.is_pinned = not on
            if on:
                self._tail.to_end()
        if on:
            self.current = None
            self.scroll_end(animate=False, immediate=True)

    def move(self, rows: int) -> None:
        """Up or down; past an edge of the window the next piece of the file is asked for."""
        self.follow(on=False)
        wanted = self.scroll_offset.y + rows
        self._go_to_row(max(0, wanted))
        if self._tail is None:
            return
        if wanted <= 0:
            self._tail.ask(Want.EARLIER)
        elif wanted >= len(self._lines) - self.size.height:
            self._tail.ask(Want.LATER)

    def aside(self, cells: int) -> None:
        """To the right or the left, while nothing is wrapped."""
        self._aside = 0 if self.is_wrapped else max(0, self._aside + cells)
        self.refresh()

    def wrap(self, *, on: bool) -> None:
        """Long lines on several rows, or cut at the edge."""
        self.is_wrapped, self._aside = on, 0
        self.again()

    def jump(self, place: int) -> None:
        """Show that line, a third from the top, marked."""
        self.follow(on=False)
        self.current = place
        row = self.row_of(place)
        is_in_view = 0 <= row - self.scroll_offset.y < self.size.height - 1
        if not is_in_view:
            self._go_to_row(max(0, row - self.size.height // 3))
        self.refresh()

    def _to_current(self) -> None:
        if self.current is not None:
            self.jump(self.current)

    # -- searching ----------------------------------------------------------------------------

    def matches(self, text: str) -> bool:
        """Whether a line contains what is searched for."""
        return self.needle.casefold() in text.casefold()

    def find(self, fits: Callable[[str], bool], begin: int, direction: int) -> int | None:
        """The next line of the window from ``begin`` on that fits; None when there is none."""
        end = self.line_count if direction > 0 else -1
        start = max(0, begin) if direction > 0 else min(begin, self.line_count - 1)
        for place in range(start, end, direction):
            if fits(self.line_at(place).text):
                return place
        return None

    def on_resize(self) -> None:
        """Lay out for the new width."""
        if self._wrapped_width != self.room:
            self.again()

    # -- drawing ------------------------------------------------------------------------------

    def drawn(self, row: Row) -> Content:
        """One row."""
        place, start, end = row
        if place < 0:
            return self._note()
        shown = self.line_at(place)
        if not self.is_wrapped:
            start = _character_at(shown.text, self._aside)
        # Never more than a screen can show: what follows is cut at its edge.
        end = min(end, start + 4 * max(NARROWEST, self.room))
        usual = MUTED if start and self.is_wrapped else TEXT
        if not shown.spans and is_error_line(shown.text):
            usual = BAD
        content = line((shown.text[start:end], usual))
        if shown.spans:
            content = self._inked(content, shown, start, end)
        if place == self.current:
            content = content.stylize(CURSOR)
        return self._marked(content)

    def _inked(self, content: Content, shown: Shown, start: int, end: int) -> Content:
        paper = inks.paper_of(self.app.current_theme)
        for span in shown.spans:
            if span.start < end and span.end > start:
                style = inks.style_of(span.ink, paper)
                content = content.stylize(style, max(0, span.start - start), span.end - start)
        return content

    def _note(self) -> Content:
        tail = self._tail
        if tail is None:
            return line()
        if tail.is_cut:
            return line(("… earlier output is in the file; going up reads it", FAINT))
        return line((f"no {'error output' if tail.stream == 'err' else 'output'} yet", FAINT))

    def _marked(self, content: Content) -> Content:
        wanted, at = self.needle.casefold(), 0
        folded = content.plain.casefold()
        if not wanted or len(folded) != len(content.plain):
            return content
        while (at := folded.find(wanted, at)) >= 0:
            content = content.stylize(FOUND, at, at + len(wanted))
            at += len(wanted)
        return content


def _character_at(text: str, cells: int) -> int:
    """The character that stands that many cells to the right."""
    if text.isascii():
        return cells
    used = 0
    for place, character in enumerate(text):
        if used >= cells:
            return place
        used += cell_len(character)
    return len(text)


class _Drawn(Sequence[Content]):
    """The rows of a view as lines, each drawn when it is looked at."""

    def __init__(self, view: LogView, first: int = 1) -> None:
        self._view = view
        self._first = first

    def __len__(self) -> int:
        return max(0, len(self._view._rows) - self._first)

    @overload
    def __getitem__(self, place: int) -> Content: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Content]: ...
    def __getitem__(self, place: int | slice) -> Content | Sequence[Content]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._view.drawn(self._view._rows[self._first + place % len(self)])

    def __iter__(self) -> Iterator[Content]:
        return (self[at] for at in range(len(self)))
