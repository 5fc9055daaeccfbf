"""A question of ours before anything destructive; no is where the focus is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from supervisor.tui import keys
from supervisor.tui.arming import Arming
from supervisor.tui.widgets.bars import KeyBar
from supervisor.tui.widgets.lines import Lines


class ConfirmScreen(ModalScreen[bool]):
    """Yes or no; True only for a yes."""

    CSS_PATH = "confirm.tcss"
    BINDINGS = keys.bindings(keys.CONFIRM)
    ALLOW_SELECT = False

    def __init__(self, lines: Sequence[Content], clock: Callable[[], float]) -> None:
        super().__init__()
        self._shown = lines
        self._arming = Arming(clock)
        self._lines = Lines(id="confirm-lines")

    def compose(self) -> ComposeResult:
        """A card with the question."""
        with Vertical(id="confirm-card") as card:
            card.border_title = "sure?"
            yield self._lines
            yield KeyBar(keys.CONFIRM)

    def on_mount(self) -> None:
        """Fill it; keys typed before it was seen do nothing."""
        self._lines.styles.height = len(self._shown) + 1
        self._lines.set_lines(self._shown)
        self._arming.disarm()

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        self._arming.disarm()

    def action_yes(self) -> None:
        """Do it, if the question can have been read."""
        if self._arming.is_armed():
            self.dismiss(result=True)

    def action_no(self) -> None:
        """Leave everything as it is."""
        self.dismiss(result=False)
