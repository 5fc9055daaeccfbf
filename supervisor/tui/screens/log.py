"""The log of one run on the whole screen."""

from __future__ import annotations

from textual.app import ComposeResult

from supervisor.core.moment import Moment
from supervisor.tui import keys, render
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.tail import Tail
from supervisor.tui.theme import FAINT, STRONG, look_of
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine, link_banner
from supervisor.tui.widgets.log_pane import LogPane


class LogScreen(PictureScreen):
    """Whose log it is, and the log."""

    CSS_PATH = "log.tcss"
    AUTO_FOCUS = "LogPane"

    def __init__(self, run_id: str, agent: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._agent = agent
        self._picture = Picture()
        self._head = OneLine(id="head")
        self._link = Banner(id="link")
        self._pane = LogPane(run_id)
        self._told = Banner(id="told")

    def compose(self) -> ComposeResult:
        """Head, log, keys."""
        yield self._head
        yield self._link
        yield self._pane
        yield self._told
        yield KeyBar(keys.LOG, id="keys")

    @property
    def run_id(self) -> str | None:
        """The run whose log this is."""
        return self._run_id

    @property
    def agent(self) -> str | None:
        """Its agent."""
        return self._agent

    def show(self, picture: Picture, now: Moment) -> None:  # noqa: ARG002
        """Draw the head; the log comes by itself."""
        self._picture = picture
        self._link.say(*link_banner(picture))
        self._draw_head()

    def show_log(self, tail: Tail | None) -> None:
        """Draw what is loaded of the log."""
        self._pane.show(tail)

    def say(self, *parts: Part) -> None:
        """One line above the keys."""
        self._told.say(*parts)

    def _draw_head(self) -> None:
        state = self._picture.runs.get(self._run_id)
        look = look_of(state.status if state else None)
        (streams, style), *rest = self._pane.head
        self._head.set_content(
            line(
                (f" {look.glyph} ", look.style),
                (render.clean(self._agent, 64), STRONG),
                (f" {self._run_id[-4:]}", FAINT),
                (f"   {streams}", style),
                *rest,
            )
        )

    def on_log_pane_moved(self) -> None:
        """Say where it is now."""
        self._draw_head()

    def on_screen_resume(self) -> None:
        """On top: follow this log."""
        self.post_message(self._pane.wish())

    def on_log_pane_left(self) -> None:
        """Back."""
        self.dismiss()
