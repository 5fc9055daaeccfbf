"""The options of a choice: numbered, whole, none chosen until the operator does."""

from __future__ import annotations

from textual.content import Content
from textual.strip import Strip
from textual.visual import Visual

from supervisor.core.run import Request
from supervisor.core.text import safe_text
from supervisor.tui import render
from supervisor.tui.render import line
from supervisor.tui.theme import KEY, MUTED, TEXT
from supervisor.tui.widgets.lines import Lines


class Options(Lines):
    """Options with a highlight that starts nowhere."""

    DEFAULT_CSS = """
    Options {
        height: auto;
        max-height: 50%;
        margin-top: 1;
        & > .options--chosen { background: $lw-cursor; text-style: bold; }
    }
    """
    COMPONENT_CLASSES = {"options--chosen"}  # noqa: RUF012  Textual's API

    def __init__(self, request: Request) -> None:
        super().__init__(id="options")
        self._request = request
        self._owner: list[int] = []
        self.chosen: int | None = None
        """Place of the highlighted option, from 0; None at first."""

    def fill(self, width: int) -> None:
        """Wrap the options to that width, each whole."""
        lines: list[Content] = []
        self._owner = []
        for place, option in enumerate(self._request.options):
            mark = "  (its default)" if option == self._request.default else ""
            pieces = render.chop(safe_text(option), width - 5 - len(mark))
            for rest, piece in enumerate(pieces):
                number = f"{place + 1:>2}  " if rest == 0 else "    "
                tail = mark if rest == len(pieces) - 1 else ""
                lines.append(line((number, KEY), (piece, TEXT), (tail, MUTED)))
                self._owner.append(place)
        self.styles.height = len(lines)
        self.set_lines(lines)

    def choose(self, place: int) -> None:
        """Highlight an option and bring all of it into view."""
        if not self._request.options:
            return
        self.chosen = max(0, min(place, len(self._request.options) - 1))
        rows = [row for row, owner in enumerate(self._owner) if owner == self.chosen]
        if rows and rows[0] < self.scroll_offset.y:
            self.scroll_to(y=rows[0], animate=False)
        elif rows and rows[-1] >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=rows[-1] - self.size.height + 1, animate=False)
        self.refresh()

    def move(self, by: int) -> None:
        """Move the highlight; the first move lands on the first or the last option."""
        start = self.chosen if self.chosen is not None else (-1 if by > 0 else 10**6)
        self.choose(start + by)

    def render_line(self, y: int) -> Strip:
        """One row; the chosen option stands out by its background and a bold face."""
        row = self.scroll_offset.y + y
        if self.chosen is None or row >= len(self._owner) or self._owner[row] != self.chosen:
            return super().render_line(y)
        style = self.visual_style + self.get_visual_style("options--chosen")
        width = self.room
        return Visual.to_strips(self, self.lines[row], width, 1, style, pad=True)[0]
