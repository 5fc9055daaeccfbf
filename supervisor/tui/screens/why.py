"""Why a run is where it is, as ``longwatch why`` says it, over whatever was looked at."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.core.why import reasons_of
from supervisor.tui import keys, render
from supervisor.tui.model import Picture
from supervisor.tui.render import line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import MUTED, STRONG, TEXT, look_of_run
from supervisor.tui.widgets.bars import KeyBar
from supervisor.tui.widgets.lines import Lines

FRAME_CELLS = 6
"""Border, padding and scrollbar of the card."""


class WhyScreen(PictureScreen, ModalScreen[None]):
    """A card with sentences; they go on being true while it is open."""

    CSS_PATH = "why.tcss"
    BINDINGS = keys.bindings(keys.WHY)
    AUTO_FOCUS = ""

    def __init__(self, run_id: str, agent: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._agent = agent
        self._shown_of: tuple[RunState, Moment] | None = None
        self._lines = Lines(id="why-lines")

    def compose(self) -> ComposeResult:
        """A card."""
        with Vertical(id="why-card") as card:
            card.border_title = "why"
            yield self._lines
            yield KeyBar(keys.WHY)

    @property
    def run_id(self) -> str | None:
        """The run it is about."""
        return self._run_id

    @property
    def agent(self) -> str | None:
        """Its agent."""
        return self._agent

    def show(self, picture: Picture, now: Moment) -> None:
        """Say it as it is now."""
        state = picture.runs.get(self._run_id)
        if state is not None:
            self._shown_of = (state, now)
            self._draw()

    def on_resize(self) -> None:
        """Wrap anew."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if self._shown_of is None:
            return
        state, now = self._shown_of
        width = max(20, min(100, self.size.width) - FRAME_CELLS)
        lines = why_lines(state, now, width)
        self._lines.styles.height = min(len(lines) + 1, max(4, self.size.height - 6))
        self._lines.set_lines(lines)

    def action_up(self) -> None:
        """One line up."""
        self._lines.scroll_up(animate=False)

    def action_down(self) -> None:
        """One line down."""
        self._lines.scroll_down(animate=False)

    def action_page_up(self) -> None:
        """One page up."""
        self._lines.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """One page down."""
        self._lines.scroll_page_down(animate=False)

    def action_bottom(self) -> None:
        """To the end."""
        self._lines.scroll_end(animate=False)

    def action_back(self) -> None:
        """Close."""
        self.dismiss()


def why_lines(state: RunState, now: Moment, width: int) -> list[Content]:
    """The sentences, wrapped; the first and what is next stand out."""
    first, *rest = reasons_of(state, now)
    look = look_of_run(state)
    lines = render.wrap(line((f"{look.glyph} ", look.style), (first, STRONG)), width)
    lines.append(render.BLANK)
    for said in rest:
        is_quoted = said.startswith("  ")
        style = MUTED if is_quoted else STRONG if said.startswith("next:") else TEXT
        mark = "  │ " if is_quoted else "· "
        wrapped = render.wrap(line((said.strip(), style)), width - len(mark))
        for place, part in enumerate(wrapped):
            head = mark if place == 0 or is_quoted else " " * len(mark)
            lines.append(line((head, MUTED)).append(part))
    return lines
