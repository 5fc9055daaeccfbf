"""One run on the whole screen: the detail pane with all the room there is."""

from __future__ import annotations

from textual.app import ComposeResult

from supervisor.core.moment import Moment
from supervisor.tui import keys, view
from supervisor.tui.messages import LogWanted
from supervisor.tui.model import Picture, open_requests
from supervisor.tui.render import Part
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.tail import Tail
from supervisor.tui.widgets.bars import Banner, KeyBar, TopBar, link_banner
from supervisor.tui.widgets.detail import Detail
from supervisor.tui.widgets.inbox import Inbox
from supervisor.tui.widgets.lines import Lines


class RunScreen(PictureScreen):
    """The detail pane of one run."""

    CSS_PATH = "run.tcss"
    BINDINGS = keys.bindings(keys.OPEN_RUN, keys.RUN)

    def __init__(self, run_id: str, agent: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._agent = agent
        self._top = TopBar(id="top")
        self._link = Banner(id="link")
        self._inbox = Inbox(id="inbox")
        self._detail = Detail(id="detail")
        self._told = Banner(id="told")

    def compose(self) -> ComposeResult:
        """Top bar, inbox, the run, keys."""
        yield self._top
        yield self._link
        yield self._inbox
        yield self._detail
        yield self._told
        yield KeyBar(keys.OPEN_RUN, id="keys")

    @property
    def run_id(self) -> str | None:
        """This run."""
        return self._run_id

    @property
    def agent(self) -> str | None:
        """Its agent."""
        return self._agent

    def show(self, picture: Picture, now: Moment) -> None:
        """Draw the run in this picture; one that left the picture keeps its last look."""
        self._top.show(picture, view.totals(picture))
        self._link.say(*link_banner(picture))
        self._inbox.show(open_requests(picture), now)
        state = picture.runs.get(self._run_id)
        if state is not None:
            self._detail.show(state, picture.samples.get(self._run_id), now)

    def show_log(self, tail: Tail | None) -> None:
        """Draw the end of its log."""
        self._detail.show_log(tail)

    def say(self, *parts: Part) -> None:
        """One line above the keys."""
        self._told.say(*parts)

    def on_screen_resume(self) -> None:
        """On top: follow the log."""
        self.post_message(LogWanted(self._run_id))

    def action_up(self) -> None:
        """Timeline up."""
        self.query_one("#timeline", Lines).scroll_up(animate=False)

    def action_down(self) -> None:
        """Timeline down."""
        self.query_one("#timeline", Lines).scroll_down(animate=False)

    def action_back(self) -> None:
        """Back to the table."""
        self.dismiss()
