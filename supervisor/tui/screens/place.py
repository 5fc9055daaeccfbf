"""What the screens beside the dashboard have in common: a head, a list, a word on what happened.

Owns: the keys that move in a list, which machine is looked at, and asking the engine again while
the screen is in view. A subclass draws; it never awaits anything.
"""

from __future__ import annotations

import time
from typing import Any

from textual.app import ComposeResult
from textual.timer import Timer

from supervisor.core.moment import Moment
from supervisor.tui import render
from supervisor.tui.messages import CallWanted
from supervisor.tui.model import HOST_MARK, Link, Picture
from supervisor.tui.render import Part
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import ASK, BAD, MUTED
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine, link_banner
from supervisor.tui.widgets.pick_list import PickList


class PlaceScreen(PictureScreen):
    """A head, a list, the keys of ``SCOPE``."""

    SCOPE = ""
    REFRESH_S: float | None = None
    """How often ``load`` is called again while the screen is in view; None: only when asked."""

    def __init__(self) -> None:
        super().__init__()
        self._picture = Picture()
        self._now: Moment | None = None
        self._head = OneLine(id="top")
        self._link_line = Banner(id="link")
        self._list = PickList(id=self.SCOPE)
        self._told = Banner(id="told")
        self._again: Timer | None = None
        self._was_live = True
        self._host = ""

    def compose(self) -> ComposeResult:
        """Head, list, what happened, keys."""
        yield self._head
        yield self._link_line
        yield from self.body()
        yield self._told
        yield KeyBar(self.SCOPE, id="keys")

    def body(self) -> ComposeResult:
        """What stands between the head and the keys."""
        yield self._list

    def on_mount(self) -> None:
        """Ask again from time to time; the first time is with the first picture."""
        if self.REFRESH_S is not None:
            self._again = self.set_interval(self.REFRESH_S, self._load_in_view)

    def on_resize(self) -> None:
        """Draw in the new width."""
        self.call_after_refresh(self.draw)

    def show(self, picture: Picture, now: Moment) -> None:
        """A new picture."""
        is_first = self._now is None
        self._picture, self._now = picture, now
        self._link_line.say(*link_banner(picture))
        is_live = picture.link is Link.LIVE
        # Not before: which machines there are, and what time it is there, comes with the picture.
        # And when the engine is back, what is shown may be old.
        if is_first or (is_live and not self._was_live):
            self.load()
        self._was_live = is_live
        self.draw()

    def load(self) -> None:
        """Ask the engine for what is shown."""

    def draw(self) -> None:
        """Put on screen what is known."""

    # -- machines -------------------------------------------------------------------------------

    def where(self) -> dict[str, Any]:
        """Parameters that name the machine; none where there is only one."""
        host = self._host or next((host.name for host in self._picture.hosts), "")
        return {"host": host} if host else {}

    def machine_part(self) -> Part:
        """Which machine is shown, where there are several."""
        host = self.where().get("host", "")
        return (f"   on {render.clean(host, 40)}", ASK) if host else ("", "")

    def qualified(self, run_id: str) -> str:
        """The id by which the interface knows a run of that machine."""
        host = self.where().get("host", "")
        return f"{host}{HOST_MARK}{run_id}" if host else run_id

    def host_seq(self) -> int:
        """Number of the newest event that is known of that machine."""
        here = self.where().get("host", "")
        seqs = {host.name: host.seq for host in self._picture.hosts}
        return seqs.get(here, self._picture.seq)

    def action_machine(self) -> None:
        """The next machine."""
        names = [host.name for host in self._picture.hosts]
        if len(names) < 2:
            self.say((" there is one machine", MUTED))
            return
        here = names.index(self.where()["host"])
        self._host = names[(here + 1) % len(names)]
        self.load()

    def now_wall(self) -> float:
        """The engine's clock, Unix seconds."""
        return self._now.wall if self._now else time.time()

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action."""
        self._told.say(*parts)

    def ask(self, method: str, taken: Any, **params: Any) -> None:
        """Call the engine; ``taken`` gets its answer while this screen is there."""

        def guarded(said: Any) -> None:
            if self.is_mounted:
                taken(said)

        self.post_message(CallWanted(method, guarded, self._refuse, **params))

    def refused(self, words: str) -> None:
        """The engine could not be asked, or said no."""
        self.say((f" ✗ {render.clean(words)}", BAD))

    def _refuse(self, words: str) -> None:
        if self.is_mounted:
            self.refused(words)

    def _load_in_view(self) -> None:
        if self.is_current:
            self.load()

    def action_up(self) -> None:
        """One up."""
        self._list.move(-1)

    def action_down(self) -> None:
        """One down."""
        self._list.move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._list.move(-self._list.page)

    def action_page_down(self) -> None:
        """One page down."""
        self._list.move(self._list.page)

    def action_top(self) -> None:
        """The first."""
        self._list.move_to(0)

    def action_bottom(self) -> None:
        """The last."""
        self._list.move_to(-1)

    def action_back(self) -> None:
        """Back."""
        self.dismiss()
