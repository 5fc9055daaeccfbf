"""What every screen has: the picture it is given and the actions on the run it shows."""

from __future__ import annotations

from textual.screen import Screen

from supervisor.core.moment import Moment
from supervisor.tui.messages import PictureWanted
from supervisor.tui.model import Picture
from supervisor.tui.render import Part
from supervisor.tui.tail import Tail


class PictureScreen(Screen[None]):
    """A screen that draws pictures. It never asks for one."""

    ALLOW_SELECT = False

    def on_screen_resume(self) -> None:
        """On top: what changed while this screen was covered (or not there) has to be drawn."""
        self.post_message(PictureWanted())

    def show(self, picture: Picture, now: Moment) -> None:
        """Draw this picture at that instant."""

    def show_log(self, tail: Tail | None) -> None:
        """Draw the log that is followed."""

    def say(self, *parts: Part) -> None:
        """Show one line on what became of the last action."""

    @property
    def run_id(self) -> str | None:
        """The run that actions mean; None is none."""
        return None

    @property
    def agent(self) -> str | None:
        """The agent that actions mean."""
        return None
