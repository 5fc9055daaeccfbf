"""What every screen has: the picture it is given and the actions on the run it shows."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual import on
from textual.events import Resize
from textual.screen import Screen

from supervisor.core.moment import Moment
from supervisor.core.run import Request
from supervisor.tui.messages import PictureWanted
from supervisor.tui.model import Picture
from supervisor.tui.render import Part
from supervisor.tui.tail import Tail
from supervisor.tui.theme import MUTED

SMALLEST = (80, 24)
"""Columns and rows from which on everything has its place."""
TOO_SMALL = " {}×{} is small: from 80×24 on all of it fits"


@runtime_checkable
class Questioning(Protocol):
    """A screen whose keys decide something, so that they are dead for a moment."""

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A screen that answers several requests, and is told of one that was not taken."""

    def answer_refused(self, request: Request, words: str) -> None:
        """The engine did not take it."""
        ...


class PictureScreen(Screen[None]):
    """A screen that draws pictures. It never asks for one."""

    ALLOW_SELECT = False
    IS_PAST = False
    """Shows what was: nothing is done to runs from here."""
    _is_small = False

    def on_screen_resume(self) -> None:
        """On top: what changed while this screen was covered (or not there) has to be drawn."""
        self.post_message(PictureWanted())

    @on(Resize)
    def say_small(self, event: Resize) -> None:
        """Say it where not all of it fits, once for each size, and take it back."""
        columns, rows = event.size
        is_small = columns < SMALLEST[0] or rows < SMALLEST[1]
        if is_small:
            self.say((TOO_SMALL.format(columns, rows), MUTED))
        elif self._is_small:
            self.say()
        self._is_small = is_small

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
