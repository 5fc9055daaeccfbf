"""The open requests, oldest first, one a line above everything else."""

from __future__ import annotations

from collections.abc import Sequence

from supervisor.core.moment import Moment
from supervisor.core.run import Request
from supervisor.tui import render
from supervisor.tui.model import OpenRequest
from supervisor.tui.render import Part, line
from supervisor.tui.theme import ASK, KEY, MUTED, STRONG, TEXT
from supervisor.tui.widgets.lines import Lines

WIDE_CELLS = 130
"""Above this width the id of a request is shown too."""
SHOWN = 3
"""Requests listed; the rest are counted."""


class Inbox(Lines):
    """What waits for the operator; not there when nothing does."""

    DEFAULT_CSS = """
    Inbox {
        height: auto;
        max-height: 4;
        display: none;
        background: $lw-asking;
        border-left: outer $lw-ask;
        padding: 0 1;
        overflow-y: hidden;
    }
    Inbox.-shown { display: block; }
    """

    _last: tuple[Sequence[OpenRequest], Moment] | None = None

    def on_resize(self) -> None:
        """Fit the titles to the new width."""
        if self._last is not None:
            self.show(*self._last)

    def show(self, waiting: Sequence[OpenRequest], now: Moment) -> None:
        """List these."""
        self._last = (waiting, now)
        self.set_class(bool(waiting), "-shown")
        lines = []
        for place, item in enumerate(waiting[:SHOWN]):
            request = item.request
            waited = render.duration(now.wall - request.created_at)
            head: list[Part] = [
                ("i  ", KEY) if place == 0 else ("   ", ""),
                (render.clean(item.run.agent, 24), STRONG),
                (f"  waiting for you since {waited}{_reminded(request)}: ", ASK),
            ]
            left = ""
            if request.expires_at is not None:
                left = f"  {render.duration(request.expires_at - now.wall)} left"
            tail = left + (f"  {request.id}" if self.room > WIDE_CELLS else "")
            room = self.room - sum(len(text) for text, _ in head) - len(tail)
            title = render.fit(render.clean(request.title, 300), max(12, room))
            lines.append(line(*head, (title, TEXT), (tail, MUTED)))
        if len(waiting) > SHOWN:
            lines.append(line((f"  and {len(waiting) - SHOWN} more", MUTED)))
        self.styles.height = len(lines)
        self.set_lines(lines)


def _reminded(request: Request) -> str:
    return f", reminded {request.reminded}×" if request.reminded else ""
