"""The panes of the page of a run: where each stands, which one the keys mean.

Owns: the arrangement for the room there is and the marked pane. Must never fill a pane: the
screen does.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from supervisor.tui import keys, run_places
from supervisor.tui.render import Part, line
from supervisor.tui.run_places import ALWAYS_THERE, LOG, PANES, Places
from supervisor.tui.theme import FAINT, KEY, MUTED, STRONG
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.log_pane import LogPane
from supervisor.tui.widgets.pick_list import PickList


class Board(Vertical):
    """Eight panes in as many places as fit."""

    DEFAULT_CSS = """
    Board > #panes { layout: grid; grid-size-columns: 20; height: 1fr; }
    Board .pane {
        display: none;
        border-top: solid $lw-line;
        border-title-color: $lw-muted;
        border-title-style: none;
        padding: 0 2 0 0;
    }
    Board.-alone .pane { border-top: none; padding: 0; }
    Board .pane.-shown { display: block; }
    Board .pane.-marked { border-top: heavy $lw-key; border-title-color: $lw-key; }
    Board.-single > #tabs { display: block; }
    Board > #tabs { display: none; }
    """

    class Pointed(Message):
        """A pane was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Turned(Message):
        """Another pane is marked, or other panes are in view."""

    def __init__(self, run_id: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lists = {
            name: _PANE_KINDS.get(name, Lines)(id=f"pane-{name}") for name in PANES if name != LOG
        }
        self.log_pane = LogPane(run_id, has_head=True, id="pane-log")
        self._panes: dict[str, Widget] = {**self.lists, LOG: self.log_pane}
        self.marked = PANES[0]
        self._third = LOG
        self._is_zoomed = False
        self._needed: Mapping[str, int] = {}
        self._places: Places | None = None
        self._laid_out_for = 0
        self._tabs = OneLine(id="tabs")
        self._counts: Mapping[str, str] = {}
        _name(self._panes)

    def compose(self) -> ComposeResult:
        """The tabs, and the panes in the order of their digits."""
        yield self._tabs
        yield Container(*self._panes.values(), id="panes")

    @property
    def shown(self) -> tuple[str, ...]:
        """The panes in view."""
        return self._places.shown if self._places else ()

    @property
    def is_zoomed(self) -> bool:
        """Whether the marked pane has all the room, though more would fit."""
        return self._is_zoomed

    def width_of(self, name: str) -> int:
        """Cells of a line in that pane; what the smallest screen has before it is laid out."""
        pane = self._panes[name]
        return pane.scrollable_content_region.width or 78

    def need(self, needed: Mapping[str, int], counts: Mapping[str, str]) -> None:
        """How many lines each pane would like to have, and what its tab says beside the name."""
        self._needed, self._counts = needed, counts
        self._arrange()

    def mark(self, name: str) -> None:
        """The keys mean that pane from now on; it comes into view."""
        self.marked = name
        if name not in ALWAYS_THERE:
            self._third = name
        self._arrange()
        self.post_message(self.Turned())

    def zoom(self, *, on: bool) -> None:
        """All the room for the marked pane, or for all again."""
        if on and len(self.shown) == 1:
            return  # It has all the room already.
        self._is_zoomed = on
        self._arrange()
        self.post_message(self.Turned())

    def on_click(self, event: Click) -> None:
        """The pane that was clicked."""
        for name in self.shown:
            if self._panes[name].region.contains(event.screen_x, event.screen_y):
                self.post_message(self.Pointed(name))

    def on_resize(self) -> None:
        """Other room."""
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size
        if not width:
            return
        made = run_places.places(
            width, height, self.marked, self._third, self._needed, is_zoomed=self._is_zoomed
        )
        self._draw_tabs(made)
        for name, pane in self._panes.items():
            pane.set_class(name == self.marked and len(made.shown) > 1, "-marked")
            if isinstance(pane, PickList):
                pane.is_active = name == self.marked
        if made == self._places and width == self._laid_out_for:
            return  # Each setting of the grid would lay out the whole screen anew.
        self._laid_out_for = width
        grid = self.query_one("#panes")
        grid.styles.grid_columns = " ".join(map(str, run_places.columns(width)))
        self._places = made
        self.set_class(not made.has_all, "-single")
        self.set_class(len(made.shown) == 1, "-alone")
        grid.styles.grid_rows = " ".join([*map(str, made.heights), "1fr"])
        columns = {name: cells for row in made.rows for name, cells in row}
        for name, pane in self._panes.items():
            pane.set_class(name in columns, "-shown")
            pane.styles.column_span = columns.get(name, 1)
        self.post_message(self.Turned())

    def _draw_tabs(self, made: Places) -> None:
        parts: list[Part] = []
        is_roomy = self.size.width >= run_places.MEDIUM[0]
        for digit, name in enumerate(PANES, start=1):
            style = STRONG if name == self.marked else MUTED if name in made.shown else FAINT
            word = name if is_roomy else _SHORT.get(name, name)
            parts += [(f"{digit}", KEY), (f" {word}", style)]
            if count := self._counts.get(name, ""):
                if is_roomy:
                    parts.append((f" {count}", style))
                elif name == run_places.FLAGS:
                    parts.append((count, style))
            parts.append(("  " if is_roomy else " ", ""))
        zoomed = f"  {keys.hint('open-run.zoom')} shows all" if self._is_zoomed else ""
        self._tabs.set_content(line(*parts, (zoomed, MUTED)))


_PANE_KINDS: dict[str, type[Lines]] = {
    run_places.CHECKPOINTS: PickList,
    run_places.FLAGS: PickList,
    run_places.JOURNAL: PickList,
}
_SHORT = {run_places.CHECKPOINTS: "checkpts", run_places.FLAGS: "flags"}
"""Where eight names have to fit 78 cells."""


def _name(panes: Mapping[str, Widget]) -> None:
    """The titles, each with its digit; literals, because a title would read markup."""
    for pane in panes.values():
        pane.add_class("pane")
    panes[run_places.STAGES].border_title = " 1 stages "
    panes[run_places.ATTEMPTS].border_title = " 2 attempts "
    panes[run_places.TIMELINE].border_title = " 3 timeline "
    panes[run_places.CHECKPOINTS].border_title = " 4 checkpoints "
    panes[run_places.FLAGS].border_title = " 5 anomalies "
    panes[run_places.USAGE].border_title = " 6 usage "
    panes[run_places.JOURNAL].border_title = " 7 journal "
    panes[run_places.LOG].border_title = " 8 log "
