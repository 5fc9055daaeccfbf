"""The question before an approval for good: what it covers, for whom, and until when."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from supervisor.core.run import Request, RunState
from supervisor.tui import keys, standing
from supervisor.tui.arming import Arming
from supervisor.tui.widgets.bars import KeyBar
from supervisor.tui.widgets.lines import Lines

CHROME_LINES = 5
"""Lines of the card that are not the question."""


class AlwaysScreen(ModalScreen[float | None]):
    """Seconds for a yes, None for a no; nothing is where the focus is."""

    CSS_PATH = "confirm.tcss"
    BINDINGS = keys.bindings(keys.STANDING)
    ALLOW_SELECT = False

    def __init__(
        self, run: RunState, request: Request, clock: Callable[[], float], now: float
    ) -> None:
        super().__init__()
        self._run = run
        self._request = request
        self._now = now
        self._span = standing.DEFAULT_SPAN
        self._arming = Arming(clock)
        self._lines = Lines(id="confirm-lines")

    def compose(self) -> ComposeResult:
        """A card with the scope and how long."""
        with Vertical(id="confirm-card") as card:
            card.border_title = "always?"
            yield self._lines
            yield KeyBar(keys.STANDING)

    def on_mount(self) -> None:
        """Keys typed before it was seen do nothing."""
        self._arming.disarm()

    def on_resize(self) -> None:
        """Wrap to the new width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        width = max(30, self._lines.size.width - 1)
        span = standing.SPANS[self._span]
        lines = standing.offer_lines(self._run, self._request, span, self._now, width)
        self._lines.styles.height = min(len(lines) + 1, max(4, self.size.height - CHROME_LINES))
        self._lines.set_lines(lines)
        self._lines.refresh()

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        self._arming.disarm()

    def action_option(self, number: int) -> None:
        """Another time; read it again before a yes counts."""
        self._span = number - 1
        self._fill()
        self._arming.disarm()

    def action_yes(self) -> None:
        """Approve, now and later, if it can have been read."""
        if self._arming.is_armed():
            self.dismiss(standing.SPANS[self._span].seconds)

    def action_no(self) -> None:
        """Back to the request."""
        self.dismiss(None)
