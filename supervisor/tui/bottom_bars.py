"""Progress bars under the lines of a headless ``longwatch run``: one line an agent.

Owns the lowest lines of the terminal between ``open`` and ``close``; whatever else is written
meanwhile goes through ``say``, and stands above them. Must never be used where standard output is
no terminal. The cursor stays visible: a command that is killed leaves nothing to mend.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from supervisor.core.moment import Moment
from supervisor.core.run import FINAL, RunState
from supervisor.core.text import safe_text
from supervisor.tui import render, theme, view
from supervisor.tui.render import Part, fit

REDRAW_S = 0.1
"""Least seconds between two drawings; the eye follows no more."""
NAME_CELLS = 18
STATE_CELLS = 12
BAR_CELLS = 20
PERCENT_CELLS = 5
SHARE_OF_HEIGHT = 3
"""At most one line in so many of the terminal is a bar; the rest are counted."""


class _Console(Console):
    """A console that leaves the cursor alone."""

    def show_cursor(self, show: bool = True) -> bool:
        """Nothing: a hidden cursor would outlive a kill."""
        del show
        return False


class BottomBars:
    """Bars below, lines above."""

    def __init__(self) -> None:
        # Read at each start, so that a test or a redirection is seen.
        self._terminal = _Console(
            file=sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=True
        )
        self._live: Live | None = None
        self._drawn_at = 0.0
        self._lines: RenderableType = Group()

    def open(self) -> None:
        """Take the lowest lines; nothing when they are taken already."""
        if self._live is None:
            self._live = Live(
                get_renderable=lambda: self._lines, console=self._terminal, transient=True,
                auto_refresh=False,
                redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop",
            )  # fmt: skip
            self._live.start()

    def close(self) -> None:
        """Give them back, empty; may be called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str = "") -> None:
        """One line above the bars."""
        self._terminal.print(Text(safe_text(text)), soft_wrap=True)

    def show(self, states: Sequence[RunState], now: Moment) -> None:
        """Draw these runs, unless that was done a moment ago."""
        if self._live is None or time.monotonic() - self._drawn_at < REDRAW_S:
            return
        self._drawn_at = time.monotonic()
        width, height = self._terminal.size
        self._lines = bar_lines(states, now, width, max(1, height // SHARE_OF_HEIGHT))
        self._live.refresh()


def bar_lines(states: Sequence[RunState], now: Moment, width: int, most: int) -> Group:
    """One line a run that is not over, at most ``most``; none is wider than ``width`` cells."""
    living = [state for state in states if state.status not in FINAL]
    lines = [_line(state, now, width - 1) for state in living[:most]]
    if len(living) > most:
        lines[-1] = _painted([(f"… and {len(living) - most + 1} more", theme.MUTED)], width - 1)
    return Group(*lines)


def _line(state: RunState, now: Moment, width: int) -> Text:
    look = theme.look_of_run(state)
    share = view.share_of(state)
    percent = "" if share is None else f"{share:.0%}"
    eta = view.eta_text(state, now)
    said = view.note_of(state, now) + (f"  {eta}" if eta else "")
    parts: list[Part] = [
        (fit(f"{look.glyph} {look.word}", STATE_CELLS), look.style),
        (fit(render.clean(state.agent, 64), NAME_CELLS) + " ", theme.STRONG),
    ]
    if width >= NAME_CELLS + STATE_CELLS + BAR_CELLS + PERCENT_CELLS:
        parts += render.bar(share, BAR_CELLS, look.style)
        parts.append((fit(percent, PERCENT_CELLS, right=True) + "  ", theme.TEXT))
    return _painted([*parts, (said, theme.MUTED)], width)


def _painted(parts: Sequence[Part], width: int) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    left = width
    for piece, style in parts:
        cut = fit(piece, left) if render.cells(piece) > left else piece
        text.append(cut, _rich_style(style))
        left -= render.cells(cut)
        if left <= 0:
            break
    return text


def _rich_style(style: str) -> str:
    """The terminal's own colour for a style of ours; ``bold $lw-run`` is ``bold bright_cyan``."""
    words = []
    for word in style.split(" on ", maxsplit=1)[0].split():
        colour = theme.ANSI.variables.get(word.removeprefix("$"), "")
        words.append(colour.removeprefix("ansi_") if word.startswith("$") else word)
    return " ".join(words).replace("bright_white", "default")
