"""The log of one run, followed, with search."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Input

from supervisor.core.moment import Moment
from supervisor.tui import keys, render
from supervisor.tui.messages import LogWanted
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.tail import Tail
from supervisor.tui.theme import ASK, FAINT, MUTED, RUN, STRONG, look_of
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine, link_banner
from supervisor.tui.widgets.log_view import LogView

STREAMS = {"out": "output", "err": "errors"}


class LogScreen(PictureScreen):
    """One stream of one run."""

    CSS_PATH = "log.tcss"
    BINDINGS = keys.bindings(keys.LOG)
    AUTO_FOCUS = ""

    def __init__(self, run_id: str, agent: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._agent = agent
        self._stream = "out"
        self._size_bytes = 0
        self._found = ""
        self._picture = Picture()
        self._head = OneLine(id="head")
        self._link = Banner(id="link")
        self._view = LogView(id="log")
        self._search = Input(placeholder="search in the log", id="search")
        self._told = Banner(id="told")

    def compose(self) -> ComposeResult:
        """Head, log, keys."""
        yield self._head
        yield self._link
        yield self._view
        yield self._search
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
        if tail is not None and tail.run_id == self._run_id and tail.stream == self._stream:
            self._size_bytes = tail.size
            self._view.show(tail)
            self._draw_head()

    def say(self, *parts: Part) -> None:
        """One line above the keys."""
        self._told.say(*parts)

    def _draw_head(self) -> None:
        state = self._picture.runs.get(self._run_id)
        look = look_of(state.status if state else None)
        following = ("following", RUN) if self._view.is_following else ("stands still", ASK)
        self._head.set_content(
            line(
                (f" {look.glyph} ", look.style),
                (render.clean(self._agent, 64), STRONG),
                (f" {self._run_id[-4:]}", FAINT),
                (f"   {STREAMS[self._stream]}", ASK if self._stream == "err" else MUTED),
                (f"   {render.size(self._size_bytes)}   ", MUTED),
                following,
                (self._found, MUTED),
            )
        )

    def on_screen_resume(self) -> None:
        """On top: follow this log."""
        self.post_message(LogWanted(self._run_id, self._stream))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search for what was typed, from the end backwards."""
        self._search.display = False
        self.set_focus(None)
        self._view.needle = event.value
        self._view.again()
        self._jump(-1)

    def _jump(self, direction: int) -> None:
        places = self._view.matches()
        if not places:
            self._found = "   no match" if self._view.needle else ""
            self._draw_head()
            return
        here = self._view.scroll_offset.y
        if direction < 0:
            place = next((p for p in reversed(places) if p < here), places[-1])
        else:
            place = next((p for p in places if p > here), places[0])
        self._found = f"   match {places.index(place) + 1} of {len(places)}"
        self._view.follow(on=False)
        self._view.scroll_to(y=place, animate=False)
        self._draw_head()

    def action_search(self) -> None:
        """Open the search."""
        self._search.display = True
        self._search.focus()

    def action_next(self) -> None:
        """Next match."""
        self._jump(1)

    def action_previous(self) -> None:
        """Previous match."""
        self._jump(-1)

    def action_follow(self) -> None:
        """Follow the end, or stop following it."""
        self._view.follow(on=not self._view.is_following)
        self._draw_head()

    def action_stream(self) -> None:
        """Output or errors."""
        self._stream = "err" if self._stream == "out" else "out"
        self._size_bytes, self._found = 0, ""
        self._view.show(None)
        self._draw_head()
        self.post_message(LogWanted(self._run_id, self._stream))

    def _move(self, lines: int) -> None:
        self._view.follow(on=False)
        self._view.scroll_to(y=self._view.scroll_offset.y + lines, animate=False)
        self._draw_head()

    def action_up(self) -> None:
        """One line up."""
        self._move(-1)

    def action_down(self) -> None:
        """One line down."""
        self._move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._move(1 - self._view.size.height)

    def action_page_down(self) -> None:
        """One page down."""
        self._move(self._view.size.height - 1)

    def action_top(self) -> None:
        """To the first line loaded."""
        self._move(-self._view.scroll_offset.y)

    def action_bottom(self) -> None:
        """To the end, and follow it."""
        self._view.follow(on=True)
        self._draw_head()

    def action_back(self) -> None:
        """Close the search, else go back."""
        if self._search.display:
            self._search.display = False
            self.set_focus(None)
        else:
            self.dismiss()
